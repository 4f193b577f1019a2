"""The in-process engine: the policy itself writes the completions.

A prompt is prefilled and its image encoded once for each group; its keys and values are repeated for the completions,
which are decoded side by side. Completions that have ended leave the batch once they are half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from mr1.models.vlm import VLM
from mr1.rollout.cache import repeat_for_completions
from mr1.rollout.sampling import greedy_tokens, sample_tokens, uniform_numbers
from mr1.types import Completion, FinishReason, Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout

Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(R, V) logits, (R,) numbers of their completions in the batch, the token's place -> (R,) tokens, (R,) log-probs."""


@dataclass
class _Written:
    """One completion while it grows."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason = "length"


class Engine:
    """Samples from a model that lives in this process; there are no weights to synchronise."""

    def __init__(self, vlm: VLM) -> None:
        self.vlm = vlm

    def sample(self, prompts: Sequence[Prompt], settings: Rollout, key: tuple[int, int]) -> list[Group]:
        """G completions of each prompt.

        Args:
            prompts: any number; those of one call should not repeat a sample, or it is sampled alike twice.
            settings: group size, temperature, top-p, lengths.
            key: the run's seed and the step: with the sample's id and the completion's number they fix what is sampled.
        """
        size, length = settings.group_size, settings.max_new_tokens
        groups = []
        for batch in _batches(prompts, max(1, settings.batch_size // size)):
            uniform = torch.stack(
                [uniform_numbers(key, prompt.sample.id, i, length) for prompt in batch for i in range(size)]
            ).to(self.vlm.device)

            def choose(logits: Tensor, rows: Tensor, place: int, uniform: Tensor = uniform) -> tuple[Tensor, Tensor]:
                return sample_tokens(logits, uniform[rows, place], settings.temperature, settings.top_p)

            completions = self._complete(batch, size, length, choose)
            groups += [Group(prompt, completions[i * size : (i + 1) * size]) for i, prompt in enumerate(batch)]
        return groups

    def greedy(self, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int = 128) -> list[Completion]:
        """The likeliest completion of each prompt, token by token."""
        return [
            completion
            for batch in _batches(prompts, batch_size)
            for completion in self._complete(batch, 1, max_new_tokens, lambda logits, *_: greedy_tokens(logits))
        ]

    @torch.no_grad()
    def _complete(self, prompts: Sequence[Prompt], copies: int, length: int, choose: Choose) -> list[Completion]:
        """`copies` completions of each prompt, in the prompts' order."""
        cache = DynamicCache(config=self.vlm.model.config)
        hidden, seen = self._prefill(prompts, cache)
        repeat_for_completions(cache, copies, room=length)
        hidden, seen = hidden.repeat_interleave(copies, 0), seen.repeat_interleave(copies, 0)
        following = torch.tensor([prompt.next_position for prompt in prompts]).repeat_interleave(copies)
        following = following.to(self.vlm.device)

        written = [_Written() for _ in range(len(prompts) * copies)]
        rows = torch.arange(len(written), device=self.vlm.device)
        active = torch.ones_like(rows, dtype=torch.bool)
        stops = torch.tensor(self.vlm.stop_tokens(), device=self.vlm.device)
        bias, head = self.vlm.token_bias(), self.vlm.adapter.head()

        for place in range(length):
            tokens, logprobs = choose(head(hidden).float() + bias, rows, place)
            _append(written, rows[active], tokens[active], logprobs[active])
            stopped = active & torch.isin(tokens, stops)
            for row in rows[stopped].tolist():
                written[row].finish_reason = "stop"
            active &= ~stopped
            if not active.any() or place + 1 == length:
                break
            if 2 * active.sum() <= len(active):
                kept = active.nonzero()[:, 0]
                cache.batch_select_indices(kept)
                rows, tokens, seen, following, active = (x[kept] for x in (rows, tokens, seen, following, active))
            hidden, seen = self._decode(tokens, seen, following + place, cache)
        return [self._completion(each) for each in written]

    def _prefill(self, prompts: Sequence[Prompt], cache: DynamicCache) -> tuple[Tensor, Tensor]:
        """Run the prompts into the cache. Returns (B, H), their last hidden states, and (B, P), what is no padding."""
        adapter, longest = self.vlm.adapter, max(map(len, prompts))
        input_ids = torch.full((len(prompts), longest), adapter.pad_token_id)
        position_ids = torch.zeros(adapter.position_axes, len(prompts), longest, dtype=torch.long)
        seen = torch.zeros(len(prompts), longest, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            input_ids[row, longest - len(prompt) :] = prompt.input_ids
            position_ids[:, row, longest - len(prompt) :] = prompt.position_ids
            seen[row, longest - len(prompt) :] = True
        device = self.vlm.device
        hidden = adapter.hidden_states(
            input_ids.to(device), position_ids.to(device), seen.to(device), self.vlm.features(prompts), cache
        )
        return hidden[:, -1], seen.to(device)

    def _decode(self, tokens: Tensor, seen: Tensor, positions: Tensor, cache: DynamicCache) -> tuple[Tensor, Tensor]:
        """Run one more token of each row. Returns (R, H) hidden states and what is no padding, a column longer."""
        seen = torch.cat([seen, torch.ones_like(seen[:, :1])], dim=1)
        axes = self.vlm.adapter.position_axes
        hidden = self.vlm.adapter.hidden_states(tokens[:, None], positions.expand(axes, -1)[..., None], seen, [], cache)
        return hidden[:, -1], seen

    def _completion(self, written: _Written) -> Completion:
        token_ids = torch.tensor(written.tokens)
        return Completion(
            token_ids=token_ids,
            logprobs=torch.tensor(written.logprobs),
            text=self.vlm.tokenizer.decode(token_ids, skip_special_tokens=True),
            mask=torch.ones(len(token_ids), dtype=torch.bool),
            finish_reason=written.finish_reason,
        )


def _append(written: list[_Written], rows: Tensor, tokens: Tensor, logprobs: Tensor) -> None:
    for row, token, logprob in zip(rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True):
        written[row].tokens.append(token)
        written[row].logprobs.append(logprob)


def _batches(prompts: Sequence[Prompt], size: int) -> Iterator[Sequence[Prompt]]:
    for start in range(0, len(prompts), size):
        yield prompts[start : start + size]
