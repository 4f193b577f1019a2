"""`mr1 report`: the page of a folder, written from what the folder holds, however it was left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from mr1.config import read_config
from mr1.errors import UserError
from mr1.evaluate.folder import measured_tasks
from mr1.report.evaluation import evaluation_page
from mr1.report.page import run_page
from mr1.report.reading import Reader
from mr1.tables import numbered
from mr1.whole import read_text
from mr1.writing import write_text

PAGES = {"run": run_page, "evaluation": evaluation_page}


class Written(NamedTuple):
    """A page."""

    path: Path
    damage: Mapping[str, Sequence[str]]
    """What could not be read, by file; the page says it, too."""


def write_page(folder: Path) -> Written:
    """Write `report.html` into the folder of a run or an evaluation, also of one that was stopped or is damaged.

    A page that is there is replaced at once, when the new one is whole.

    Raises:
        UserError: there is no such folder, it is of neither kind, or it can't be written.
    """
    reader = Reader(folder)
    page, path = PAGES[_kind(folder)](reader), folder / "report.html"
    write_text(path, page)
    return Written(path, reader.damage)


def _kind(folder: Path) -> Literal["run", "evaluation"]:
    """What a folder is of, by its files: by those that no other folder has, or by settings that can be read."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    if (folder / "summary.json").is_file() or measured_tasks(folder) or _evaluates(folder / "settings.json"):
        return "evaluation"
    samples = folder / "samples"
    kept = numbered(samples, "step-") or any((samples / f"{stage}.parquet").is_file() for stage in ("before", "after"))
    if kept or any((folder / name).is_file() for name in ("metrics.jsonl", "evaluation.json")):
        return "run"
    try:
        read_config(folder / "config.yaml")
    except UserError as error:
        raise UserError(
            f"{folder} is the folder neither of a run (config.yaml, metrics.jsonl) nor of an evaluation "
            "(settings.json, outcomes); name what `mr1 train` or `mr1 eval --out` wrote"
        ) from error
    return "run"


def _evaluates(settings: Path) -> bool:
    """Whether a file holds an evaluation's settings."""
    try:
        read = json.loads(read_text(settings))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(read, dict) and {"model", "tasks"} <= read.keys()
