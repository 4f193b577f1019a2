"""The runs of a study: each cell of its grid is an ordinary run, with settings that `mr1 train` takes as well."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mr1.config import Config
from mr1.config.reading import make_config, read_settings
from mr1.errors import UserError
from mr1.study.record import Record, plain_settings
from mr1.study.settings import Study, Values

Chosen = Mapping[tuple[str, str], Values]
"""By method and trained task: the candidate that tuning has chosen."""


@dataclass(frozen=True)
class Cell:
    """A place in a study's grid, and the run that fills it. Two places may be filled by the same run."""

    method: str
    task: str
    """Trained for: what the run trains on, unless its method says otherwise."""
    seed: int
    config: Config
    sweep: str = ""
    """Of which it is a value; empty in the grid itself."""
    value: Any = None
    candidate: int | None = None
    """The number of the candidate that is tried; None where the run isn't one of tuning."""

    @property
    def run(self) -> str:
        """The name of the run's folder: cells with the same one are filled by the same run."""
        return self.config.name

    @property
    def title(self) -> str:
        """What a table calls it."""
        parts = [self.method, self.task]
        if self.sweep:
            parts.append(f"{self.sweep} {self.value}")
        if self.candidate is not None:
            parts.append(f"candidate {self.candidate + 1}")
        return " · ".join([*parts, f"seed {self.seed}"])


Placed = tuple[Cell, Record]
"""A cell whose run is done."""


def tuning_cells(study: Study) -> list[Cell]:
    """The runs that choose among the methods' candidates."""
    assert study.tuning_seed is not None or not any(arm.tune for arm in study.methods.values())
    return [
        _cell(study, method, task, study.tuning_seed or 0, candidate, candidate=number)
        for method, arm in study.methods.items()
        for task in study.tasks
        for number, candidate in enumerate(arm.tune)
    ]


def first_candidates(study: Study) -> Chosen:
    """What stands for a choice before tuning."""
    return {(method, task): arm.tune[0] for method, arm in study.methods.items() if arm.tune for task in study.tasks}


def study_cells(study: Study, chosen: Chosen) -> list[Cell]:
    """The grid, and the sweeps beside it. A seed is done for all before the next is begun.

    Args:
        study: which.
        chosen: what tuning came to; where a method has candidates and none is chosen yet, its cells are left out.

    Raises:
        UserError: settings that can't be those of a run.
    """
    cells = []
    tuned = {
        (method, task): chosen.get((method, task), {})
        for method, arm in study.methods.items()
        for task in study.tasks
        if not arm.tune or (method, task) in chosen
    }
    for seed in study.seeds:
        cells += [_cell(study, method, task, seed, candidate) for (method, task), candidate in tuned.items()]
        for name, sweep in study.sweeps.items():
            cells += [
                _cell(study, method, task, seed, tuned[method, task], {sweep.key: value}, name, value)
                for method in sweep.methods or study.methods
                for task in sweep.tasks or study.tasks
                if (method, task) in tuned
                for value in sweep.values
            ]
    _check_sweeps(study, cells)
    return _shared(cells)


def runs_of(cells: list[Cell]) -> Iterator[Cell]:
    """A cell for each run, in order."""
    seen = set()
    for cell in cells:
        if cell.run not in seen:
            seen.add(cell.run)
            yield cell


def digest(config: Config) -> str:
    """Twelve hexadecimal digits that follow from all settings that are not as they are by default, but its place."""
    settings = plain_settings(config)
    if config.stages:
        settings["stages"] = [*settings["stages"].items()]  # their order matters
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _cell(
    study: Study,
    method: str,
    task: str,
    seed: int,
    tuned: Values,
    varied: Values | None = None,
    sweep: str = "",
    value: Any = None,
    candidate: int | None = None,
) -> Cell:
    arm, label = study.methods[method], f"methods.{method}"
    shared = [study.settings, study.by_task.get(task, {}), {"task": task}]
    layers = [*shared, arm.settings, arm.by_task.get(task, {}), tuned, varied or {}]
    try:
        settings = read_settings(study.base or {})
        for layer in layers:
            settings = read_settings(settings, layer)
        settings |= {"seed": seed, "name": "cell", "output": str(study.cells)}
        config = make_config(settings)
    except UserError as error:
        where = f"sweeps.{sweep}, {value}" if sweep else label
        raise UserError(f"{where}, trained on {task}: {error}") from error
    words = [method, task, *([sweep, str(value)] if sweep else []), f"seed-{seed}"]
    name = re.sub(r"[^\w.-]+", "-", "-".join(words))[:120].strip(".-_")
    return Cell(method, task, seed, _named(study, config, name), sweep, value, candidate)


def _named(study: Study, config: Config, name: str) -> Config:
    """The run's settings with its name: that of the folder that holds just this run, where there is one."""
    key = digest(config)
    there = sorted(study.cells.glob(f"*-{key}"))
    return config.model_copy(update={"name": there[0].name if there else f"{name}-{key}"})


def _shared(cells: list[Cell]) -> list[Cell]:
    """The cells, of which those with the same run have its first name."""
    names: dict[str, str] = {}
    return [
        replace(cell, config=cell.config.model_copy(update={"name": names.setdefault(digest(cell.config), cell.run)}))
        for cell in cells
    ]


def _check_sweeps(study: Study, cells: list[Cell]) -> None:
    """Raise UserError where two values of a sweep are the same run: the setting has no effect, or is overruled."""
    for name in study.sweeps:
        seen: dict[tuple[str, str, int, str], Any] = {}
        for cell in cells:
            if cell.sweep == name:
                place = (cell.method, cell.task, cell.seed, digest(cell.config))
                if place in seen:
                    raise UserError(f"sweeps.{name}.values: {seen[place]} and {cell.value} are the same run")
                seen[place] = cell.value
