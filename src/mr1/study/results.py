"""What a study comes to: every number that its tables, plots and page show. Nothing here is text for a reader.

All of it follows from the study's settings and the records of its finished runs. A study that still goes on has
results, too: of each method the seeds that are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mr1.errors import UserError
from mr1.report.drawing import binned
from mr1.study.gather import Runs, beginnings, difficulties, gather, measured
from mr1.study.grid import Placed
from mr1.study.record import Record, Tested
from mr1.study.settings import Study
from mr1.study.statistics import Array, Comparison, Mean, Spread, compare, detectable, holm, mean_over_seeds
from mr1.study.tuning import Tried

UNTRAINED = "untrained"
"""The model that all runs began with, among the methods."""
POINTS = 200
"""Of a curve; of longer runs, neighbours are averaged."""


@dataclass(frozen=True)
class Range:
    """A figure of several runs."""

    mean: float
    low: float
    """Of the seed that has least."""
    high: float


@dataclass(frozen=True)
class Score:
    """A method on one tested task."""

    accuracy: Mean
    well_formed: Mean
    """The share of completions of the right form."""
    by_difficulty: dict[str, Mean]
    change: Comparison | None = None
    """From the untrained model; None of that itself."""
    forgotten: Mean | None = None
    """Of the samples that the untrained model got right, the share that is wrong now."""
    over_untrained: float | None = None
    """By what share of the untrained model's accuracy it is above it; None where that is 0."""
    over_reference: float | None = None
    """The same of the study's `relative_to`, trained on the same task."""


@dataclass(frozen=True)
class Arm:
    """The runs of a method on one task, or of one value of a sweep."""

    method: str
    trained: str
    value: Any
    """Of the sweep's setting; None in the grid."""
    seeds: list[int]
    """Those that are done."""
    scores: dict[str, Score]
    """By tested task."""
    kl: dict[str, Range]
    """KL(trained || untrained) by tested task, in nats per token."""
    entropy: dict[str, Range]
    """Of the trained model, by tested task, in nats per token."""
    cost: dict[str, Range]
    """`samples`, `updates`, `tokens`, and the seconds of `training` and `evaluation` of one run."""


@dataclass(frozen=True)
class Contrast:
    """Two methods, trained on the same task, on one tested task."""

    trained: str
    tested: str
    one: str
    other: str
    comparison: Comparison
    holm: float
    """The comparison's p, raised for all comparisons of its table."""
    detectable: float
    """The difference that would have been found four times in five, by this comparison alone."""
    detectable_in_table: float
    """The same, below 5 % among all comparisons of its table."""


@dataclass(frozen=True)
class Curve:
    """A figure over the steps of training: the mean of the seeds, and the lowest and the highest of them."""

    method: str
    trained: str
    of: str
    """The metric, or the tested task."""
    steps: list[float]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class SweepResult:
    """One setting with several values."""

    name: str
    key: str
    arms: list[Arm]


