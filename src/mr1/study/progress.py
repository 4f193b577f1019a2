"""How far a study has come: each run's last step, and what is left for the whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from mr1.report.reading import Reader, read_metrics
from mr1.study.grid import Cell

Status = Literal["waiting", "running", "done", "failed"]


@dataclass
class Progress:
    """A run of a study."""

    cell: Cell
    status: Status = "waiting"
    seconds: float | None = None
    """What it took, where it is done."""
    started: float = 0.0
    """By the monotonic clock, where it is running."""
    begun_at: int = 0
    """The steps that had been done then."""
    line: dict[str, Any] = field(default_factory=dict)
    """Its last step's metrics, with the accuracies that were measured last."""

    @property
    def steps_done(self) -> int:
        return int(self.line["step"]) + 1 if self.line else 0

    def look(self) -> None:
        """Read what the run has recorded so far."""
        if not (self.cell.config.folder / "metrics.jsonl").is_file():
            return
        for line in read_metrics(Reader(self.cell.config.folder)):
            accuracies = {key: value for key, value in self.line.items() if key.startswith("eval/")}
            self.line = accuracies | line

    def seconds_left(self, expected: float | None) -> float | None:
        """What it still takes; None where nothing is known of runs like it."""
        if self.status in ("done", "failed"):
            return 0.0
        if self.status == "waiting":
            return expected
        steps, spent = self.steps_done - self.begun_at, time.monotonic() - self.started
        if expected is not None:
            return max(expected - spent, 0.0)
        return spent / steps * (self.cell.config.steps - self.steps_done) if steps > 0 else None


def seconds_left(runs: Sequence[Progress], jobs: int) -> float | None:
    """What the whole still takes, by what runs of the same method, or any, took; None before the first step is done."""
    left = [run.seconds_left(_expected(run, runs)) for run in runs]
    known = [each for each in left if each is not None]
    if not known:
        return None
    mean = fmean(known)
    return sum(mean if each is None else each for each in left) / jobs


def _expected(run: Progress, runs: Iterable[Progress]) -> float | None:
    """The mean of what finished runs took: those of the same method and task, else of the method, else all."""
    done = [each for each in runs if each.seconds is not None]
    alike = [each for each in done if each.cell.method == run.cell.method]
    same = [each for each in alike if each.cell.task == run.cell.task]
    found = [each.seconds for each in same or alike or done if each.seconds is not None]
    return fmean(found) if found else None
