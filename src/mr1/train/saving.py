"""Saves checkpoints beside the steps: training waits for a copy in the host's memory, and a thread writes it.

One copy at a time: a checkpoint that comes before the last one is written waits for it. What goes wrong in the thread
is raised where the next one is begun, or `wait` is called.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread
from typing import Any, Self

from torch import Tensor

from mr1.errors import note
from mr1.models.vlm import VLM
from mr1.train.interrupt import Stopped
from mr1.train.memory import spare_memory
from mr1.train.nested import copied, size, storage
from mr1.train.run import Run
from mr1.writing import size as in_words


class Saver:
    """The checkpoints of one run, in the order in which they are asked for."""

    def __init__(self, run: Run, say: Callable[[str], None]) -> None:
        """`say` is told, once, where the host's memory has no room for the copy: then training waits for the disk."""
        self.run, self.say = run, say
        self._thread: Thread | None = None
        self._error: Exception | None = None
        self._waited = 0.0
        self._saved: int | None = None
        self._best: tuple[int, float] | None = None
        self._told = False

    def save(self, step: int, policy: VLM, state: Mapping[str, Any]) -> None:
        """Save the policy and the trainer's state as they are now; returns once either may change.

        Raises:
            DiskError: this checkpoint, or the one before, can't be written.
        """
        start = time.perf_counter()
        self.wait()
        self._saved = step
        weights, frozen = policy.weights(), _storages(policy)
        needed = size([weights, state], frozen)
        if (room := spare_memory()) is not None and needed > room:
            self._tell(needed, room)
            self.run.save_checkpoint(step, policy, state)
        else:
            seen: dict[Any, Tensor] = {}
            job = partial(self.run.save_checkpoint, step, policy, copied(state, seen=seen))
            self._beside(partial(job, copied(weights, frozen, seen)))
        self._waited += time.perf_counter() - start

    def has(self, step: int) -> bool:
        """Whether there is a checkpoint of this step, or one is being written."""
        return step == self._saved or step in self.run.checkpoints.steps()

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the accuracy of the best checkpoint; None where none has been named."""
        return self._best or self.run.checkpoints.best()

    def name_best(self, step: int, accuracy: float) -> None:
        """Name a checkpoint the best, once it is written."""
        self._best = (step, accuracy)
        self._beside(partial(self.run.checkpoints.name_best, step, accuracy))

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            DiskError: it can't be.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def waited(self) -> float:
        """Seconds that training has waited for checkpoints since this was last asked."""
        waited, self._waited = self._waited, 0.0
        return waited

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Whatever ends the run, what is being written is written; but for a second signal."""
        if isinstance(error, Stopped) and error.at_once:
            return
        try:
            self.wait()
        except Exception as failed:
            if error is None:
                raise
            note(error, str(failed))

    def _beside(self, job: Callable[[], object]) -> None:
        """Let a thread do this behind what others are at; none of it where something has gone wrong."""
        before = self._thread

        def work() -> None:
            if before is not None:
                before.join()
            try:
                if self._error is None:
                    job()
            except Exception as error:
                self._error = error

        # A daemon: a second signal doesn't wait for it, and leaves a draft that nobody takes for a checkpoint.
        thread = Thread(target=work, name="checkpoint", daemon=True)
        thread.start()
        self._thread = thread

    def _tell(self, needed: int, room: int) -> None:
        if not self._told:
            self._told = True
            self.say(
                f"training waits while checkpoints are written: a copy takes {in_words(needed)} of the host's "
                f"memory, which has {in_words(max(room, 0))} to spare"
            )


def _storages(policy: VLM) -> frozenset[int]:
    """Of the parameters that don't learn."""
    return frozenset(storage(each) for each in policy.model.parameters() if not each.requires_grad)
