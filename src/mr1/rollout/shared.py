"""Decoding many completions of few prompts, each prompt's keys and values kept once.

A new token's scores against its prompt are one matrix product for the whole group, against a memory that is not
repeated; those against its own completion are beside them under one softmax. `rollout.repeated` is the plain way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mr1.models.attention import FlatRow, Span
from mr1.models.vlm import VLM
from mr1.types import Prompt


class SharedPrompts:
    """A decoder whose rows form a grid: B prompts, G completions of each. See `engine.Decoder`."""

    def __init__(self, vlm: VLM, prompts: Sequence[Prompt], copies: int, length: int) -> None:
        self.vlm, self.prompts = vlm, prompts
        self.grid = (len(prompts), copies)
        self.length = length
        self.place = 0
        """Tokens of each completion whose keys are in memory."""
        following = torch.tensor([prompt.next_position for prompt in prompts], device=vlm.device)
        self.following = following.repeat_interleave(copies)
        self.padding: Tensor | None = None
        """(B, 1, 1, P) added to the scores against the prompts; None where all are equally long."""
        self.given: list[tuple[Tensor, Tensor]] = []
        """Each layer's keys and values of the prompts: (B, key heads, P, D), padded behind their ends."""
        self.own: list[tuple[Tensor, Tensor]] = []
        """Each layer's keys and values of the completions: (B, key heads, G, length, D), filled up to `place`."""

    def prefill(self) -> Tensor:
        """Run the prompts. Returns each row's last hidden state, (B * G, H)."""
        lengths = torch.tensor([len(prompt) for prompt in self.prompts])
        ends = lengths.cumsum(0)
        hidden = self.vlm.adapter.hidden_states(
            torch.cat([prompt.input_ids for prompt in self.prompts])[None].to(self.vlm.device),
            torch.cat([prompt.position_ids for prompt in self.prompts], dim=1)[:, None].to(self.vlm.device),
            _Prefill([Span(end - size, size) for end, size in zip(ends.tolist(), lengths.tolist(), strict=True)], self),
            self.vlm.features(self.prompts),
        )
        longest = int(lengths.max())
        if lengths.min() < longest:
            beyond = torch.arange(longest) >= lengths[:, None]
            padding = torch.zeros(beyond.shape).masked_fill(beyond, -torch.inf)
            self.padding = padding[:, None, None].to(hidden.device, hidden.dtype)
        return hidden[0, (ends - 1).to(hidden.device)].repeat_interleave(self.grid[1], 0)

    def step(self, tokens: Tensor) -> Tensor:
        """Run one more token of each row, (R,). Returns (R, H)."""
        positions = (self.following + self.place).expand(self.vlm.adapter.position_axes, -1)[..., None]
        hidden = self.vlm.adapter.hidden_states(tokens[:, None], positions, self, [])
        self.place += 1
        return hidden[:, -1]

    def shrink(self, active: Tensor) -> Tensor | None:
        """Leave out rows that have ended, once half of the grid can go.

        Prompts without an active completion go, and so many completions of each as all the others can spare.

        Args:
            active: (R,) bool.

        Returns:
            The numbers of the rows that stay, ascending; None where all do.
        """
        grid = active.view(self.grid)
        prompts = grid.any(1).nonzero()[:, 0]
        size = int(grid.sum(1).max())
        if 2 * len(prompts) * size > grid.numel():
            return None
        # Active ones first, each prompt's in their order; the last places may be taken by some that have ended.
        slots = grid[prompts].int().argsort(dim=1, descending=True, stable=True)[:, :size].sort(dim=1).values
        self.padding = None if self.padding is None else self.padding[prompts]
        self.given = [(keys[prompts], values[prompts]) for keys, values in self.given]
        rows = (prompts[:, None], slots)
        self.own = [(_keep(keys, rows), _keep(values, rows)) for keys, values in self.own]
        self.grid = (len(prompts), size)
        kept = (prompts[:, None] * grid.shape[1] + slots).flatten()
        self.following = self.following[kept]
        return kept

    def remember(self, spans: Sequence[Span], key: Tensor, value: Tensor) -> None:
        """Keep a layer's (1, key heads, S, D) keys and values of the prompts, and make room for the completions'."""
        (_, heads, _, width), longest = key.shape, max(span.prompt for span in spans)
        given = key.new_zeros(2, len(spans), heads, longest, width)
        for row, span in enumerate(spans):
            for states, kept in zip((key, value), given, strict=True):
                kept[row, :, : span.prompt] = states[0, :, span.start : span.start + span.prompt]
        own = key.new_empty(2, len(spans), heads, self.grid[1], self.length - 1, width)
        self.given.append((given[0], given[1]))
        self.own.append((own[0], own[1]))

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """See `attention.Sharing`: one token of each row. Memory is read in place; no prompt's keys are repeated."""
        (prompts, size), (rows, heads, _, width), shared = self.grid, query.shape, key.shape[1]
        given_keys, given_values = self.given[layer]
        own_keys, own_values = self.own[layer]
        for own, new in ((own_keys, key), (own_values, value)):
            own[:, :, :, self.place] = new.view(prompts, size, shared, width).transpose(1, 2)
        own_keys, own_values = (own[:, :, :, : self.place + 1] for own in (own_keys, own_values))

        query = (query * scale).view(prompts, size, shared, -1, width).transpose(1, 2)
        group = (prompts, shared, size * heads // shared)  # all queries that look at the same prompt's keys
        to_prompt = query.reshape(*group, width) @ given_keys.mT
        if self.padding is not None:
            to_prompt = to_prompt + self.padding
        to_own = query @ own_keys.mT
        weights = torch.cat([to_prompt, to_own.view(*group, -1)], dim=-1).softmax(-1)
        of_prompt, of_own = weights.split([given_keys.shape[2], own_keys.shape[3]], dim=-1)
        output = of_prompt @ given_values + (of_own.reshape(to_own.shape) @ own_values).view(*group, width)
        return output.view(query.shape).transpose(1, 2).reshape(rows, 1, heads, width)


class _Prefill(FlatRow):
    """Prompts one after another, whose keys and values are kept."""

    def __init__(self, spans: Sequence[Span], decoder: SharedPrompts) -> None:
        super().__init__(spans)
        self.decoder = decoder

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        self.decoder.remember(self.spans, key, value)
        return super().attend(layer, query, key, value, scale)


def _keep(states: Tensor, rows: tuple[Tensor, Tensor]) -> Tensor:
    """Of (B, heads, G, T, D) the (B', G') rows of the grid."""
    prompts, slots = rows
    return states.transpose(1, 2)[prompts, slots].transpose(1, 2).contiguous()
