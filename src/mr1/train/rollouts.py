"""The batches of a stage as they are drawn and sampled; with `rollout.ahead` the next one beside the update.

A batch that is sampled ahead is written by the policy as it was before the update beside it, so it is off by one step
when it is learned from. What corrects that is truncated importance sampling from the probabilities that it was sampled
by (`rollout.correction`).

    step t      score, advantages | update          | score, advantages | update          |
    beside it                     | sample batch t+1|                   | sample batch t+2|

None is sampled ahead of a checkpoint, so that a run that goes on from there samples by the same weights. One that a
signal finds unused is dropped, and its prompts are drawn again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from mr1.errors import UserError
from mr1.methods.base import Method
from mr1.methods.grpo import GRPO
from mr1.rollout.engine import Engine
from mr1.train.data import PromptSource
from mr1.train.nested import copied
from mr1.types import Group, Prompt

Span = tuple[float, float]
"""When something began, and when it ended."""


class Rollouts:
    """See the module."""

    def __init__(
        self, engine: Engine, method: Method, source: PromptSource, say: Callable[[str], None], ahead: bool
    ) -> None:
        """Of one stage.

        Raises:
            UserError: the method can't be sampled ahead.
        """
        if ahead and type(method).rollout is not GRPO.rollout:
            raise UserError("rollout.ahead: the method's rollout is more than sampling its prompts; set it to 0")
        self.engine, self.method, self.source, self.say = engine, method, source, say
        self.before: dict[str, Any] | None = None
        """What a checkpoint holds of the data while a batch waits that was sampled ahead: as it was before."""
        self._thread = ThreadPoolExecutor(1, "rollout")
        self._made: Future[tuple[list[Group], Span]] | None = None

    def batch(self, step: int, at: int, last: bool) -> list[Group]:
        """The next batch with its completions: the one that was sampled ahead, or one that is sampled now.

        Args:
            step: the run's.
            at: the stage's.
            last: whether the stage draws no batch behind it.
        """
        if self._made is None:
            return self.method.rollout(self.engine, self.engine.prepare(self._drawn(step, last)), at, self.source.more)
        groups, _ = self._made.result()
        self._made = self.before = None
        return groups

    def begin(self, step: int, at: int, last: bool) -> None:
        """Draw the batch of a step to come, and sample it in a thread, by the weights that the engine has now."""
        kept = {"source": self.source.state_dict(), "left_out": self.source.left_out.state_dict()}
        self.before = copied(kept)
        prompts = self._drawn(step, last)
        self._made = self._thread.submit(self._sampled, prompts, at)

    def settle(self) -> None:
        """Wait until the engine is done with the batch ahead: its weights may change then."""
        if self._made is not None:
            wait([self._made])

    def overlap(self, update: Span) -> dict[str, float]:
        """The share of the rollout's time in which the update that it was beside was under way; nothing without one."""
        if self._made is None or self._made.exception() is not None:
            return {}
        _, (begun, ended) = self._made.result()
        shared = min(ended, update[1]) - max(begun, update[0])
        return {"rollout/overlap": round(max(shared, 0.0) / max(ended - begun, 1e-9), 4)}

    def close(self) -> None:
        """Let go of the thread, once what it is at is done."""
        self._thread.shutdown()

    def _drawn(self, step: int, last: bool) -> list[Prompt]:
        prompts = self.source.batch(last)
        for line in self.source.curriculum.news():
            self.say(f"step {step}: {line}")
        return prompts

    def _sampled(self, prompts: list[Prompt], at: int) -> tuple[list[Group], Span]:
        begun = time.monotonic()
        groups = self.method.rollout(self.engine, prompts, at, self.source.more)
        return groups, (begun, time.monotonic())
