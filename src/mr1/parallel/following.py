"""A run's folder for the processes that don't write into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa

from mr1.config import Config
from mr1.data.unusable import BadRow
from mr1.evaluate.outcome import Evaluation
from mr1.folders import Mode
from mr1.parallel import ranks
from mr1.train.checkpoint import Checkpoint, Checkpoints, load_state
from mr1.train.run import Run, When
from mr1.types import Group


class FollowingRun(Run):
    """See `train.run.Run`: what is recorded is dropped, and a checkpoint is written with the others."""

    def __init__(self, config: Config, mode: Mode, path: Path | None, kept: list[dict[str, Any]]) -> None:
        """A run that the first process has claimed.

        Args:
            config: the run's.
            mode: as the first process has it.
            path: the checkpoint that it goes on from; None where it begins.
            kept: what was recorded of the steps before.
        """
        self.config, self.mode, self.folder = config, mode, config.folder
        keep = config.checkpoint
        self.checkpoints = Checkpoints(self.folder / "checkpoints", keep.keep, keep.keep_every)
        self.checkpoint = Checkpoint(path, load_state(path), ()) if path else None
        self.changes = []
        self._kept = kept

    def close(self) -> None:
        """Nothing was claimed."""

    def how_to_go_on(self) -> str:
        return ""

    def __exit__(self, *_: object) -> None:
        """The first process says how to go on."""

    def record(self, step: int, groups: Sequence[Group] | None, metrics: dict[str, Any]) -> None:
        """Nothing."""

    def outcomes(self, when: When) -> AbstractContextManager[Callable[[pa.Table], None]]:  # noqa: ARG002
        return nullcontext(lambda _: None)

    def record_evaluation(self, when: When, evaluations: Sequence[Evaluation]) -> None:
        """Nothing."""

    def record_unusable(self, rows: Sequence[BadRow]) -> None:
        """Nothing."""

    def kept(self) -> list[dict[str, Any]]:
        return self._kept

    def evaluations(self) -> dict[When, dict[str, dict[str, Any]]]:
        return {}


def open_run(config: Config, mode: Mode) -> Run:
    """A run's folder, which the first process claims for all.

    Raises:
        UserError: see `Run`.
    """
    claimed: list[Run] = []

    def claim() -> tuple[Path | None, list[dict[str, Any]]]:
        claimed.append(Run(config, mode))
        return claimed[0].checkpoint.path if claimed[0].checkpoint else None, claimed[0].kept()

    path, kept = ranks.first(claim, "the run's folder")
    return claimed[0] if claimed else FollowingRun(config, mode, path, kept)
