"""Decoding with the prompts' keys and values repeated for each completion: for every family, and every attention.

A prompt is prefilled and its image encoded once for each group all the same. This is also what `rollout.shared` must
agree with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from mr1.models.routing import Routing
from mr1.models.vlm import VLM
from mr1.rollout.cache import keep_rows, repeat_for_completions
from mr1.types import Prompt


class RepeatedPrompts:
    """A decoder whose every row has all its keys and values. See `local.Decoder`."""

    def __init__(self, vlm: VLM, prompts: Sequence[Prompt], copies: int, length: int) -> None:
        self.routing: Routing | None = None
        self.prompt_routes: list[Tensor] = []
        self.vlm, self.prompts, self.copies, self.length = vlm, prompts, copies, length
        self.cache = DynamicCache(config=vlm.model.config)
        self.place = 0
        following = torch.tensor([prompt.next_position for prompt in prompts], device=vlm.device)
        self.following = following.repeat_interleave(copies)
        self.seen: Tensor
        """(R, K) bool: what of the cache is no padding."""
        self.layers = vlm.decoding_layers()

    def prefill(self) -> Tensor:
        """Run the prompts, padded before their beginnings. Returns each row's last hidden state, (R, H)."""
        adapter, longest = self.vlm.adapter, max(map(len, self.prompts))
        input_ids = torch.full((len(self.prompts), longest), adapter.pad_token_id)
        position_ids = torch.zeros(adapter.position_axes, len(self.prompts), longest, dtype=torch.long)
        seen = torch.zeros(len(self.prompts), longest, dtype=torch.bool)
        for row, prompt in enumerate(self.prompts):
            input_ids[row, longest - len(prompt) :] = prompt.input_ids
            position_ids[:, row, longest - len(prompt) :] = prompt.position_ids
            seen[row, longest - len(prompt) :] = True
        device = self.vlm.device
        features = self.vlm.features(self.prompts)
        hidden = adapter.hidden_states(
            input_ids.to(device), position_ids.to(device), seen.to(device), features, self.cache, self.routing
        )
        if self.routing is not None:
            made = self.routing.made().unflatten(0, input_ids.shape).cpu()
            self.prompt_routes = [row[longest - len(prompt) :] for row, prompt in zip(made, self.prompts, strict=True)]
        repeat_for_completions(self.cache, len(self.prompts), self.copies, room=self.length)
        self.seen = seen.to(device).repeat_interleave(self.copies, 0)
        return hidden[:, -1].repeat_interleave(self.copies, 0)

    def step(self, tokens: Tensor) -> Tensor:
        """Run one more token of each row, (R,). Returns (R, H)."""
        self.seen = torch.cat([self.seen, torch.ones_like(self.seen[:, :1])], dim=1)
        positions = (self.following + self.place).expand(self.vlm.adapter.position_axes, -1)[..., None]
        hidden = self.vlm.adapter.hidden_states(tokens[:, None], positions, self.seen, [], self.cache, self.routing)
        self.place += 1
        return hidden[:, -1]

    def shrink(self, active: Tensor) -> Tensor:
        """Leave out the rows that are not active, (R,) bool. Returns the numbers of those kept."""
        kept = active.nonzero()[:, 0]
        keep_rows(self.cache, kept)
        self.seen, self.following = self.seen[kept], self.following[kept]
        return kept
