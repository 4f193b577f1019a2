"""Which samples are trained on, and in which order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mr1.types import Group


@dataclass(frozen=True)
class Draw:
    """A sample that is to be trained on."""

    task: str
    index: int
    """Of the task's training samples. A procedural task has no end, and a source goes on into its next epoch."""


class Curriculum(ABC):
    """Says which sample comes next, and is told what the groups of a batch earned.

    One sample may be drawn several times for the same step: its completions are then sampled anew.
    """

    waits: ClassVar[bool] = False
    """Whether what is drawn next depends on what the last batch earned. Where it doesn't, the next batch is made beside
    the step, by a copy of the curriculum."""

    @abstractmethod
    def draw(self) -> Draw:
        """The next sample."""

    @abstractmethod
    def instead(self, draw: Draw) -> Draw:
        """Another sample, in place of one that can't be used."""

    def earned(self, groups: Sequence[Group]) -> None:  # noqa: B027 - most orders don't depend on it
        """Be told a batch's groups with their rewards, where the curriculum `waits`."""

    def metrics(self) -> dict[str, float]:
        """What it has to say of itself, for each step's line of metrics."""
        return {}

    def news(self) -> list[str]:
        """Lines for whoever watches the run; each is given once."""
        return []

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs to go on behind the batches that were used."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""


class TakingTurns(Curriculum):
    """The samples of each task in its own order. Tasks take turns, sample by sample; one named twice has two turns."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tasks
        self.turn = 0
        self.following = dict.fromkeys(tasks, 0)
        """Each task's next sample."""

    def draw(self) -> Draw:
        task = self.tasks[self.turn % len(self.tasks)]
        self.turn += 1
        return self._next(task)

    def instead(self, draw: Draw) -> Draw:
        return self._next(draw.task)

    def state_dict(self) -> dict[str, Any]:
        return {"turn": self.turn, "following": dict(self.following)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.turn, self.following = state["turn"], dict(state["following"])

    def _next(self, task: str) -> Draw:
        index = self.following[task]
        self.following[task] += 1
        return Draw(task, index)
