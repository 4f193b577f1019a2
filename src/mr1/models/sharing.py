"""Rows in which completions share a prompt, and what a layer that mixes tokens does with them.

An attention layer: a prompt attends to itself, each completion to its prompt and to itself (see `attention`). A
recurrent layer: a prompt is run, and each completion goes on from the state in which it ended (see `recurrent`). All
other layers treat each token for itself, so that the row is to them like any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mr1.models.attention import completions_attention, later_places, prompt_attention
from mr1.models.recurrent import Carried, Mix
from mr1.types import Prefix


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
class SideBySide:
    """A span's completions as rows of their own, padded behind their ends. C completions, L tokens the longest."""

    places: Tensor
    """(C, L) where in the flat row each token is; padding takes the first of the completions' tokens."""
    tokens: Tensor
    """(N,) which of the C * L the span's N tokens are."""
    masks: list[Tensor] = field(default_factory=list)
    """What `attention.later_places` makes, once a layer has asked for it."""

    def rows(self, states: Tensor) -> Tensor:
        """(S, ...) tokens of the flat row to (C, L, ...)."""
        return states.index_select(0, self.places.flatten()).unflatten(0, self.places.shape)

    def row(self, states: Tensor) -> Tensor:
        """(C, L, ...) to (N, ...), the span's tokens as they stand in the flat row."""
        flat = states.flatten(0, 1)
        return flat if len(flat) == len(self.tokens) else flat.index_select(0, self.tokens)


class FlatRow:
    """The groups of one row without padding: (1, S) tokens, each prompt with its completions behind it.

    Or the completions alone, where the prompts have been run before and left their prefixes.
    """

    def __init__(self, spans: Sequence[Span], prefixes: Sequence[Prefix] = ()) -> None:
        """A prefix for each span, or none."""
        self.spans, self.prefixes = spans, prefixes
        self._sides: list[SideBySide] = []

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of one layer.

        Args:
            layer: its number.
            query: (1, heads, S, D).
            key: (1, key heads, S, D), of the same tokens.
            value: (1, key heads, S, E).
            scale: what the scores are multiplied with.

        Returns:
            (1, S, heads, E).
        """
        outputs = []
        for number, (span, side) in enumerate(zip(self.spans, self._laid_out(query.device), strict=True)):
            if self.prefixes:
                keys, values = (states[None] for states in self.prefixes[number].states[layer])
            else:
                inside = slice(span.start, span.start + span.prompt)
                keys, values = key[:, :, inside], value[:, :, inside]
                outputs.append(prompt_attention(query[:, :, inside], keys, values, scale)[0])
            if any(span.lengths):
                # Heads that share keys have their queries one after another on one axis: no key is repeated for them.
                if not side.masks:  # all layers are alike
                    side.masks = later_places(span.prompt, side.places.shape[1], query, query.shape[1] // key.shape[1])
                queries, own_keys, own_values = (
                    side.rows(states[0].transpose(0, 1)).transpose(1, 2) for states in (query, key, value)
                )
                attended = completions_attention(queries, (own_keys, own_values), (keys, values), side.masks, scale)
                outputs.append(side.row(attended))
        return torch.cat(outputs)[None]

    def recur(self, layer: int, mix: Mix, hidden: Tensor) -> Tensor:
        """A recurrent layer.

        Args:
            layer: its number.
            mix: runs the layer on rows of their own.
            hidden: (1, S, H).

        Returns:
            (1, S, H).
        """
        outputs = []
        for number, (span, side) in enumerate(zip(self.spans, self._laid_out(hidden.device), strict=True)):
            carried = Carried(*(state[None] for state in self.prefixes[number].states[layer]) if self.prefixes else ())
            if not self.prefixes:
                outputs.append(mix(hidden[:, span.start : span.start + span.prompt], carried)[0])
            if any(span.lengths):
                rows = side.rows(hidden[0])
                longest = rows.shape[1]
                if longest == 1:
                    # Families have a kernel for single tokens, which on a GPU has no backward. Another token behind it
                    # changes nothing.
                    rows = rows.expand(-1, 2, -1)
                mixed = mix(rows, carried.for_each(len(span.lengths)))
                outputs.append(side.row(mixed[:, :longest]))
        return torch.cat(outputs)[None]

    def _laid_out(self, device: torch.device) -> list[SideBySide]:
        """All layers take the same."""
        if not self._sides:
            self._sides = [_side_by_side(span, device, inside=not self.prefixes) for span in self.spans]
        return self._sides


class PromptRow(FlatRow):
    """Prompts alone, one after another, whose keys and values, or last states, are kept."""

    def __init__(self, lengths: Sequence[int]) -> None:
        ends = itertools.accumulate(lengths)
        super().__init__([Span(end - length, length) for end, length in zip(ends, lengths, strict=True)])
        self._states: list[list[tuple[Tensor, ...]]] = []
        """Of each layer, each prompt's."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        places = [slice(span.start, span.start + span.prompt) for span in self.spans]
        self._states.append([(key[0, :, inside], value[0, :, inside]) for inside in places])
        return super().attend(layer, query, key, value, scale)

    def recur(self, layer: int, mix: Mix, hidden: Tensor) -> Tensor:
        left: list[tuple[Tensor, ...]] = []

        def kept(rows: Tensor, carried: Carried) -> Tensor:
            mixed = mix(rows, carried)
            left.append(tuple(state[0] for state in carried.states()))
            return mixed

        self._states.append(left)
        return super().recur(layer, kept, hidden)

    def left(self, hidden: Tensor) -> list[Prefix]:
        """Each prompt's prefix, by the (1, S, H) hidden states of the row."""
        return [
            Prefix(hidden[0, span.start + span.prompt - 1], list(states))
            for span, states in zip(self.spans, zip(*self._states, strict=True), strict=True)
        ]


def _side_by_side(span: Span, device: torch.device, inside: bool) -> SideBySide:
    """Lay out a span's completions; `inside` tells whether the prompt is in the row."""
    lengths = torch.tensor(span.lengths, dtype=torch.long)[:, None]
    offsets = torch.arange(max(span.lengths, default=0))
    first = span.start + (span.prompt if inside else 0)
    starts = first + lengths.cumsum(0) - lengths
    real = offsets < lengths
    return SideBySide(
        places=torch.where(real, starts + offsets, first).to(device),
        tokens=real.flatten().nonzero()[:, 0].to(device),
    )
