"""What methods and evaluations ask of whoever writes completions: the model in this process, or servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout
    from mr1.models.vlm import VLM

Key = tuple[int, int]
"""A run's seed and the step. With the sample's id, its attempt and the completion's number they fix what is sampled."""


@dataclass
class Begun:
    """A completion of which a part is there, and which is to go on."""

    prompt: Prompt
    completion: Completion
    """What is there: written by the policy or put in (`put_in`), or no token at all (`nothing`)."""
    number: int
    """The completion's number in its group."""
    budget: int
    """Tokens that may be added, at least 1."""


class Engine(Protocol):
    """Writes completions by the policy's present weights. A prompt is made ready by the policy's own processor."""

    @property
    def vlm(self) -> VLM:
        """The policy, as it is in this process: its processor, its tokens, its chat template."""

    def prepare(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Do ahead of a rollout what it and the update behind it both need; the prompts that are to be used instead.

        What was made for them (`Prompt.ahead`) is let go of by `update`.
        """

    def sample(self, prompts: Sequence[Prompt], settings: Rollout, key: Key) -> list[Group]:
        """G completions of each prompt.

        Args:
            prompts: any number; those of one call that repeat a sample have different `attempt`s.
            settings: group size, temperature, top-p, lengths.
            key: what is sampled depends on it, the samples, attempts and the completions' numbers alone.
        """

    def greedy(self, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int = 128) -> list[Completion]:
        """The likeliest completion of each prompt, token by token."""

    def extend(
        self, begun: Sequence[Begun], settings: Rollout, key: Key | None, stop: Sequence[str] = ()
    ) -> list[Completion]:
        """Go on from partly written completions, each up to a stop token, a stop string or its own budget.

        A completion that is written in parts is the one that would be written at once: places count on.

        Args:
            begun: what is there. Its group size and its longest completion are not those of `settings`.
            settings: temperature, top-p, batch size.
            key: as in `sample`; None for the likeliest tokens.
            stop: strings. The token that completes one of them in the new text is the last.

        Returns:
            The whole completions: what was there with its mask, and what was added.
        """

    def sync(self, policy: VLM) -> None:
        """Take over the policy's weights; called after each optimiser step."""

    def metrics(self) -> dict[str, float]:
        """What there is to say of it since it was last asked; recorded at each step."""


def nothing() -> Completion:
    """A completion without a token, to begin from."""
    none = torch.zeros(0)
    return Completion(none.long(), none, "", none.bool(), "length")


def put_in(vlm: VLM, completion: Completion, token_ids: Tensor) -> Completion:
    """Put tokens behind what is there which the policy did not write, such as a tool's answer; it isn't answerable.

    Args:
        vlm: whose tokens they are.
        completion: stays as it is.
        token_ids: (T,) int64.
    """
    tokens = torch.cat([completion.token_ids, token_ids])
    return replace(
        completion,
        token_ids=tokens,
        logprobs=None if completion.logprobs is None else torch.cat([completion.logprobs, torch.zeros(len(token_ids))]),
        text=vlm.tokenizer.decode(tokens, skip_special_tokens=True),
        mask=torch.cat([completion.mask, torch.zeros(len(token_ids), dtype=torch.bool)]),
    )


def joined(there: Completion, added: Completion, tokenizer: Any) -> Completion:
    """One completion of two parts; `there.logprobs` is None where a part of it was not sampled."""
    assert added.logprobs is not None, "it was sampled"
    tokens = torch.cat([there.token_ids, added.token_ids])
    return replace(
        added,
        token_ids=tokens,
        logprobs=None if there.logprobs is None else torch.cat([there.logprobs, added.logprobs]),
        text=tokenizer.decode(tokens, skip_special_tokens=True),
        mask=torch.cat([there.mask, added.mask]),
    )
