"""Attention among completions that share a prompt.

A mask over a packed row would make every token's scores against every other's, most of which the mask then throws away:
at eight completions of 512 tokens five sixths of them. Here a prompt attends to itself, and each completion to its
prompt and to itself, so that little more is computed than is looked at. The projections around it are the model's own.

transformers lets an attention function be registered by name; the language model of a family whose attention is plain
causal attention takes this one (`share_prompts`). Without a row of shared prompts it is transformers' own.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "mr1_shared_prompts"
BLOCK = 192
"""Places of completions that attend at once, to no later places than theirs."""


class Attends(Protocol):
    """A row that knows who attends to whom: `sharing.FlatRow`."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """See there."""


def share_prompts(model: Any) -> None:
    """Let the language model of a family with plain causal attention take this module's attention."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.config.get_text_config()._attn_implementation = NAME


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    sharing: Attends | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer of the language model."""
    if sharing is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **others)
    return sharing.attend(module.layer_idx, query, key, value, others["scaling"]), None


def prompt_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Causal attention of a prompt to itself: (1, heads, P, D) queries to (1, P, heads, E)."""
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)


def completions_attention(
    query: Tensor,
    own: tuple[Tensor, Tensor],
    prompt: tuple[Tensor, Tensor],
    masks: list[Tensor],
    scale: float,
) -> Tensor:
    """Attention of C completions of L tokens to their prompt and themselves.

    Heads that share keys have their queries one after another on one axis, so that no key is repeated for them.

    Args:
        query: (C, heads, L, D).
        own: keys and values of the completions, (C, key heads, L, D or E).
        prompt: of their prompt, (1, key heads, P, D or E).
        masks: what `later_places` makes.
        scale: what the scores are multiplied with.

    Returns:
        (C, L, heads, E).
    """
    count, heads, longest, _ = query.shape
    keys, values = (
        torch.cat([theirs.expand(count, -1, -1, -1), mine], dim=2) for theirs, mine in zip(prompt, own, strict=True)
    )
    queries = query.unflatten(1, (keys.shape[1], -1))
    outputs = []
    for first, mask in zip(range(0, longest, BLOCK), masks, strict=True):
        block = queries[:, :, :, first : first + BLOCK].flatten(2, 3)
        seen = mask.shape[1]
        output = functional.scaled_dot_product_attention(
            block, keys[:, :, :seen], values[:, :, :seen], attn_mask=mask, scale=scale
        )
        outputs.append(output.reshape(count, heads, -1, values.shape[3]))
    return torch.cat(outputs, dim=2).transpose(1, 2)


def later_places(prompt: int, longest: int, like: Tensor, repeats: int) -> list[Tensor]:
    """What is added to scores so that no completion sees its own later places.

    Args:
        prompt: P, tokens of the prompt.
        longest: L, tokens of the longest completion.
        like: of the queries' dtype and device.
        repeats: R, heads of queries that share keys.

    Returns:
        For each block of places, up to place E: (R * places, P + E), one head after another.
    """
    masks = []
    for begin in range(0, longest, BLOCK):
        end = min(begin + BLOCK, longest)
        later = torch.full((end - begin, end), -torch.inf).triu(begin + 1)
        masks.append(torch.cat([torch.zeros(end - begin, prompt), later], dim=1).repeat(repeats, 1))
    return [mask.to(like.device, like.dtype) for mask in masks]
