"""An evaluation's folder: what `mr1 eval` leaves behind, and how it goes on after it was stopped.

    settings.json                 what was measured, and how
    outcomes/TASK/000000.parquet  every completion of a batch with its images, written once the batch is done
    unusable.jsonl                where rows can't be used and were left out: an object for each, with the reason
    summary.json                  the figures of each task
    report.html                   the page that shows it all

A batch's outcomes depend on nothing but the settings, so the batches that are there are never done again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mr1.data.unusable import LeftOut
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, batches, evaluate_batch, require_some
from mr1.evaluate.outcome import COLUMNS, Evaluation
from mr1.rollout.engine import Engine
from mr1.tables import numbered, parquet_file, write_text
from mr1.tasks.base import Task

Mode = Literal["new", "overwrite", "resume"]


class EvaluationFolder:
    """An evaluation's folder, open for writing."""

    def __init__(self, folder: Path, settings: dict[str, Any], mode: Mode) -> None:
        """Make the folder, or take it up.

        Args:
            folder: where.
            settings: everything that the outcomes depend on, as JSON.
            mode: what to do where the folder exists.

        Raises:
            UserError: it exists and `mode` is `new`; it can't be written; it is to be resumed with other settings.
        """
        self.folder = folder
        saved = folder / "settings.json"
        if mode == "resume":
            self._check_settings(saved, settings)
            return
        if folder.exists() and mode == "new":
            raise UserError(f"--out: {folder} exists; go on with it by --resume, or replace it by --overwrite")
        if folder.exists() and any(folder.iterdir()) and not saved.is_file():
            raise UserError(f"--out: {folder} is no evaluation's folder (no settings.json); it is not overwritten")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            raise UserError(f"--out: {folder} can't be made: {error}") from error
        write_text(saved, json.dumps(settings, indent=2) + "\n")

    def measure(
        self,
        engine: Engine,
        task: Task,
        split: str,
        count: int,
        protocol: Protocol,
        done: Callable[[int], None],
        left_out: LeftOut | None = None,
    ) -> None:
        """Do the batches of a task that are missing.

        Args:
            engine: the model.
            task: whose samples.
            split: which of them.
            count: how many.
            protocol: how.
            done: is told each batch's size, also of those that are there.
            left_out: rows that are not to be measured; those that turn out to be unusable are added.

        Raises:
            UserError: too many samples can't be used.
        """
        folder = self.folder / "outcomes" / task.name
        folder.mkdir(parents=True, exist_ok=True)
        left_out = left_out or LeftOut(0.0)
        for numbers in batches(count, protocol.batch_size):
            path = folder / f"{numbers.start:06d}.parquet"
            if not path.is_file():
                outcomes = evaluate_batch(engine, task, split, numbers, protocol, left_out)
                with parquet_file(path) as write:
                    write(Evaluation(task.name, split, outcomes).table())
            done(len(numbers))
        require_some(task, range(count - left_out.count(task.name)), left_out)

    def summarise(self, left_out: LeftOut | None = None) -> dict[str, dict[str, Any]]:
        """The figures of each task from all that is on disk, which are also written to `summary.json`."""
        summary, left_out = {}, left_out or LeftOut(0.0)
        for task in measured_tasks(self.folder):
            table = read_outcomes(self.folder, task, [*COLUMNS])
            summary[task] = Evaluation.from_table(table, left_out.count(task)).summary()
        write_text(self.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        return summary

    def _check_settings(self, saved: Path, settings: dict[str, Any]) -> None:
        if not saved.is_file():
            raise UserError(f"--resume: there is no evaluation in {self.folder}; start it without --resume")
        was = json.loads(saved.read_text(encoding="utf-8"))
        for key in was | settings:
            if was.get(key) != settings.get(key):
                raise UserError(
                    f"--resume: {key} was {was.get(key)} in {saved}, now it is {settings.get(key)}; "
                    "choose the same, or another --out"
                )


def measured_tasks(folder: Path) -> list[str]:
    """The tasks that a folder has outcomes of."""
    outcomes = folder / "outcomes"
    return sorted(path.name for path in outcomes.iterdir() if numbered(path)) if outcomes.is_dir() else []


def read_outcomes(folder: Path, task: str, columns: list[str] | None = None) -> pa.Table:
    """All outcomes of a task that are on disk, in the samples' order."""
    parts = numbered(folder / "outcomes" / task).values()
    wanted = None if columns is None else [*columns]
    return pa.concat_tables([pq.read_table(part, columns=wanted) for part in parts], promote_options="default")
