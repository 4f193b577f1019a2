"""A study's settings: which runs it is made of. What each setting means stands under it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mr1.config.reading import read_tree
from mr1.config.tree import Name
from mr1.data.settings import Location, Settings, Text
from mr1.errors import UserError, nearest
from mr1.recipes import STUDIES, find_recipe

Values = dict[Text, Any]
"""Settings of a run, by their dotted keys or nested."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Arm(Settings):
    """A method of the study: what its runs have otherwise than the others."""

    settings: Values = Field(default={})
    """Put over the study's. With `task` among them the method trains on other tasks than the one that it is measured
    by, such as several together or, by `stages`, one after the other."""
    by_task: dict[Text, Values] = Field(default={})
    """Put over those, in runs that train on a task."""
    tune: list[Values] = Field(default=[])
    """Candidates, of which the best is taken; see `tuning_seed`. All methods have the same number of them."""


class Sweep(Settings):
    """One setting with several values, the rest as in the grid."""

    key: Text
    """The setting, by its dotted key."""
    values: Annotated[list[Any], Field(min_length=1)]
    """What it is set to, one after the other."""
    methods: list[Text] = Field(default=[])
    """Of the study; empty for all."""
    tasks: list[Text] = Field(default=[])
    """Of the study; empty for all."""


class Study(Settings):
    """A grid of runs: methods, training tasks and seeds, and sweeps of single settings beside it."""

    name: Name
    """The folder of its results below `output`."""
    output: Annotated[Location, AfterValidator(os.path.expanduser)] = "studies"
    """The folder of the studies' folders. Runs are in its `cells`: one that two studies share is run once."""
    base: Location | None = None
    """A recipe that all runs begin with, by its name or as a file; null for none."""
    settings: Values = Field(default={})
    """Of all runs, put over the recipe's."""
    by_task: dict[Text, Values] = Field(default={})
    """Put over those, in runs that train on a task."""
    tasks: Annotated[list[Text], Field(min_length=1)]
    """What is trained on, one task a run, but where a method names tasks of its own. Every run is measured on all of
    `evaluation.tasks`."""
    tests: dict[Text, Text] = Field(default={})
    """Which task of the evaluation is the same as a trained one, where its name is another."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """Each method is trained on each task once with each of them."""
    methods: Annotated[dict[Name, Arm], Field(min_length=1)]
    """By the names that tables and plots call them."""
    tuning_seed: Seed | None = None
    """Of the runs that choose among a method's candidates, by the validation accuracy on the trained task."""
    sweeps: dict[Name, Sweep] = Field(default={})
    """By the names that tables and plots call them."""
    equal: bool = True
    """Whether methods must see as many samples, be measured alike and be tuned by as many runs. Set it to false for a
    study of just these; its results then say so."""
    relative_to: Text | None = None
    """The method that the cross-task table is relative to, beside the untrained model."""
    paper: bool = False
    """Whether OThink-MR1's own numbers stand beside the results."""

    @property
    def folder(self) -> Path:
        """Of the results."""
        return Path(self.output) / self.name

    @property
    def cells(self) -> Path:
        """The folder of the runs."""
        return Path(self.output) / "cells"

    def same(self, task: str) -> str:
        """The task of the evaluation that a trained task is measured by."""
        return self.tests.get(task, task)


def load_study(what: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study, by its name or its path, and put the overrides (`key=value`) over it.

    Raises:
        UserError: a missing or unreadable file, an unknown key, a wrong type, names that don't fit each other.
    """
    study = read_tree(find_recipe(what, STUDIES), Study, overrides)
    _check(study)
    return study


def _check(study: Study) -> None:
    _known("by_task", study.by_task, study.tasks)
    _known("tests", study.tests, study.tasks)
    for name, arm in study.methods.items():
        _known(f"methods.{name}.by_task", arm.by_task, study.tasks)
    for name, sweep in study.sweeps.items():
        _known(f"sweeps.{name}.tasks", sweep.tasks, study.tasks)
        _known(f"sweeps.{name}.methods", sweep.methods, study.methods)
        if sweep.key in ("seed", "task", "name", "output"):
            raise UserError(f"sweeps.{name}.key: {sweep.key} is not a setting that a study varies by a sweep")
    if study.relative_to is not None:
        _known("relative_to", [study.relative_to], study.methods)
    for key, held in (("tasks", study.tasks), ("seeds", study.seeds)):
        if len({*held}) < len(held):
            raise UserError(f"{key}: one of {held} stands twice; once is enough")
    tuned = [name for name, arm in study.methods.items() if arm.tune]
    if tuned and study.tuning_seed is None:
        raise UserError(f"tuning_seed: missing; methods.{tuned[0]}.tune needs it")
    if study.tuning_seed in study.seeds:
        raise UserError(
            f"tuning_seed: {study.tuning_seed} is one of seeds; what is chosen by a run would be tested on it"
        )


def _known(key: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{key}: unknown '{name}'{nearest(name, known)}")
