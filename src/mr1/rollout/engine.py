"""The in-process engine: the policy itself writes the completions.

A prompt is prefilled and its image encoded once for each group; the completions are decoded side by side. Those that
have ended leave the batch once they are half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from mr1.models.layers import OneDNNLinear, blocked_weights
from mr1.models.vlm import VLM
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.sampling import greedy_tokens, sample_tokens, uniform_numbers
from mr1.rollout.shared import SharedPrompts, can_share
from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout

Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(R, V) logits, (R,) numbers of their completions in the batch, the token's place -> (R,) tokens, (R,) log-probs."""


class Decoder(Protocol):
    """Runs the model on R rows, one for each completion, and keeps what it has seen."""

    place: int
    """Tokens of each row that have been run, beside its prompt."""
    layers: list[OneDNNLinear]
    """Layers that each token passes, and whose weights are still to be laid out for it."""

    def prefill(self) -> Tensor:
        """Run the prompts. Returns each row's last hidden state, (R, H)."""

    def step(self, tokens: Tensor) -> Tensor:
        """Run one more token of each row, (R,). Returns (R, H)."""

    def shrink(self, active: Tensor) -> Tensor | None:
        """Leave out rows, where that pays, once half of them are no longer active, (R,) bool.

        Returns:
            The numbers of the rows that are kept, ascending, some of which may have ended; None where all are.
        """


class _Written:
    """What has been written so far to N completions; row by row as long as the longest may be."""

    def __init__(self, count: int, length: int, device: torch.device) -> None:
        self.tokens = torch.zeros(count, length, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(count, length, device=device)
        self.lengths = torch.full((count,), length, device=device)
        self.stopped = torch.zeros(count, dtype=torch.bool, device=device)

    def append(self, place: int, rows: Tensor, tokens: Tensor, logprobs: Tensor, stops: Tensor) -> Tensor:
        """Write one token of each of these rows; one that had stopped before stays as it is, whatever is behind it.

        Returns:
            (R,) bool: which of the rows go on.
        """
        self.tokens[rows, place] = tokens
        self.logprobs[rows, place] = logprobs
        before = self.stopped[rows]
        stopped = before | stops[tokens]
        self.stopped[rows] = stopped
        self.lengths[rows] = torch.where(stopped & ~before, place + 1, self.lengths[rows])
        return ~stopped


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

    def _complete(self, prompts: Sequence[Prompt], copies: int, length: int, choose: Choose) -> list[Completion]:
        """`copies` completions of each prompt, in the prompts' order."""
        decoder = self.decoder(prompts, copies, length)
        with torch.no_grad():
            hidden = decoder.prefill()
        written = _Written(len(prompts) * copies, length, self.vlm.device)
        rows = torch.arange(len(written.tokens), device=self.vlm.device)
        bias, head = self.vlm.token_bias(), self.vlm.adapter.head()
        stops = torch.zeros_like(bias, dtype=torch.bool)
        stops[[token for token in self.vlm.stop_tokens() if 0 <= token < len(stops)]] = True

        # Of what is made in inference mode nothing may stay that a gradient is taken of, such as image features.
        with blocked_weights(decoder.layers), torch.inference_mode():
            for place in range(length):
                tokens, logprobs = choose(head(hidden).float() + bias, rows, place)
                active = written.append(place, rows, tokens, logprobs, stops)
                left = int(active.sum())
                if left == 0 or place + 1 == length:
                    break
                if 2 * left <= len(rows) and (kept := decoder.shrink(active)) is not None:
                    rows, tokens = rows[kept], tokens[kept]
                hidden = decoder.step(tokens)
        return self._completions(written)

    def decoder(self, prompts: Sequence[Prompt], copies: int, length: int) -> Decoder:
        """What runs the model: by shared prompts where that is exact."""
        return (SharedPrompts if can_share(self.vlm) else RepeatedPrompts)(self.vlm, prompts, copies, length)

    def _completions(self, written: _Written) -> list[Completion]:
        lengths, stopped = written.lengths.tolist(), written.stopped.tolist()
        tokens = [row[:size].clone() for row, size in zip(written.tokens.cpu(), lengths, strict=True)]
        logprobs = [row[:size].clone() for row, size in zip(written.logprobs.cpu(), lengths, strict=True)]
        texts = self.vlm.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [
            Completion(
                token_ids=tokens[row],
                logprobs=logprobs[row],
                text=texts[row],
                mask=torch.ones(size, dtype=torch.bool),
                finish_reason="stop" if stopped[row] else "length",
            )
            for row, size in enumerate(lengths)
        ]


def _batches(prompts: Sequence[Prompt], size: int) -> Iterator[Sequence[Prompt]]:
    for start in range(0, len(prompts), size):
        yield prompts[start : start + size]
