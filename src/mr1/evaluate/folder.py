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
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mr1.config import flat
from mr1.data.unusable import LeftOut
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, batches, evaluate_batch, require_some
from mr1.evaluate.outcome import COLUMNS, KINDS, Evaluation
from mr1.folders import Mode, OutputFolder, Recording
from mr1.judge.verdict import Verdict
from mr1.rollout.engine import Engine
from mr1.tables import numbered, parquet_file
from mr1.tasks.base import Baseline, Task
from mr1.whole import read_text
from mr1.writing import write_text

SETTINGS = "settings.json"
CONTENTS = (SETTINGS, "outcomes", "unusable.jsonl", "summary.json", "report.html")


class EvaluationFolder(Recording):
    """An evaluation's folder, which this process alone writes into until `close`."""

    def __init__(self, folder: Path | None, mode: Mode) -> None:
        """Claim the folder. Nothing in it is changed before `open`.

        Args:
            folder: where; None for a passing one, which is gone after `close`.
            mode: what to do where it exists.

        Raises:
            UserError: it exists and `mode` is `new`; it can't be written, or is written by another process; there is
                nothing to resume.
        """
        self._passing: TemporaryDirectory[str] | None = None
        if folder is None:
            self._passing = TemporaryDirectory()
            folder = Path(self._passing.name) / "evaluation"
        self.folder, self.mode = folder, mode
        self.known: dict[str, Baseline | None] = {}
        """What each measured task tells of what is right without its images."""
        self._claimed = OutputFolder(folder, "evaluation", CONTENTS, key="--out")
        if mode == "resume" and not (folder / SETTINGS).is_file():
            raise UserError(f"--resume: there is no evaluation in {folder}; start it without --resume")
        self._claimed.claim(mode)

    def open(self, settings: dict[str, Any]) -> None:
        """Make the folder ready to be written into; with `overwrite`, empty it first.

        Args:
            settings: everything that the outcomes depend on, as JSON.

        Raises:
            UserError: it is resumed with other settings.
        """
        if self.mode == "resume":
            self._compare(settings)
            return
        self._claimed.empty()
        write_text(self.folder / SETTINGS, json.dumps(settings, indent=2) + "\n")

    def close(self) -> None:
        super().close()
        if self._passing:
            self._passing.cleanup()

    def how_to_go_on(self) -> str:
        if not (self.folder / SETTINGS).is_file():
            return ""
        if self._passing:
            return "nothing was kept; give --out a folder, and it can be gone on with"
        done = sum(len(numbered(self.folder / "outcomes" / task)) for task in measured_tasks(self.folder))
        return f"{done} batches are in {self.folder}; go on with the same command and --resume"

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
        self.known[task.name] = task.baseline(split)
        folder = self.folder / "outcomes" / task.name
        folder.mkdir(parents=True, exist_ok=True)
        left_out = left_out or LeftOut(0.0)
        for numbers in batches(count, protocol.batch_size):
            path = folder / f"{numbers.start:06d}.parquet"
            if not _is_whole(path, task.name, split, len(numbers), protocol.attempts):
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
            summary[task] = Evaluation.from_table(table, left_out.count(task), self.known.get(task)).summary()
        write_text(self.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        return summary

    def _compare(self, settings: dict[str, Any]) -> None:
        saved = self.folder / SETTINGS
        try:
            was = flat(json.loads(read_text(saved)))
        except (ValueError, AttributeError, RecursionError) as error:
            raise UserError(f"--resume: {saved} is damaged ({error}); start again with --overwrite") from error
        now = flat(json.loads(json.dumps(settings)))
        for key in was | now:
            if was.get(key) != now.get(key):
                raise UserError(
                    f"--resume: {key} was {was.get(key)} in {saved}, now it is {now.get(key)}; what was measured "
                    "before would not belong to it: choose the same, or another --out"
                )


def measured_tasks(folder: Path) -> list[str]:
    """The tasks that a folder has outcomes of."""
    outcomes = folder / "outcomes"
    return sorted(path.name for path in outcomes.iterdir() if numbered(path)) if outcomes.is_dir() else []


def _is_whole(path: Path, task: str, split: str, samples: int, attempts: int) -> bool:
    """Whether a batch's outcomes are there and are such: all attempts at each of at most so many samples.

    Those of a damaged file are made again.
    """
    try:
        table = pq.read_table(path, columns=[*COLUMNS]).select([*COLUMNS])
    except (OSError, ValueError, LookupError, MemoryError, pa.ArrowException):
        return False
    if table.schema.types != [*COLUMNS.values()] or any(table[name].null_count for name in COLUMNS.keys() - {*KINDS}):
        return False
    rows = {(row["id"], row["attempt"]) for row in table.select(["id", "attempt"]).to_pylist()}
    ids = {identity for identity, _ in rows}
    return (
        rows == {(identity, attempt) for identity in ids for attempt in range(attempts)}
        and len(rows) == table.num_rows
        and len(ids) <= samples
        and {*table["task"].to_pylist()} <= {task}
        and {*table["split"].to_pylist()} <= {split}
        and {*table["verdict"].to_pylist()} <= {each.value for each in Verdict}
    )


def read_outcomes(folder: Path, task: str, columns: list[str] | None = None) -> pa.Table:
    """All outcomes of a task that are on disk, in the samples' order."""
    parts = numbered(folder / "outcomes" / task).values()
    wanted = None if columns is None else [*columns]
    return pa.concat_tables([pq.read_table(part, columns=wanted) for part in parts], promote_options="default")
