"""History resampling (SRPO, arXiv 2504.14286): an epoch asks again what the one before it did not get wholly right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mr1.data.curriculum import Curriculum, Draw
from mr1.errors import UserError
from mr1.tasks.base import generator
from mr1.types import Group


class HistoryResampling(Curriculum):
    """Each prompt once an epoch, in an order of the epoch's own; those that were solved are not asked again.

    A prompt is solved where all completions of its latest group were right. A batch that reaches from one epoch into
    the next is drawn before its first part is judged, so that part is asked once more. Where an epoch would have no
    prompt, it has all of them again.
    """

    waits = True

    def __init__(self, sizes: Mapping[str, int], reward: str, seed: int) -> None:
        """Begin with an epoch of all prompts.

        Args:
            sizes: of each task, how many of its training samples there are, the first ones.
            reward: the score by which a completion is right: above 1/2.
            seed: of the orders.
        """
        self.tasks, self.reward, self.seed = [*sizes], reward, seed
        self.ends = np.cumsum([*sizes.values()])
        """Prompts are numbered through all tasks; each task's numbers end before this."""
        self.solved = np.zeros(self.ends[-1], dtype=bool)
        self.unusable = np.zeros(self.ends[-1], dtype=bool)
        self.epoch = self.restarts = self.place = 0
        self.order = self._ordered(np.arange(self.ends[-1]))
        self.waiting: list[int] = []
        """Those of the present batch, which has not been judged."""
        self.told: list[str] = []

    def draw(self) -> Draw:
        if self.place == len(self.order):
            self._next_epoch()
        number = int(self.order[self.place])
        self.place += 1
        self.waiting.append(number)
        task = int(np.searchsorted(self.ends, number, side="right"))
        return Draw(self.tasks[task], number - (int(self.ends[task - 1]) if task else 0))

    def instead(self, draw: Draw) -> Draw:  # noqa: ARG002 - the latest
        self.unusable[self.waiting.pop()] = True
        return self.draw()

    def earned(self, groups: Sequence[Group]) -> None:
        for number, group in zip(self.waiting, groups, strict=True):
            self.solved[number] = bool((group.scores[self.reward] > 0.5).all())
        self.waiting = []

    def news(self) -> list[str]:
        told, self.told = self.told, []
        return told

    def metrics(self) -> dict[str, float]:
        dropped = int((~self.unusable).sum()) - int((~self.unusable[self.order]).sum())
        return {
            "history/epoch": self.epoch,
            "history/prompts": len(self.order),
            "history/dropped": dropped,
            "history/restarts": self.restarts,
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "ends": self.ends.tolist(),
            "epoch": self.epoch,
            "restarts": self.restarts,
            "place": self.place,
            "order": self.order.tolist(),
            "solved": np.flatnonzero(self.solved).tolist(),
            "unusable": np.flatnonzero(self.unusable).tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            UserError: the tasks have other numbers of samples by now, so it is not known which are meant.
        """
        if state["ends"] != self.ends.tolist():
            raise UserError(
                f"--resume: the training samples were {state['ends'][-1]}, now they are {self.ends[-1]}; bring "
                "sources.*.skip back as it was, or start a run of another name"
            )
        self.epoch, self.restarts, self.place = state["epoch"], state["restarts"], state["place"]
        self.order = np.array(state["order"], dtype=np.int64)
        for name in ("solved", "unusable"):
            marks = np.zeros(self.ends[-1], dtype=bool)
            marks[state[name]] = True
            setattr(self, name, marks)

    def _next_epoch(self) -> None:
        """Begin the next epoch.

        Raises:
            UserError: no prompt can be used.
        """
        self.epoch, self.place = self.epoch + 1, 0
        left = np.sort(self.order[~(self.solved | self.unusable)[self.order]])
        if not len(left):
            left = np.flatnonzero(~self.unusable)
            if not len(left):
                raise UserError(f"task: no training sample of {', '.join(self.tasks)} can be used")
            self.restarts += 1
            self.told.append(
                f"every prompt is solved, so epoch {self.epoch} has all {len(left)} again; nothing is left to be "
                "learned where they stay so: add harder ones, or end the run"
            )
        self.order = self._ordered(left)

    def _ordered(self, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        return numbers[generator("history", self.seed, self.epoch).permutation(len(numbers))]
