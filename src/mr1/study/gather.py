"""The records of a study by the method and the task that they are of, and tables of right answers out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mr1.errors import UserError
from mr1.study.grid import Placed
from mr1.study.record import Bits, Record, Tested
from mr1.study.statistics import Array

RANGES = 3
"""Difficulties that are numbers, and more than so many, are taken together in so many ranges."""


@dataclass
class Runs:
    """The runs of one method on one task, or of one value of a sweep."""

    method: str
    trained: str
    sweep: str = ""
    value: Any = None
    records: dict[int, Record] = field(default_factory=dict)
    """By seed."""

    def tested(self, task: str, stage: str = "after") -> dict[int, Tested]:
        """The tests on one task, by seed."""
        return {seed: record.tests[stage][task] for seed, record in self.records.items()}

    def right(self, task: str) -> Array:
        """(S, N) 1 where the trained model was right."""
        return np.stack([each.bits for each in self.tested(task).values()]).astype(np.float64)

    def well_formed(self, task: str) -> Array:
        """(S, N) 1 where the completion had the right form."""
        return np.stack([each.forms for each in self.tested(task).values()]).astype(np.float64)


def gather(placed: Sequence[Placed], seeds: Sequence[int]) -> list[Runs]:
    """The runs by method, task, sweep and value, in the order in which they come, and in each the seeds in theirs.

    Raises:
        UserError: two of them were tested on different samples, so that they can't be compared.
    """
    found: dict[tuple[str, str, str, str], Runs] = {}
    for cell, record in placed:
        key = (cell.method, cell.task, cell.sweep, repr(cell.value))
        runs = found.setdefault(key, Runs(cell.method, cell.task, cell.sweep, cell.value))
        runs.records[cell.seed] = record
    first: dict[str, tuple[str, str]] = {}
    for cell, record in placed:
        for tests in record.tests.values():
            for task, tested in tests.items():
                name, ids = first.setdefault(task, (cell.title, tested.ids))
                if ids != tested.ids:
                    raise UserError(
                        f"{cell.title} was tested on other samples of {task} than {name}, so they can't be compared; "
                        "give both the same evaluation, and run one of them again"
                    )
    for runs in found.values():
        runs.records = {seed: runs.records[seed] for seed in seeds if seed in runs.records}
    return [*found.values()]


def measured(runs: Iterable[Runs]) -> list[str]:
    """The tasks that all of them were tested on."""
    tasks = [record.tests["after"] for each in runs for record in each.records.values()]
    return [task for task in tasks[0] if all(task in other for other in tasks)] if tasks else []


def beginnings(runs: Iterable[Runs], task: str) -> list[Tested]:
    """The tests of the untrained models on a task, each unlike one once."""
    tests = [each for of in runs for each in of.tested(task, "before").values()]
    return [*{(each.right, each.well_formed): each for each in tests}.values()]


def difficulties(tested: Tested) -> Mapping[str, Bits]:
    """(N,) bool by difficulty: which samples are of it. Many numbers become a few ranges, such as 3 to 5."""
    kinds = tested.kinds
    if len(kinds) <= RANGES or not all(kind.isdecimal() for kind in kinds):
        return {kind: tested.of_kind(kind) for kind in kinds}
    parts = [[*map(str, part)] for part in np.array_split(sorted(map(int, kinds)), RANGES)]
    names = [part[0] if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    return {
        name: np.logical_or.reduce([tested.of_kind(kind) for kind in part])
        for name, part in zip(names, parts, strict=True)
    }
