"""What a study says on the terminal: a table that is drawn anew where there is one, a line for each run where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table

from mr1.report.console import Console
from mr1.report.page import duration
from mr1.study.progress import Progress, seconds_left

FINISHED = 8
"""Runs in the table that are no longer under way; the latest."""


class Screen:
    """Shows how far the runs have come."""

    def __init__(self, console: Console, runs: Sequence[Progress], jobs: int) -> None:
        self.console, self.runs, self.jobs = console, runs, jobs
        self._live: Live | None = None
        self._order: list[Progress] = []
        """Those that ended, in the order in which they did."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """While open, the table stands on the terminal."""
        if not self.console.rich.is_terminal:
            yield
            return
        with Live(self._table(), console=self.console.rich, auto_refresh=False) as live:
            self._live = live
            yield
            live.update(self._table(), refresh=True)
        self._live = None

    def refresh(self) -> None:
        """Draw the table anew."""
        if self._live:
            self._live.update(self._table(), refresh=True)

    def begun(self, run: Progress) -> None:
        """A run has been started."""
        if not self._live:
            since = f" from step {run.begun_at}" if run.begun_at else ""
            self.console.say(f"started  {run.cell.title}{since}  ({self._whole()})")

    def ended(self, run: Progress) -> None:
        """A run is done, or has failed."""
        self._order.append(run)
        if not self._live:
            self.console.say(f"{run.status:7}  {run.cell.title}  {_accuracies(run)}  ({self._whole()})")

    def _whole(self) -> str:
        done = sum(run.status == "done" for run in self.runs)
        left = seconds_left(self.runs, self.jobs)
        time = "" if left is None else f", {duration(left)} left"
        return f"{done} of {len(self.runs)} runs done{time}"

    def _table(self) -> Table:
        table = Table(title=self._whole())
        for name in ("run", "", "step", "reward", "held-out accuracy", "time left"):
            table.add_column(name, justify="right" if name in ("step", "reward", "time left") else "left")
        for run in [*self._order[-FINISHED:], *(run for run in self.runs if run.status == "running")]:
            reward, left = run.line.get("reward/total"), run.seconds_left(None)
            table.add_row(
                run.cell.title,
                run.status,
                f"{run.steps_done}/{run.cell.config.steps}",
                "" if reward is None else f"{reward:.2f}",
                _accuracies(run),
                duration(left) if run.status == "running" and left is not None else "",
            )
        return table


def _accuracies(run: Progress) -> str:
    """The last accuracy on each task."""
    held = {key.split("/")[1]: value for key, value in run.line.items() if key.startswith("eval/")}
    return "  ".join(f"{task} {accuracy:.0%}" for task, accuracy in held.items() if accuracy is not None)
