"""Decoding many completions of few prompts, each prompt's keys and values kept once.

A new token's scores against its prompt are one matrix product for the whole group, against a memory that is not
repeated; those against its own completion are beside them under one softmax. `rollout.repeated` is the plain way.

Keys and values are kept in the model's dtype. Products, scores and softmax are float32: in bfloat16 a layer's keys and
values are widened for the moment, because separate products would round their scores, which the fused kernel keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mr1.models.layers import OneDNNLinear
from mr1.models.lean import LeanModel, is_lean
from mr1.models.vlm import VLM
from mr1.types import Prompt

AHEAD = 32
"""Places whose rotations are made at once."""


def can_share(vlm: VLM) -> bool:
    """Whether `SharedPrompts` decodes what the model does."""
    return vlm.adapter.shares and is_lean(vlm)


class SharedPrompts:
    """A decoder whose rows form a grid: B prompts, G completions of each. See `local.Decoder`."""

    def __init__(self, vlm: VLM, prompts: Sequence[Prompt], copies: int, length: int) -> None:
        self.vlm, self.prompts = vlm, prompts
        self.grid = (len(prompts), copies)
        self.length = length
        self.place = 0
        """Tokens of each completion whose keys are in memory."""
        self.following = torch.tensor([prompt.next_position for prompt in prompts], device=vlm.device)
        """(B,) positions of the completions' first tokens."""
        self.padding: Tensor | None = None
        """(B, 1, P) added to the scores against the prompts; None where all are equally long."""
        self.given: list[Tensor] = []
        """Each layer's keys and values of the prompts: (2, B, key heads, P, D), padded behind their ends."""
        self.own: list[Tensor] = []
        """Each layer's keys and values of the completions: (2, B, key heads, G, length, D), filled up to `place`."""
        self._turns: tuple[Tensor, Tensor] | None = None
        """Rotations of the next places, of which the first is that of `_turned`."""
        self._turned = 0
        self.model: LeanModel
        """Made once the prompts have been run, so that its weights take no memory before."""
        self.layers = [head] if isinstance(head := vlm.adapter.head(), OneDNNLinear) else []

    def prefill(self) -> Tensor:
        """Run the prompts. Returns each row's last hidden state, (B * G, H)."""
        prefixes = self.vlm.prefixes(self.prompts)
        lengths = torch.tensor([len(prompt) for prompt in self.prompts])
        longest = int(lengths.max())
        if lengths.min() < longest:
            beyond = torch.arange(longest) >= lengths[:, None]
            padding = torch.zeros(beyond.shape).masked_fill(beyond, -torch.inf)
            self.padding = padding[:, None].to(self.vlm.device)
        for layer in range(len(prefixes[0].states)):
            self._remember([prefix.states[layer] for prefix in prefixes], longest)
        self.model = LeanModel(self.vlm)
        return torch.stack([prefix.hidden for prefix in prefixes]).repeat_interleave(self.grid[1], 0)

    def step(self, tokens: Tensor) -> Tensor:
        """Run one more token of each row, (R,). Returns (R, H)."""
        hidden = self.model(tokens, *self._rotations(), self.attend)
        self.place += 1
        return hidden

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
        self.given = [memory[:, prompts] for memory in self.given]
        self.own = [
            memory.transpose(2, 3)[:, prompts[:, None], slots].transpose(2, 3).contiguous() for memory in self.own
        ]
        self.grid = (len(prompts), size)
        self.following = self.following[prompts]
        self._turns = None
        return (prompts[:, None] * grid.shape[1] + slots).flatten()

    def _remember(self, states: Sequence[tuple[Tensor, Tensor]], longest: int) -> None:
        """Keep a layer's keys and values of each prompt, and make room for the completions'."""
        heads, _, width = states[0][0].shape
        given = states[0][0].new_zeros(2, len(states), heads, longest, width)
        for row, of_prompt in enumerate(states):
            for kept, made in zip(given, of_prompt, strict=True):
                kept[row, :, : made.shape[1]] = made
        self.given.append(given)
        self.own.append(given.new_empty(2, len(states), heads, self.grid[1], self.length - 1, width))

    def attend(self, layer: int, states: Tensor) -> Tensor:
        """See `lean.Attend`. Memory is read in place; no prompt's keys are repeated."""
        (prompts, size), width, shared = self.grid, states.shape[3], self.given[layer].shape[2]
        new = states[:, :, -2 * shared :].view(prompts, size, 2, shared, width)
        self.own[layer][:, :, :, :, self.place] = new.permute(2, 0, 3, 1, 4)
        own_keys, own_values = self.own[layer].flatten(1, 3)[:, :, : self.place + 1].float()
        given_keys, given_values = self.given[layer].flatten(1, 2).float()

        queries = states[:, :, : -2 * shared].view(prompts, size, shared, -1, width).transpose(1, 2)
        group = queries.reshape(prompts * shared, -1, width).float()  # all that look at the same prompt's keys
        if self.model.score_scale != 1:
            group = group * self.model.score_scale
        rows = (len(own_keys), -1)  # all that look at the same completion's keys
        to_prompt = group @ given_keys.mT
        if self.padding is not None:
            to_prompt = to_prompt + self.padding.repeat_interleave(shared, 0)
        to_own = (group.view(*rows, width) @ own_keys.mT).view(*group.shape[:2], -1)
        weights = torch.cat([to_prompt, to_own], dim=-1).softmax(-1)
        of_own = weights.view(*rows, weights.shape[2])[:, :, -own_keys.shape[1] :]
        of_prompt = weights[:, :, : given_keys.shape[1]] @ given_values
        output = torch.baddbmm(of_prompt.view(*rows, width), of_own, own_values)
        output = output.view(prompts, shared, size, -1).transpose(1, 2).reshape(prompts * size, -1)
        return output.to(states.dtype)

    def _rotations(self) -> tuple[Tensor, Tensor]:
        """Those of this place; see `LeanModel.rotations`."""
        if self._turns is None or self.place >= self._turned + AHEAD:
            places = torch.arange(self.place, self.place + AHEAD, device=self.following.device)
            self._turns, self._turned = self.model.rotations(self.following[:, None] + places), self.place
        cosines, sines = self._turns
        return cosines[self.place - self._turned], sines[self.place - self._turned]
