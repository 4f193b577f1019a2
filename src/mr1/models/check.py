"""Does a model do under MR1 what it does under transformers? Measured on one model.

Four groups are scored at once: prompts with one, two, no and three images of several sizes, each with completions of
unequal lengths. What is compared: log-probs and gradients of the rows that MR1 would use with those of plain rows, and
log-probs with transformers' ordinary forward, and prompts with those that the processor makes of the same chat alone.
What is counted: tokens through the language model, images through the vision tower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mr1.models.vlm import VLM, chat
from mr1.train.packing import Rows, make_rows, plain_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group, Sample

SIZES = ((96, 64), (64, 128), (120, 120))
"""Width and height of the images."""
IMAGES = (1, 2, 0, 3)
"""Images of each group."""
TEMPLATE = "{question}"
LENGTHS = (5, 9, 2)
"""Tokens of each group's completions."""


@dataclass
class Check:
    """What was measured on one model."""

    family: str
    packs: bool
    logprob_difference: float
    """Largest, between MR1's rows and plain rows."""
    gradient_difference: float
    """Norm of the difference over the norm, between MR1's rows and plain rows; all parameters as one vector."""
    transformers_difference: float
    """Largest difference of a log-prob between MR1's rows and transformers' ordinary forward of one completion."""
    prompts_differ: int
    """Prompts whose token ids aren't those of the processor's own `apply_chat_template` (tokenize=True)."""
    tokens: int
    """Tokens, without padding, that MR1's rows pass through the language model."""
    plain_tokens: int
    """Tokens that plain rows pass."""
    encoded: float
    """How often each image passes the vision tower in one forward of MR1's rows."""


def check_model(vlm: VLM, seed: int = 0) -> Check:
    """Measure a model in the dtype that it was loaded in; its gradients are left at None."""
    groups = example_groups(vlm, seed)
    rows, plain = make_rows(groups, vlm.adapter), plain_rows(groups, vlm.adapter)
    once = sum(_encoded(vlm, [group]) for group in groups)
    logprobs, gradient = _scored(vlm, rows)
    plain_logprobs, plain_gradient = _scored(vlm, plain)
    ordinary = torch.cat([ordinary_logprobs(vlm, group) for group in groups])
    return Check(
        family=vlm.model.config.model_type,
        packs=vlm.adapter.packs,
        logprob_difference=_largest(logprobs, plain_logprobs),
        gradient_difference=float((gradient - plain_gradient).norm() / plain_gradient.norm()),
        transformers_difference=_largest(logprobs, ordinary),
        prompts_differ=sum(_templated(vlm, group) != group.prompt.input_ids.tolist() for group in groups),
        tokens=_tokens(rows),
        plain_tokens=_tokens(plain),
        encoded=_encoded(vlm, groups) / once,
    )


def example_groups(vlm: VLM, seed: int = 0) -> list[Group]:
    """Groups of random completions to random images; no completion holds a token that may not be sampled."""
    random = np.random.default_rng(seed)
    allowed = torch.isfinite(vlm.token_bias()).nonzero()[:, 0].cpu().numpy()
    groups = []
    counts = [count for count in IMAGES if count or not vlm.adapter.needs_images]
    for number, count in enumerate(counts):
        pixels = [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in SIZES[:count]]
        images = tuple(Image.fromarray(each) for each in pixels)
        sample = Sample(f"check/{number}", images, "How many?", "1")
        completions = [_completion(torch.from_numpy(random.choice(allowed, length))) for length in LENGTHS]
        groups.append(Group(vlm.prompt(sample, TEMPLATE), completions))
    return groups


@contextmanager
def counting_images(vlm: VLM) -> Iterator[list[int]]:
    """Collects, for each pass of the vision tower, how many tiles or patches passed."""
    counts: list[int] = []

    def count(_module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        counts.append(vlm.adapter.passed(arguments[0] if arguments else named["pixel_values"]))

    hook = vlm.adapter.vision_tower().register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield counts
    finally:
        hook.remove()


def _completion(token_ids: Tensor) -> Completion:
    return Completion(token_ids, None, "", torch.ones(len(token_ids), dtype=torch.bool), "length")


def _scored(vlm: VLM, rows: Rows) -> tuple[Tensor, Tensor]:
    """Log-probs, and the gradient of a sum in which every token has another weight, as one vector."""
    vlm.model.zero_grad()
    logprobs, _ = token_logprobs(vlm, rows, temperature=1.0)
    (logprobs * torch.linspace(-1, 1, len(logprobs), device=logprobs.device)).sum().backward()
    gradients = [p.grad.detach().float().flatten() for p in vlm.model.parameters() if p.grad is not None]
    vlm.model.zero_grad()
    return logprobs.detach(), torch.cat(gradients)


@torch.no_grad()
def ordinary_logprobs(vlm: VLM, group: Group) -> Tensor:
    """Log-probs of a group's completions, each by itself through the model's own forward, with the images in it."""
    prompt, parts = group.prompt, []
    for completion in group.completions:
        input_ids = torch.cat([prompt.input_ids, completion.token_ids])[None].to(vlm.device)
        arguments: dict[str, Any] = {**vlm.adapter.as_given(prompt.vision)}
        types = (input_ids == vlm.adapter.image_token_id).long()
        if vlm.adapter.position_axes > 1:
            arguments["mm_token_type_ids"] = types
        arguments |= vlm.adapter.token_arguments(input_ids)
        arguments |= vlm.adapter.own_mask(input_ids, torch.ones_like(input_ids), prompt=len(prompt))
        output = vlm.model(input_ids=input_ids, **arguments)
        logits = output.logits[0, len(prompt) - 1 : -1].float()
        logprobs = torch.log_softmax(logits + vlm.token_bias(), -1)
        parts.append(logprobs.gather(-1, completion.token_ids.to(vlm.device)[:, None])[:, 0])
    return torch.cat(parts)


def _templated(vlm: VLM, group: Group) -> list[int]:
    """The token ids of a group's prompt as the processor makes them of its chat, by transformers alone."""
    sample, messages = group.prompt.sample, chat(group.prompt.sample, TEMPLATE)
    images = iter(sample.images)
    for part in messages[0]["content"]:
        if part["type"] == "image":
            part["image"] = next(images)
    made = vlm.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    return made["input_ids"][0].tolist()


@torch.no_grad()
def _encoded(vlm: VLM, groups: Sequence[Group]) -> int:
    """Tiles or patches that pass the vision tower when these groups are scored."""
    with counting_images(vlm) as counts:
        token_logprobs(vlm, make_rows(groups, vlm.adapter), temperature=1.0)
    return sum(counts)


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _tokens(rows: Rows) -> int:
    if not isinstance(rows.mask, Tensor):
        return rows.input_ids.numel()
    mask = rows.mask if rows.mask.ndim == 2 else rows.mask[:, 0].any(1)
    return int(mask.sum())
