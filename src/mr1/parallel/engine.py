"""An engine of several processes: each samples its share by an engine of its own, or the first one asks servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.parallel.sharding import bring_together
from mr1.rollout.engine import Begun, Engine, Key
from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout

Item = TypeVar("Item")
Made = TypeVar("Made")


class SpreadEngine:
    """See `rollout.engine.Engine`. Every process asks for the same, and gets all of it.

    One process alone has it where its own engine is over a copy of the policy (`rollout.ahead`).
    """

    def __init__(self, own: Engine, alone: bool = False) -> None:
        """Divide nothing yet.

        Args:
            own: this process's, over a model with all of its weights or over servers.
            alone: whether the first process asks for everything, for servers are given their weights by one.
        """
        self.own, self.alone = own, alone

    @property
    def vlm(self) -> VLM:
        return self.own.vlm

    def prepare(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Nothing: who samples from a prompt may not be who learns from it."""
        return [*prompts]

    def sample(self, prompts: Sequence[Prompt], settings: Rollout, key: Key) -> list[Group]:
        made = self._made(
            prompts,
            lambda share: [group.completions for group in self.own.sample(share, settings, key)],
            "the rollout",
        )
        return [Group(prompt, completions) for prompt, completions in zip(prompts, made, strict=True)]

    def greedy(self, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int = 128) -> list[Completion]:
        return self._made(
            prompts, lambda share: self.own.greedy(share, max_new_tokens, batch_size), "the evaluation's rollout"
        )

    def extend(
        self, begun: Sequence[Begun], settings: Rollout, key: Key | None, stop: Sequence[str] = ()
    ) -> list[Completion]:
        return self._made(begun, lambda share: self.own.extend(share, settings, key, stop), "the rollout")

    def sync(self, policy: VLM) -> None:
        bring_together(policy, self.own.vlm)
        self.own.sync(self.own.vlm)

    def metrics(self) -> dict[str, float]:
        return self.own.metrics()

    def _made(self, items: Sequence[Item], compute: Callable[[Sequence[Item]], list[Made]], place: str) -> list[Made]:
        """What is made of each item, on every process."""
        return ranks.first(lambda: compute(items), place) if self.alone else ranks.spread(items, compute, place)
