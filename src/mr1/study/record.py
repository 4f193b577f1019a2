"""`cell.json`: all that a study's tables and plots need of one finished run, in some ten kilobytes.

It is written into the run's folder once the run is done, whole or not at all, so a folder that has one is finished. The
results of a study can be made again from these files alone, without checkpoints, samples or metrics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from mr1.config import Config, read_config
from mr1.errors import UserError
from mr1.evaluate.outcome import COLUMNS as OUTCOME
from mr1.folders import read_mark
from mr1.report.outline import Metrics
from mr1.report.reading import Reader, read_metrics
from mr1.study.drift import SAMPLES, Drift, measure_drift
from mr1.train.run import CELL, SETTINGS
from mr1.whole import read_text
from mr1.writing import write_text

VERSION = 1
"""Of the file's form."""
DIGITS = 5
"""Of numbers in curves: significant ones."""
CURVES = ("kl", "kl_weight", "entropy", "completion/length_mean")
"""Metrics whose curves are kept, beside all rewards."""
MARKS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of a sample's difficulty: one character each. Where there are more kinds, none is kept."""

COLUMNS = {name: OUTCOME[name] for name in ("task", "id", "correct", "well_formed", "difficulty")}

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Tested:
    """What a model's test on one task came to, sample by sample.

    Raises:
        ValueError: marks that are none, or not one for each sample.
    """

    ids: str
    """The samples, in their order, as a digest: tests with the same one are of the same samples."""
    right: str
    """A 1 or a 0 for each sample."""
    well_formed: str
    """The same: whether the completion was one thinking part and one answer part."""
    kinds: list[str]
    """The difficulties that there are; empty where samples tell none."""
    difficulty: str
    """A character of MARKS for each sample, its place being that in `kinds`; empty where samples tell none."""
    figures: dict[str, Any]
    """What `evaluation.json` holds."""

    def __post_init__(self) -> None:
        size = len(self.right)
        told = size if self.kinds else 0
        if not size or len(self.well_formed) != size or len(self.difficulty) != told:
            raise ValueError(f"{size} samples have {len(self.well_formed)} and {len(self.difficulty)} marks")
        if {*self.right, *self.well_formed} - {*"01"} or {*self.difficulty} - {*MARKS[: len(self.kinds)]}:
            raise ValueError("a sample has a mark that there isn't")

    @cached_property
    def bits(self) -> Bits:
        """(N,) which samples were right."""
        return _bits(self.right)

    @cached_property
    def forms(self) -> Bits:
        """(N,) which completions were well formed."""
        return _bits(self.well_formed)

    def of_kind(self, kind: str) -> Bits:
        """(N,) which samples are of a difficulty."""
        mark = MARKS[self.kinds.index(kind)]
        return np.array([each == mark for each in self.difficulty], dtype=bool)


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    samples: int
    """Training samples seen: groups of all batches of rollouts."""
    updates: int
    """Optimiser steps."""
    tokens: int
    """In updates: of prompts, each once, and of completions."""
    training: float
    """Seconds in rollouts, rewards, scoring and updates."""
    evaluation: float
    """Seconds in validations. The tests before and after the run are not in it."""


@dataclass(frozen=True)
class Record:
    """A finished run."""

    version: int
    mr1: str
    """The version that ran it."""
    threads: int
    """Of torch, where the record was made."""
    settings: dict[str, Any]
    """Those that are not the defaults, without the run's name and its place."""
    steps: list[int]
    """Of the curves' points."""
    curves: dict[str, list[float | None]]
    """By metric, a value for each step: CURVES, every `reward/...`, and `time`, the seconds without evaluation."""
    validation: dict[str, list[tuple[int, float]]]
    """By task: (step, accuracy) of the policy that was about to make the step."""
    tests: dict[str, dict[str, Tested]]
    """By stage (`before`, `after`) and task."""
    cost: Cost
    drift: dict[str, Drift]
    """By task; empty where it wasn't measured."""


