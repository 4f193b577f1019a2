"""An evaluation's page: `report.html`, one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mr1.evaluate.folder import measured_tasks
from mr1.evaluate.outcome import KINDS, Evaluation
from mr1.report.html import Result, read_result, render_page
from mr1.report.reading import IMAGES, Reader, Row, read_figures
from mr1.report.samples import Shown, images_of, shown
from mr1.tables import numbered

OUTCOME = dict.fromkeys(("task", "split", "id", "question", "answer", "completion", "verdict", "judged"), pa.string())
OUTCOME |= dict.fromkeys(("subject", "difficulty"), pa.string()) | {"attempt": pa.int64()}
OUTCOME |= dict.fromkeys(("correct", "well_formed", "truncated"), pa.bool_())
"""The columns of a batch's outcomes, beside the images."""
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

    images: list[str | None]
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


def evaluation_page(reader: Reader) -> str:
    """The page of an evaluation's folder as HTML; of one that was stopped, with the figures of the batches it has."""
    settings = reader.json("settings.json", required=True)
    summary = read_figures(reader, "summary.json", reader.json("summary.json", required=True))
    tasks = [*dict.fromkeys([*summary, *measured_tasks(reader.folder)])]
    outcomes = {task: _outcomes(reader, task) for task in tasks}
    figures = {task: summary.get(task) or _figures(reader, task, outcomes[task]) for task in tasks}
    lines = [_line(task, found) for task, found in figures.items() if found]
    asked = settings["tasks"] if isinstance(settings.get("tasks"), dict) else {}
    return render_page(
        "evaluation.html.jinja",
        name=settings.get("model") or reader.folder.resolve().name,
        facts=_facts(settings),
        settings=reader.text("settings.json"),
        lines=lines,
        columns=dict.fromkeys(name for line in lines for name in line.details),
        unmeasured=[task for task in asked if not figures.get(task)],
        sections=[_section(reader, task, figures[task] or {}, outcomes[task]) for task in tasks],
        shown=SHOWN,
        damage=reader.damage,
    )


def _facts(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the head of the page says of the evaluation."""
    loading, tasks = ({} if not isinstance(settings.get(key), dict) else settings[key] for key in ("loading", "tasks"))
    facts = {"Weights": str(loading["dtype"])} if "dtype" in loading else {}
    for name, task in tasks.items():
        if not isinstance(task, dict):
            continue
        said = [str(task[key]) for key in ("split", "scorer") if key in task]
        if "attempts" in task:
            several = f"{task['attempts']} attempts at temperature {task.get('temperature')}"
            said.append("greedy" if task["attempts"] == 1 else several)
        if "max_new_tokens" in task:
            said.append(f"{task['max_new_tokens']} tokens")
        facts[name] = ", ".join(said)
    return facts


def _outcomes(reader: Reader, task: str) -> dict[str, pa.Table]:
    """The outcomes of a task's batches, by file and in the samples' order, without the images."""
    files = [f"outcomes/{task}/{path.name}" for path in numbered(reader.folder / "outcomes" / task).values()]
    tables = {name: reader.table(name, OUTCOME, keys=("id",)) for name in files}
    return {name: table for name, table in tables.items() if table is not None}


def _figures(reader: Reader, task: str, outcomes: Mapping[str, pa.Table]) -> dict[str, Any] | None:
    """The figures of what is there; None where that is nothing, or lacks a mark."""
    if not outcomes:
        return None
    table = pa.concat_tables(outcomes.values())
    table = table.append_column("images", pa.nulls(table.num_rows, IMAGES))
    try:
        figures = Evaluation.from_table(table).summary()
    except (ValueError, TypeError, ArithmeticError):
        reader.note(f"outcomes/{task}", "lacks marks that the figures are made of")
        return None
    known = f"those shown are of the {figures['n']} samples that have outcomes"
    reader.note("summary.json", f"has no figures of {task}; {known}")
    return figures


def _line(name: str, figures: Mapping[str, Any]) -> Line:
    details = {key: f"{value:.1%}" for key, value in figures.items() if key.startswith("pass@") or key == "format_rate"}
    details |= {key: str(figures[key]) for key in ("missing", "truncated", "unusable") if key in figures}
    result = read_result(figures)
    assert result is not None, "there are figures"
    return Line(name, result, figures["n"], details)


def _section(reader: Reader, task: str, figures: Mapping[str, Any], outcomes: Mapping[str, pa.Table]) -> TaskSection:
    kinds = {
        kind: [_line(name, part) for name, part in figures[f"by_{kind}"].items()]
        for kind in KINDS
        if figures.get(f"by_{kind}")
    }
    ids, right = dict[str, None](), set[str]()
    for table in outcomes.values():
        for identity, correct in zip(table["id"].to_pylist(), table["correct"].to_pylist(), strict=True):
            ids[identity] = None
            right |= {identity} if correct else set()
    first, wrong = [*ids][:SHOWN], [each for each in ids if each not in right][:SHOWN]
    answered = _answered(reader, outcomes, {*first, *wrong})
    return TaskSection(task, kinds, [answered[each] for each in first], [answered[each] for each in wrong])


def _answered(reader: Reader, outcomes: Mapping[str, pa.Table], wanted: set[str]) -> dict[str, Answered]:
    """The samples with these ids; one file's images are in memory at a time."""
    found: dict[str, Answered] = {}
    for name, table in outcomes.items():
        rows = table.filter(pc.field("id").isin(pa.array(sorted(wanted - found.keys()), pa.string()))).to_pylist()
        if not rows:
            continue
        shown = reader.table(name, {"id": pa.string(), "images": IMAGES}, keys=("id",))
        seen = [] if shown is None else shown.filter(pc.field("id").isin([*wanted])).to_pylist()
        images = {row["id"]: row for row in seen}
        attempts: dict[str, list[Row]] = {}
        for row in rows:
            attempts.setdefault(row["id"], []).append(row)
        for identity, written in attempts.items():
            found[identity] = _sample(written, images_of(reader, name, images.get(identity, {"images": None})))
    return found


def _sample(attempts: Sequence[Row], images: list[str | None]) -> Answered:
    return Answered(
        images=images,
        question=attempts[0]["question"] or "",
        answer=attempts[0]["answer"] or "",
        completions=[shown(each) for each in attempts],
    )
