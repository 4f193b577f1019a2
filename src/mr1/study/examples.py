"""The same held-out questions with their images, answered by two methods: the paper's Figures 3 and 8.

Which are shown is a rule, so that the choice can't flatter a method: of each trained task the first test samples, in
the order of the test, that only the one method got right, and the first that only the other did, from the first seed
that both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mr1.report.reading import IMAGES, Reader, Row
from mr1.report.samples import TESTED, Shown, images_of, shown
from mr1.study.grid import Placed
from mr1.study.results import Results

EACH = 3
"""Samples that only the one got right, and as many that only the other did."""
AFTER = "samples/after.parquet"


@dataclass(frozen=True)
class Example:
    """A test sample and what two methods wrote to it."""

    images: list[str | None]
    question: str
    answer: str
    written: dict[str, Shown]
    """By method."""


@dataclass(frozen=True)
class Disagreements:
    """Where two methods that were trained on a task are not both right on it."""

    trained: str
    seed: int
    one: str
    other: str
    counts: dict[str, int]
    """Samples that only this method got right."""
    examples: list[Example]


def disagreements(results: Results, placed: Sequence[Placed]) -> list[Disagreements]:
    """For each trained task, the method that others are relative to against the last one of the study.

    That is `relative_to`, or the study's first method. A task is left out where the runs' folders are not there any
    more, or hold no test.
    """
    found = []
    for trained in results.trained:
        pair = _pair(results, trained)
        folders = {
            (cell.method, cell.seed): cell.config.folder
            for cell, _ in placed
            if not cell.sweep and cell.task == trained and cell.method in pair
        }
        seeds = [seed for seed in results.seeds if all((method, seed) in folders for method in pair)]
        if len(pair) == 2 and seeds:
            both = {method: folders[method, seeds[0]] for method in pair}
            if shown_here := _compared(results.same[trained], trained, seeds[0], both):
                found.append(shown_here)
    return found


def _pair(results: Results, trained: str) -> list[str]:
    """The reference and the last of the others, of those that have runs."""
    methods = [arm.method for arm in results.arms if arm.trained == trained]
    reference = results.relative_to if results.relative_to in methods else methods[0] if methods else None
    others = [method for method in methods if method != reference]
    return [reference, others[-1]] if reference and others else []


def _compared(task: str, trained: str, seed: int, folders: Mapping[str, Path]) -> Disagreements | None:
    readers = {method: Reader(folder) for method, folder in folders.items()}
    tables = {method: _answers(reader, task) for method, reader in readers.items()}
    if any(table is None for table in tables.values()):
        return None
    (one, first), (other, second) = ((method, _by_id(table)) for method, table in tables.items())
    alone = {
        one: [each for each in first if first[each]["correct"] and not second.get(each, {"correct": True})["correct"]],
        other: [each for each in first if each in second and second[each]["correct"] and not first[each]["correct"]],
    }
    wanted = [each for ids in alone.values() for each in ids[:EACH]]
    images = _images(readers[one], wanted)
    examples = [
        Example(
            images=images.get(each, []),
            question=first[each]["question"] or "",
            answer=first[each]["answer"] or "",
            written={one: shown(first[each]), other: shown(second[each])},
        )
        for each in wanted
    ]
    return Disagreements(trained, seed, one, other, {name: len(ids) for name, ids in alone.items()}, examples)


def _answers(reader: Reader, task: str) -> pa.Table | None:
    """What was written to a task's test samples, without the images; None where there is no such file."""
    columns = {name: kind for name, kind in TESTED.items() if name != "images"}
    table = reader.table(AFTER, columns, keys=("task", "id", "correct"))
    return None if table is None else table.filter(pc.field("task") == task)


def _by_id(table: pa.Table | None) -> dict[str, Row]:
    assert table is not None, "looked at before"
    return {row["id"]: row for row in table.to_pylist()}


def _images(reader: Reader, wanted: Sequence[str]) -> dict[str, list[str | None]]:
    """The images of these samples; the others' are let go of at once."""
    table = reader.table(AFTER, {"id": pa.string(), "images": IMAGES}, keys=("id",))
    if table is None or not wanted:
        return {}
    rows = table.filter(pc.field("id").isin([*wanted])).to_pylist()
    return {row["id"]: images_of(reader, AFTER, row) for row in rows}
