"""An evaluation's page: `report.html`, one file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from mr1.evaluate.folder import read_outcomes
from mr1.evaluate.outcome import KINDS
from mr1.report.html import Result, read_result, render_page
from mr1.report.samples import Shown, data_uri, split_parts
from mr1.tables import numbered, write_text

SHOWN = 12
"""Samples of each task on the page: the first ones, and the first ones without a right answer."""


@dataclass(frozen=True)
class Line:
    """A task's, or one kind's, line in a table."""

    name: str
    result: Result
    samples: int
    details: dict[str, str]


@dataclass(frozen=True)
class Answered:
    """One sample with all that was written to it."""

    images: list[str]
    question: str
    answer: str
    completions: list[Shown]


@dataclass(frozen=True)
class TaskSection:
    """What the page says of one task."""

    name: str
    kinds: dict[str, list[Line]]
    first: list[Answered]
    wrong: list[Answered]


def write_evaluation_report(folder: Path) -> Path:
    """Write `report.html` into an evaluation's folder that has a summary; returns the page's path."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    html = render_page(
        "evaluation.html.jinja",
        settings=settings,
        lines=[_line(task, figures) for task, figures in summary.items()],
        sections=[_section(folder, task, figures) for task, figures in summary.items()],
        shown=SHOWN,
    )
    path = folder / "report.html"
    write_text(path, html)
    return path


def _line(name: str, figures: Mapping[str, Any]) -> Line:
    details = {key: f"{value:.1%}" for key, value in figures.items() if key.startswith("pass@") or key == "format_rate"}
    details |= {key: str(figures[key]) for key in ("missing", "truncated") if key in figures}
    result = read_result(figures)
    assert result is not None, "there are figures"
    return Line(name, result, figures["n"], details)


def _section(folder: Path, task: str, figures: Mapping[str, Any]) -> TaskSection:
    kinds = {
        kind: [_line(name, part) for name, part in figures[f"by_{kind}"].items()]
        for kind in KINDS
        if f"by_{kind}" in figures
    }
    marks = read_outcomes(folder, task, ["id", "correct"]).to_pylist()
    right = {mark["id"] for mark in marks if mark["correct"]}
    ids = [*dict.fromkeys(mark["id"] for mark in marks)]
    first, wrong = ids[:SHOWN], [each for each in ids if each not in right][:SHOWN]
    answered = _answered(folder, task, {*first, *wrong})
    return TaskSection(task, kinds, [answered[each] for each in first], [answered[each] for each in wrong])


def _answered(folder: Path, task: str, wanted: set[str]) -> dict[str, Answered]:
    """The samples with these ids; one file's images are in memory at a time."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for part in numbered(folder / "outcomes" / task).values():
        if wanted <= rows.keys():
            break
        table = pq.read_table(part)
        for row in table.filter(pc.field("id").isin(wanted)).to_pylist():
            rows.setdefault(row["id"], []).append(row)
    return {each: _sample(attempts) for each, attempts in rows.items()}


def _sample(attempts: Sequence[Mapping[str, Any]]) -> Answered:
    row = attempts[0]
    return Answered(
        images=[data_uri(image["bytes"]) for image in row["images"]],
        question=row["question"],
        answer=row["answer"],
        completions=[
            Shown(split_parts(each["completion"]), each["truncated"], each["correct"], each["well_formed"])
            for each in attempts
        ],
    )
