"""The optimizer and its learning rate."""

from __future__ import annotations

import math

import torch

from mr1.config import Optimizer
from mr1.models.vlm import VLM


def make_optimizer(vlm: VLM, settings: Optimizer) -> torch.optim.AdamW:
    """AdamW over all parameters that learn; weight decay spares biases and norms, which have one axis."""
    learning = [parameter for parameter in vlm.model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas)


def learning_rate(step: int, steps: int, settings: Optimizer) -> float:
    """The learning rate of a step, counted from 0: a linear warm-up, then the schedule's way to 0 at the run's end."""
    warmup = settings.warmup * steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    factor = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
    return settings.learning_rate * factor[settings.schedule]


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Use this learning rate for the next step."""
    for group in optimizer.param_groups:
        group["lr"] = value