@dataclass(frozen=True)
class Results:
    """A study's results."""

    name: str
    trained: list[str]
    same: dict[str, str]
    """By trained task the tested one that is the same."""
    tested: list[str]
    methods: list[str]
    seeds: list[int]
    relative_to: str | None
    equal: bool
    paper: bool
    done: int
    """Cells of the grid and of the sweeps."""
    asked: int
    versions: list[str]
    """Of MR1, that the runs were made with."""
    notes: list[str]
    """What a reader has to know of how far the runs can be compared."""
    blind: dict[str, dict[str, Any]]
    """By tested task what is right without a look at the image: `name` and `share`."""
    untrained: dict[str, Score]
    arms: list[Arm]
    contrasts: dict[str, list[Contrast]]
    """By table: on the `same task`, on `other tasks`."""
    sweeps: list[SweepResult]
    validation: list[Curve]
    curves: list[Curve]
    tuning: list[Tried]

    def arm(self, method: str, trained: str) -> Arm | None:
        """A method's runs on a task; None where none is done yet."""
        return next((arm for arm in self.arms if (arm.method, arm.trained) == (method, trained)), None)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def collect(study: Study, placed: Sequence[Placed], tuning: Sequence[Tried] = ()) -> Results:
    """A study's results, from the records of those of its cells that are done.

    Args:
        study: its settings.
        placed: cells with their records; one record may be at several cells.
        tuning: what its methods' candidates came to.

    Raises:
        UserError: nothing is done yet; runs that were tested on different samples.
    """
    runs = gather(placed, study.seeds)
    if not runs:
        raise UserError(f"study {study.name}: no run is done yet, so there is nothing to show")
    grid = [each for each in runs if not each.sweep]
    tasks = measured(runs)
    starts = {task: beginnings(grid or runs, task) for task in tasks}
    arms = [_arm(each, starts, _reference(study, grid, each)) for each in grid]
    order = {method: number for number, method in enumerate(study.methods)}
    arms.sort(key=lambda arm: (study.tasks.index(arm.trained), order[arm.method]))
    return Results(
        name=study.name,
        trained=study.tasks,
        same={task: study.same(task) for task in study.tasks},
        tested=tasks,
        methods=[*study.methods],
        seeds=study.seeds,
        relative_to=study.relative_to,
        equal=study.equal,
        paper=study.paper,
        done=len(placed),
        asked=_asked(study),
        versions=sorted({record.mr1 for _, record in placed}),
        notes=_notes(placed, starts),
        blind={task: tests[0].figures["baseline"] for task, tests in starts.items() if "baseline" in tests[0].figures},
        untrained={task: _start_score(starts[task][0]) for task in tasks},
        arms=arms,
        contrasts={
            "same task": _contrasts(study, grid, starts, lambda trained, tested: study.same(trained) == tested),
            "other tasks": _contrasts(study, grid, starts, lambda trained, tested: study.same(trained) != tested),
        },
        sweeps=[
            SweepResult(name, sweep.key, [_arm(each, starts, None) for each in runs if each.sweep == name])
            for name, sweep in study.sweeps.items()
        ],
        validation=[curve for each in grid for curve in _validation(each)],
        curves=[curve for each in grid for curve in _curves(each)],
        tuning=[*tuning],
    )


def _asked(study: Study) -> int:
    """Cells of the grid and of the sweeps."""
    sweeps = sum(
        len(sweep.values) * len(sweep.methods or study.methods) * len(sweep.tasks or study.tasks)
        for sweep in study.sweeps.values()
    )
    return len(study.seeds) * (len(study.methods) * len(study.tasks) + sweeps)


def _notes(placed: Sequence[Placed], starts: Mapping[str, Sequence[Tested]]) -> list[str]:
    notes = []
    for name, values in (
        ("versions of MR1", {record.mr1 for _, record in placed}),
        ("numbers of threads", {record.threads for _, record in placed}),
    ):
        if len(values) > 1:
            notes.append(f"The runs were made with different {name}: {', '.join(map(str, sorted(values)))}.")
    if unlike := [task for task, tests in starts.items() if len(tests) > 1]:
        notes.append(
            f"The untrained model did not answer alike in all runs on {', '.join(unlike)}: the runs differ in their "
            "model, in what they are asked, or in rounding. Shown is the first run's."
        )
    return notes


def _reference(study: Study, grid: Iterable[Runs], runs: Runs) -> Runs | None:
    """The runs of the method that others are shown relative to, on the same task."""
    wanted = (study.relative_to, runs.trained)
    return next((each for each in grid if (each.method, each.trained) == wanted), None)


def _arm(runs: Runs, starts: Mapping[str, Sequence[Tested]], reference: Runs | None) -> Arm:
    records = [*runs.records.values()]
    drifts = {task: [record.drift[task] for record in records if task in record.drift] for task in starts}
    return Arm(
        method=runs.method,
        trained=runs.trained,
        value=runs.value,
        seeds=[*runs.records],
        scores={task: _score(runs, task, tests[0], reference) for task, tests in starts.items()},
        kl={task: _range([each.kl for each in of]) for task, of in drifts.items() if of},
        entropy={task: _range([each.entropy for each in of]) for task, of in drifts.items() if of},
        cost={name: _range([float(value) for value in values]) for name, values in _costs(records).items()},
    )


def _costs(records: Sequence[Record]) -> dict[str, list[float]]:
    costs = [asdict(record.cost) for record in records]
    return {name: [cost[name] for cost in costs] for name in costs[0]}


