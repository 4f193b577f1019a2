"""Attention among completions that share a prompt.

A mask over a packed row would make every token's scores against every other's, most of which the mask then throws away:
at eight completions of 512 tokens five sixths of them. Here a prompt attends to itself, and each completion to its
prompt and to itself, so that little more is computed than is looked at. The projections around it are the model's own.

transformers lets an attention function be registered by name; the language model of a family whose attention is plain
causal attention takes this one (`share_prompts`). Without a `Sharing` it is transformers' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "mr1_shared_prompts"


class Sharing(Protocol):
    """Who attends to whom in one forward, and where the keys and values of what came before are."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of one layer.

        Args:
            layer: its number.
            query: (B, heads, S, D).
            key: (B, key heads, S, D), of the same tokens.
            value: like the keys.
            scale: what the scores are multiplied with.

        Returns:
            (B, S, heads, D).
        """


@dataclass(frozen=True)
class Span:
    """A group's place in a flat row: its prompt, and behind it the completions, one after another."""

    start: int
    """Where the prompt begins."""
    prompt: int
    """Tokens of the prompt."""
    lengths: tuple[int, ...] = ()
    """Tokens of each completion; empty where the prompt stands alone."""


@dataclass
class _SideBySide:
    """A span's completions as rows of their own, padded behind their ends. C completions, L tokens the longest."""

    places: Tensor
    """(C * L,) where in the flat row each token is; padding takes the first of the completions' tokens."""
    tokens: Tensor
    """(N,) which of these the span's N tokens are."""
    mask: Tensor
    """(R * L, P + L) added to the scores of R heads' queries, one head after another."""


class FlatRow:
    """The groups of one row without padding: (1, S) tokens, each prompt with its completions behind it."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self._prepared: list[_SideBySide] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:  # noqa: ARG002
        """See `Sharing`."""
        if not self._prepared:  # all layers are alike
            self._prepared = [_side_by_side(span, query, query.shape[1] // key.shape[1]) for span in self.spans]
        outputs = []
        for span, prepared in zip(self.spans, self._prepared, strict=True):
            prompt = [each[:, :, span.start : span.start + span.prompt] for each in (query, key, value)]
            outputs.append(_prompt_attention(prompt, scale))
            if any(span.lengths):
                outputs.append(_completions_attention(prepared, query, key, value, prompt, scale))
        return torch.cat(outputs, dim=1)


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
    sharing: Sharing | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer of the language model."""
    if sharing is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **others)
    return sharing.attend(module.layer_idx, query, key, value, others["scaling"]), None


def _prompt_attention(prompt: Sequence[Tensor], scale: float) -> Tensor:
    """Causal attention of a prompt to itself: (1, heads, P, D) queries to (1, P, heads, D)."""
    query, key, value = prompt
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)


def _completions_attention(
    side: _SideBySide, query: Tensor, key: Tensor, value: Tensor, prompt: Sequence[Tensor], scale: float
) -> Tensor:
    """Attention of a group's completions to their prompt and themselves: (1, N, heads, D) for their N tokens.

    Heads that share keys have their queries one after another on one axis, so that no key is repeated for them.
    """
    heads, shared, width = query.shape[1], key.shape[1], query.shape[3]
    longest = side.mask.shape[1] - prompt[0].shape[2]
    count = len(side.places) // longest

    def rows(states: Tensor) -> Tensor:
        return states[0].index_select(1, side.places).view(-1, count, longest, width).transpose(0, 1)

    keys = torch.cat([prompt[1].expand(count, -1, -1, -1), rows(key)], dim=2)
    values = torch.cat([prompt[2].expand(count, -1, -1, -1), rows(value)], dim=2)
    queries = rows(query).reshape(count, shared, -1, width)
    output = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=side.mask, scale=scale)
    output = output.reshape(count, heads, longest, width).transpose(1, 2).reshape(1, count * longest, heads, width)
    return output if len(side.tokens) == output.shape[1] else output.index_select(1, side.tokens)


def _side_by_side(span: Span, query: Tensor, repeats: int) -> _SideBySide:
    """Lay out a span's completions for queries of this dtype and device, `repeats` of whose heads share keys."""
    longest = max(span.lengths, default=0)
    lengths = torch.tensor(span.lengths, dtype=torch.long)[:, None]
    offsets = torch.arange(longest)
    first = span.start + span.prompt
    starts = first + lengths.cumsum(0) - lengths
    real = offsets < lengths
    later = torch.full((longest, longest), -torch.inf).triu(1)
    mask = torch.cat([torch.zeros(longest, span.prompt), later], dim=1).repeat(repeats, 1)
    return _SideBySide(
        places=torch.where(real, starts + offsets, first).flatten().to(query.device),
        tokens=real.flatten().nonzero()[:, 0].to(query.device),
        mask=mask.to(query.device, query.dtype),
    )
