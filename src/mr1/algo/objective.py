"""Objectives: what a token contributes to the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from mr1.algo.kl import k3
from mr1.types import LossInputs, LossOutput


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """The clipped policy gradient objective per token, to be maximised: min(rho A, clip(rho, 1-low, 1+high) A).

    Args:
        log_ratio: (N,) log rho = log pi_theta - log pi_old.
        advantages: (N,) each token's advantage.
        clip_low: epsilon below 1.
        clip_high: epsilon above 1.

    Returns:
        (N,) objective values.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4, inside the brackets.
    """
    ratio = torch.exp(log_ratio)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_low, 1 + clip_high) * advantages)


def grpo_loss(inputs: LossInputs, clip_low: float, clip_high: float) -> LossOutput:
    """GRPO's loss: minus the weighted sum over tokens of [clipped surrogate - beta * k3].

    With `weights` of 1 / (completions * completion length) this is Eq. 4 averaged over the batch's groups.

    Metrics are weighted like the loss: `kl` (absent where the reference was not run) and `clip_fraction`, the share of
    tokens whose ratio left the clip range on the side where the clip takes the gradient away.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4.
    """
    log_ratio = inputs.logprobs - inputs.old_logprobs
    objective = clipped_surrogate(log_ratio, inputs.advantages, clip_low, clip_high)
    metrics = {"clip_fraction": _share(_clipped(log_ratio, inputs.advantages, clip_low, clip_high), inputs.weights)}
    if inputs.ref_logprobs is not None:
        kl = k3(inputs.logprobs, inputs.ref_logprobs)
        objective = objective - inputs.kl_weight * kl
        metrics["kl"] = _share(kl, inputs.weights)
    return LossOutput(loss=-(inputs.weights * objective).sum(), metrics=metrics)


def nll_loss(inputs: LossInputs) -> LossOutput:
    """Negative log-likelihood, weighted: supervised fine-tuning."""
    return LossOutput(loss=-(inputs.weights * inputs.logprobs).sum(), metrics={})


def _clipped(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    ratio = torch.exp(log_ratio)
    above = (ratio > 1 + clip_high) & (advantages > 0)
    below = (ratio < 1 - clip_low) & (advantages < 0)
    return (above | below).float()


def _share(values: Tensor, weights: Tensor) -> Tensor:
    return (values.detach() * weights).sum()
