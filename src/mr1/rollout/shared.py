"""Decoding many completions of few prompts, each prompt's keys and values kept once.

A new token's scores against its prompt are one matrix product for the whole group, against a memory that is not
repeated; those against its own completion are beside them under one softmax. `rollout.repeated` is the plain way.

Keys and values are kept in the model's dtype. Products, scores and softmax are float32: in bfloat16 a layer's keys and
values are widened for the moment, because separate products would round their scores, which the fused kernel keeps.

Axes: B prompts, G completions of each, K heads of keys, Q heads of queries that share one of them, P places of the
longest prompt, T places of a completion, D a head's width. Where several stand together, as in (B K, G Q, D), the later
one runs faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mr1.models.layers import OneDNNLinear
from mr1.models.lean import LeanModel, is_lean
from mr1.models.routing import Routing
from mr1.models.vlm import VLM
from mr1.types import Prompt

AHEAD = 32
"""Places whose rotations are made at once."""


def can_share(vlm: VLM) -> bool:
    """Whether `SharedPrompts` decodes what the model does."""
    return vlm.adapter.shares and is_lean(vlm)


class LayerMemory:
    """A layer's keys and values, which are the two entries of the first axis, in the model's dtype.

    The prompts' are made by the prefill and read at each step; the completions' grow by one place at each step. All of
    it lives as long as the decoder.
    """

    def __init__(self, of_each: Sequence[tuple[Tensor, Tensor]], places: int, copies: int, room: int) -> None:
        """Lay out memory for the prompts' keys and values, (K, their places, D) each, and what comes behind them.

        Args:
            of_each: each prompt's keys and values.
            places: P, that of the longest.
            copies: G.
            room: places of a completion.
        """
        heads, _, width = of_each[0][0].shape
        self.prompts = of_each[0][0].new_zeros(2, len(of_each), heads, places, width)
        """(2, B, K, P, D), padded behind their ends."""
        for row, keys_and_values in enumerate(of_each):
            for kept, made in zip(self.prompts, keys_and_values, strict=True):
                kept[row, :, : made.shape[1]] = made
        self.completions = self.prompts.new_empty(2, len(of_each), heads, copies, room, width)
        """(2, B, K, G, room, D), filled up to the present place."""

    @property
    def heads(self) -> int:
        """K."""
        return self.prompts.shape[2]

    def write(self, place: int, new: Tensor) -> None:
        """Take the keys and values of one more place, (B, G, 2 K, D)."""
        by_kind = new.unflatten(2, (2, self.heads))  # (B, G, 2, K, D)
        self.completions[:, :, :, :, place] = by_kind.permute(2, 0, 3, 1, 4)

    def of_prompts(self) -> tuple[Tensor, Tensor]:
        """Keys and values, (B K, P, D) float32 each."""
        keys, values = self.prompts.flatten(1, 2).float()
        return keys, values

    def of_completions(self, place: int) -> tuple[Tensor, Tensor]:
        """Keys and values up to a place, (B K G, T, D) float32 each."""
        keys, values = self.completions.flatten(1, 3)[:, :, : place + 1].float()
        return keys, values

    def keep(self, prompts: Tensor, slots: Tensor) -> None:
        """Leave all out but these prompts, (B',), and of each these completions, (B', G')."""
        self.prompts = self.prompts[:, prompts]
        by_slot = self.completions.transpose(2, 3)[:, prompts[:, None], slots]  # (2, B', G', K, room, D)
        self.completions = by_slot.transpose(2, 3).contiguous()


class SharedPrompts:
    """A decoder whose rows form a grid: B prompts, G completions of each. See `local.Decoder`."""

    def __init__(self, vlm: VLM, prompts: Sequence[Prompt], copies: int, length: int) -> None:
        self.vlm, self.prompts = vlm, prompts
        self.grid = (len(prompts), copies)
        """B and G."""
        self.length = length
        self.routing: Routing | None = None
        """No family that it decodes has experts."""
        self.prompt_routes: list[Tensor] = []
        self.place = 0
        """Tokens of each completion whose keys are in memory."""
        self.following = torch.tensor([prompt.next_position for prompt in prompts], device=vlm.device)
        """(B,) positions of the completions' first tokens."""
        self.padding: Tensor | None = None
        """(B, 1, P) added to the scores against the prompts; None where all are equally long."""
        self.memory: list[LayerMemory] = []
        """Each layer's."""
        self._turns: tuple[Tensor, Tensor] | None = None
        """Rotations of the next places, of which the first is that of `_turned`."""
        self._turned = 0
        self.model: LeanModel
        """Made once the prompts have been run, so that its weights take no memory before."""
        self.layers = [head] if isinstance(head := vlm.adapter.head(), OneDNNLinear) else []

    def prefill(self) -> Tensor:
        """Run the prompts. Returns each row's last hidden state, (B G, H)."""
        prefixes = self.vlm.prefixes(self.prompts)
        lengths = torch.tensor([len(prompt) for prompt in self.prompts])
        longest = int(lengths.max())
        if lengths.min() < longest:
            beyond = torch.arange(longest) >= lengths[:, None]
            padding = torch.zeros(beyond.shape).masked_fill(beyond, -torch.inf)
            self.padding = padding[:, None].to(self.vlm.device)
        self.memory = [
            LayerMemory(of_each, longest, self.grid[1], self.length - 1)
            for of_each in zip(*(prefix.states for prefix in prefixes), strict=True)
        ]
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
        for memory in self.memory:
            memory.keep(prompts, slots)
        self.grid = (len(prompts), size)
        self.following = self.following[prompts]
        self._turns = None
        return (prompts[:, None] * grid.shape[1] + slots).flatten()

    def attend(self, layer: int, states: Tensor) -> Tensor:
        """See `lean.Attend`. Memory is read in place; no prompt's keys are repeated."""
        (prompts, copies), memory, width = self.grid, self.memory[layer], states.shape[3]
        heads = memory.heads
        memory.write(self.place, states[:, :, -2 * heads :])
        prompt_keys, prompt_values = memory.of_prompts()
        own_keys, own_values = memory.of_completions(self.place)

        queries = states[:, :, : -2 * heads].view(prompts, copies, heads, -1, width).transpose(1, 2)  # (B, K, G, Q, D)
        by_prompt = queries.reshape(prompts * heads, -1, width).float()  # (B K, G Q, D)
        if self.model.score_scale != 1:
            by_prompt = by_prompt * self.model.score_scale
        by_completion = by_prompt.view(len(own_keys), -1, width)  # (B K G, Q, D)

        to_prompt = by_prompt @ prompt_keys.mT  # (B K, G Q, P)
        if self.padding is not None:
            to_prompt = to_prompt + self.padding.repeat_interleave(heads, 0)
        to_own = by_completion @ own_keys.mT  # (B K G, Q, T)
        weights = torch.cat([to_prompt, to_own.view(*to_prompt.shape[:2], -1)], dim=-1).softmax(-1)  # (B K, G Q, P + T)

        of_prompt = weights[:, :, : prompt_keys.shape[1]] @ prompt_values  # (B K, G Q, D)
        own_weights = weights.view(*by_completion.shape[:2], -1)[:, :, -own_keys.shape[1] :]  # (B K G, Q, T)
        output = torch.baddbmm(of_prompt.view(by_completion.shape), own_weights, own_values)  # (B K G, Q, D)
        by_row = output.view(prompts, heads, copies, -1).transpose(1, 2)  # (B, G, K, Q D)
        return by_row.reshape(prompts * copies, -1).to(states.dtype)

    def _rotations(self) -> tuple[Tensor, Tensor]:
        """Those of this place; see `LeanModel.rotations`."""
        if self._turns is None or self.place >= self._turned + AHEAD:
            places = torch.arange(self.place, self.place + AHEAD, device=self.following.device)
            self._turns, self._turned = self.model.rotations(self.following[:, None] + places), self.place
        cosines, sines = self._turns
        return cosines[self.place - self._turned], sines[self.place - self._turned]