def make_record(folder: Path, drift_samples: int = SAMPLES) -> Record:
    """Read a finished run.

    Args:
        folder: the run's.
        drift_samples: prompts of each task that the drift is measured on; 0 for none.

    Raises:
        UserError: the run is not finished, or what it left can't be read.
    """
    config, reader = read_config(folder / SETTINGS), Reader(folder)
    metrics = read_metrics(Reader(folder))  # a value that isn't finite is a gap
    if len(metrics) != config.steps:
        raise UserError(f"{folder} holds {len(metrics)} of {config.steps} steps that can be read; finish the run first")
    figures = reader.json("evaluation.json", required=bool(config.evaluation.final_samples))
    tests = {stage: _tests(reader, folder, stage, of_stage) for stage, of_stage in figures.items()}
    if config.evaluation.final_samples and "after" not in tests:
        raise UserError(f"{folder} has no test after its last step; finish the run first")
    if reader.damage:
        name, notes = next(iter(reader.damage.items()))
        raise UserError(f"{folder / name}: {notes[0]}; run it again")
    return Record(
        version=VERSION,
        mr1=str(read_mark(folder).get("mr1", "")),
        threads=torch.get_num_threads(),
        settings=plain_settings(config),
        steps=[line["step"] for line in metrics],
        curves=_curves(metrics),
        validation=_validation(metrics, config.evaluation.tasks),
        tests=tests,
        cost=_cost(config, metrics),
        drift=measure_drift(folder, config, drift_samples),
    )


def write_record(folder: Path, record: Record) -> None:
    """Write `cell.json` into a run's folder, whole or not at all."""
    write_text(folder / CELL, json.dumps(asdict(record), separators=(",", ":"), allow_nan=False) + "\n")


def read_record(folder: Path) -> Record:
    """What `write_record` wrote.

    Raises:
        UserError: there is none, or it is damaged, or of another version of the form.
    """
    path = folder / CELL
    try:
        held = json.loads(read_text(path))
        if (version := held.get("version")) != VERSION:
            raise ValueError(f"it has version {version}, and this MR1 reads version {VERSION}")
        return _READ.validate_python(held)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} can't be read ({_said(error)}); remove it, and it is made again") from error


def plain_settings(config: Config) -> dict[str, Any]:
    """The settings that are not the defaults, as JSON, without the run's name and where it is written."""
    return config.model_dump(mode="json", exclude_defaults=True, exclude={"name", "output"})


_READ = TypeAdapter(Record)


def _tests(reader: Reader, folder: Path, stage: str, figures: Mapping[str, Any]) -> dict[str, Tested]:
    """A stage's tests by task."""
    name = f"samples/{stage}.parquet"
    table = reader.table(name, COLUMNS, keys=("task", "id", "correct", "well_formed"))
    if table is None:
        raise UserError(f"{folder / name} is missing or empty; run it again")
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["task"], []).append(row)
    if rows.keys() != figures.keys():
        raise UserError(f"{folder / name} is of the tasks {', '.join(rows)}, evaluation.json of {', '.join(figures)}")
    return {task: _tested(of_task, figures[task]) for task, of_task in rows.items()}


def _tested(rows: Sequence[Mapping[str, Any]], figures: dict[str, Any]) -> Tested:
    told = [row["difficulty"] for row in rows]
    kinds = [*figures.get("by_difficulty", {})]
    if None in told or len(kinds) > len(MARKS):
        kinds, told = [], []
    return Tested(
        ids=digest(row["id"] for row in rows),
        right="".join("01"[row["correct"]] for row in rows),
        well_formed="".join("01"[row["well_formed"]] for row in rows),
        kinds=kinds,
        difficulty="".join(MARKS[kinds.index(kind)] for kind in told),
        figures=figures,
    )


def digest(ids: Iterable[str]) -> str:
    """Ids in their order, in a few characters."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def _curves(metrics: Metrics) -> dict[str, list[float | None]]:
    rewards = dict.fromkeys(key for line in metrics for key in line if key.startswith("reward/"))
    curves = {key: [_optional(line.get(key)) for line in metrics] for key in (*rewards, *CURVES)}
    curves["time"] = [_rounded(_seconds(line)) for line in metrics]
    return {key: values for key, values in curves.items() if any(value is not None for value in values)}


def _validation(metrics: Metrics, tasks: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    keys = {task: f"eval/{task}/accuracy" for task in tasks}
    return {
        task: [(line["step"], _rounded(line[key])) for line in metrics if line.get(key) is not None]
        for task, key in keys.items()
    }


def _cost(config: Config, metrics: Metrics) -> Cost:
    return Cost(
        samples=-(-config.steps // config.updates_per_rollout) * config.prompts_per_step,
        updates=config.steps,
        tokens=sum(line.get("tokens") or 0 for line in metrics),
        training=round(sum(map(_seconds, metrics)), 1),
        evaluation=round(sum(line.get("time/evaluation") or 0.0 for line in metrics), 1),
    )


def _seconds(line: Mapping[str, Any]) -> float:
    """Of a step, without its evaluation."""
    return sum(value or 0.0 for key, value in line.items() if key.startswith("time/") and key != "time/evaluation")


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _optional(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _bits(marks: str) -> Bits:
    return np.array([mark == "1" for mark in marks], dtype=bool)


def _said(error: Exception) -> str:
    """The first of what is wrong with a file, in a line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split())
