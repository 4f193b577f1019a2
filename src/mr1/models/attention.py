"""Attention among completions that share a prompt.

A mask over a packed row would make every token's scores against every other's, most of which the mask then throws away:
at eight completions of 512 tokens five sixths of them. Here a prompt attends to itself, and each completion to its
prompt and to itself, so that little more is computed than is looked at. The projections around it are the model's own.

transformers lets an attention function be registered by name; the language model of a family whose attention is plain
causal attention takes this one (`share_prompts`). Without a `FlatRow` it is transformers' own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from mr1.types import Prefix

NAME = "mr1_shared_prompts"
BLOCK = 192
"""Places of completions that attend at once, to no later places than theirs."""


@dataclass(frozen=True)
class Span:
    """A group's place in a flat row: its prompt, and behind it the completions, one after another."""

    start: int
    """Where the prompt begins, or the completions where it is not in the row."""
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
    longest: int
    """L."""
    masks: list[Tensor]
    """For each block of places, up to place E: (R * places, P + E) added to the scores of R heads' queries, one head
    after another."""


class FlatRow:
    """The groups of one row without padding: (1, S) tokens, each prompt with its completions behind it.

    Or the completions alone, where the prompts have been run before and left their prefixes.
    """

    def __init__(self, spans: Sequence[Span], prefixes: Sequence[Prefix] = ()) -> None:
        """A prefix for each span, or none."""
        self.spans, self.prefixes = spans, prefixes
        self._prepared: list[_SideBySide] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of one layer.

        Args:
            layer: its number.
            query: (1, heads, S, D).
            key: (1, key heads, S, D), of the same tokens.
            value: like the keys.
            scale: what the scores are multiplied with.

        Returns:
            (1, S, heads, D).
        """
        if not self._prepared:  # all layers are alike
            self._prepared = [
                _side_by_side(span, query, query.shape[1] // key.shape[1], inside=not self.prefixes)
                for span in self.spans
            ]
        outputs = []
        for number, (span, prepared) in enumerate(zip(self.spans, self._prepared, strict=True)):
            if self.prefixes:
                keys, values = (states[None] for states in self.prefixes[number].states[layer])
            else:
                inside = slice(span.start, span.start + span.prompt)
                keys, values = key[:, :, inside], value[:, :, inside]
                outputs.append(_prompt_attention(query[:, :, inside], keys, values, scale))
            if any(span.lengths):
                outputs.append(_completions_attention(prepared, query, key, value, (keys, values), scale))
        return torch.cat(outputs, dim=1)


class PromptRow(FlatRow):
    """Prompts alone, one after another, whose keys and values are kept."""

    def __init__(self, lengths: Sequence[int]) -> None:
        ends = itertools.accumulate(lengths)
        super().__init__([Span(end - length, length) for end, length in zip(ends, lengths, strict=True)])
        self._states: list[tuple[Tensor, Tensor]] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        self._states.append((key, value))
        return super().attend(layer, query, key, value, scale)

    def left(self, hidden: Tensor) -> list[Prefix]:
        """Each prompt's prefix, by the (1, S, H) hidden states of the row."""
        prefixes = []
        for span in self.spans:
            end = span.start + span.prompt
            states = [(keys[0, :, span.start : end], values[0, :, span.start : end]) for keys, values in self._states]
            prefixes.append(Prefix(hidden[0, end - 1], states))
        return prefixes


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
    sharing: FlatRow | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer of the language model."""
    if sharing is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **others)
    return sharing.attend(module.layer_idx, query, key, value, others["scaling"]), None


def _prompt_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Causal attention of a prompt to itself: (1, heads, P, D) queries to (1, P, heads, D)."""
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale).transpose(1, 2)


def _completions_attention(
    side: _SideBySide, query: Tensor, key: Tensor, value: Tensor, prompt: tuple[Tensor, Tensor], scale: float
) -> Tensor:
    """Attention of a group's completions to their prompt, by its keys and values, and themselves.

    Returns (1, N, heads, D) for their N tokens.

    Heads that share keys have their queries one after another on one axis, so that no key is repeated for them.
    """
    heads, shared, width = query.shape[1], key.shape[1], query.shape[3]
    longest = side.longest
    count = len(side.places) // longest

    def rows(states: Tensor) -> Tensor:
        return states[0].index_select(1, side.places).view(-1, count, longest, width).transpose(0, 1)

    keys = torch.cat([prompt[0].expand(count, -1, -1, -1), rows(key)], dim=2)
    values = torch.cat([prompt[1].expand(count, -1, -1, -1), rows(value)], dim=2)
    queries = rows(query).reshape(count, shared, -1, longest, width)
    outputs = []
    for first, mask in zip(range(0, longest, BLOCK), side.masks, strict=True):
        block = queries[:, :, :, first : first + BLOCK].flatten(2, 3)
        seen = mask.shape[1]
        output = functional.scaled_dot_product_attention(
            block, keys[:, :, :seen], values[:, :, :seen], attn_mask=mask, scale=scale
        )
        outputs.append(output.reshape(count, heads, -1, width))
    output = torch.cat(outputs, dim=2).transpose(1, 2).reshape(1, count * longest, heads, width)
    return output if len(side.tokens) == output.shape[1] else output.index_select(1, side.tokens)


def _side_by_side(span: Span, query: Tensor, repeats: int, inside: bool) -> _SideBySide:
    """Lay out a span's completions for queries of this dtype and device, `repeats` of whose heads share keys.

    `inside` tells whether the prompt is in the row.
    """
    longest = max(span.lengths, default=0)
    lengths = torch.tensor(span.lengths, dtype=torch.long)[:, None]
    offsets = torch.arange(longest)
    first = span.start + (span.prompt if inside else 0)
    starts = first + lengths.cumsum(0) - lengths
    real = offsets < lengths
    masks = []
    for begin in range(0, longest, BLOCK):
        end = min(begin + BLOCK, longest)
        later = torch.full((end - begin, end), -torch.inf).triu(begin + 1)
        masks.append(torch.cat([torch.zeros(end - begin, span.prompt), later], dim=1).repeat(repeats, 1))
    return _SideBySide(
        places=torch.where(real, starts + offsets, first).flatten().to(query.device),
        tokens=real.flatten().nonzero()[:, 0].to(query.device),
        longest=longest,
        masks=[mask.to(query.device, query.dtype) for mask in masks],
    )