def _range(values: Sequence[float]) -> Range:
    return Range(math.fsum(values) / len(values), min(values), max(values))


def _start_score(start: Tested) -> Score:
    right, formed = _row(start), start.forms[None].astype(np.float64)
    return Score(mean_over_seeds(right), mean_over_seeds(formed), _by_difficulty(right, start))


def _score(runs: Runs, task: str, start: Tested, reference: Runs | None) -> Score:
    right = runs.right(task)
    accuracy, known = mean_over_seeds(right), start.bits
    theirs = float(reference.right(task).mean()) if reference else None
    return Score(
        accuracy=accuracy,
        well_formed=mean_over_seeds(runs.well_formed(task)),
        by_difficulty=_by_difficulty(right, start),
        change=compare(right, _row(start)),
        forgotten=mean_over_seeds(1 - right[:, known]) if known.sum() > 1 else None,
        over_untrained=_above(accuracy.value, float(known.mean())),
        over_reference=_above(accuracy.value, theirs),
    )


def _row(tested: Tested) -> Array:
    """(1, N) of one model."""
    return tested.bits[None].astype(np.float64)


def _above(value: float, base: float | None) -> float | None:
    return value / base - 1 if base else None


def _by_difficulty(right: Array, tested: Tested) -> dict[str, Mean]:
    return {kind: mean_over_seeds(right[:, of]) for kind, of in difficulties(tested).items() if of.sum() > 1}


def _contrasts(
    study: Study, grid: Sequence[Runs], starts: Mapping[str, Sequence[Tested]], wanted: Callable[[str, str], bool]
) -> list[Contrast]:
    """All pairs of methods, and each with the untrained model, that were trained on the same task."""
    pairs: list[tuple[str, str, str, str, Comparison]] = []
    for trained in study.tasks:
        methods = [runs for name in study.methods for runs in grid if (runs.method, runs.trained) == (name, trained)]
        for tested, tests in starts.items():
            if not wanted(trained, tested):
                continue
            for runs in methods:
                found = compare(runs.right(tested), _row(tests[0]))
                pairs.append((trained, tested, runs.method, UNTRAINED, found))
            for other, one in combinations(methods, 2):
                found = compare(one.right(tested), other.right(tested))
                pairs.append((trained, tested, one.method, other.method, found))
    raised = holm([each[-1].p for each in pairs])
    contrasts = []
    for (trained, tested, first, second, found), p in zip(pairs, raised, strict=True):
        known = Spread(found.error, found.freedom)
        smallest = detectable(known), detectable(known, len(pairs))
        contrasts.append(Contrast(trained, tested, first, second, found, p, *smallest))
    return contrasts


def _validation(runs: Runs) -> list[Curve]:
    """Accuracy on the validation split against the step, by tested task."""
    curves = []
    first = next(iter(runs.records.values()))
    for task, points in first.validation.items():
        steps = [step for step, _ in points]
        of_seeds = [[value for step, value in each.validation[task]] for each in runs.records.values()]
        if steps and all(len(values) == len(steps) for values in of_seeds):
            curves.append(_curve(runs, task, np.array(steps, dtype=np.float64), np.array(of_seeds)))
    return curves


def _curves(runs: Runs) -> list[Curve]:
    """Each metric against the step."""
    records = [*runs.records.values()]
    curves = []
    size = -(-len(records[0].steps) // POINTS)
    steps = binned(np.array(records[0].steps, dtype=np.float64), size)
    for metric in records[0].curves:
        if all(metric in each.curves and len(each.steps) == len(records[0].steps) for each in records):
            values = [[math.nan if v is None else v for v in each.curves[metric]] for each in records]
            curves.append(_curve(runs, metric, steps, np.stack([binned(np.array(each), size) for each in values])))
    return curves


def _curve(runs: Runs, of: str, steps: Array, values: Array) -> Curve:
    """The mean and the range of the seeds' values, (S, T), where there are any."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    mean = np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    low, high = np.where(there, values, np.inf).min(axis=0), np.where(there, values, -np.inf).max(axis=0)
    return Curve(runs.method, runs.trained, of, steps.tolist(), *(_plain(each) for each in (mean, low, high)))


def _plain(values: Array) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]
