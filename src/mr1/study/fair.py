"""What the methods of a study must have alike, so that their accuracies can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mr1.config import Config
from mr1.errors import UserError
from mr1.study.grid import Cell
from mr1.study.settings import Study

SAME: dict[str, Callable[[Config], Any]] = {
    "training samples (steps / updates_per_rollout * prompts_per_step)": lambda config: samples_seen(config),
    "model": lambda config: config.model,
    "evaluation": lambda config: config.evaluation.model_dump(),
    "the evaluation's prompt": lambda config: config.evaluation.prompt or config.prompt,
    "rollout.max_new_tokens": lambda config: config.rollout.max_new_tokens,
}
"""By its name in messages: what the runs of all methods on one task have alike."""


def samples_seen(config: Config) -> int:
    """The training samples that a run draws."""
    return config.steps // config.updates_per_rollout * config.prompts_per_step


def check_fair(study: Study, cells: list[Cell]) -> None:
    """Raise UserError where methods of a study that says they are equal are not.

    Args:
        study: which.
        cells: its grid, and the runs of tuning, of which any may be chosen. Sweeps are left out: they are there to
            differ.
    """
    if not study.equal:
        return
    way = "make them alike, or set equal=false, which the results then say"
    first = next(iter(study.methods))
    for method, arm in study.methods.items():
        if len(arm.tune) != len(study.methods[first].tune):
            raise UserError(
                f"methods.{method}.tune: {len(arm.tune)} candidates where {first} has "
                f"{len(study.methods[first].tune)}; a method that is tuned more often comes out better; {way}"
            )
    for name, of in SAME.items():
        seen: dict[str, tuple[str, Any]] = {}
        for cell in cells:
            if cell.sweep:
                continue
            value = of(cell.config)
            other, theirs = seen.setdefault(cell.task, (cell.method, value))
            if value != theirs:
                raise UserError(
                    f"methods.{cell.method}, trained on {cell.task}: {name} is {_shown(value)}, that of {other} is "
                    f"{_shown(theirs)}; {way}"
                )


def check_measured(study: Study, cells: list[Cell]) -> None:
    """Raise UserError where a run does not measure what the study's tables need."""
    for cell in cells:
        evaluation = cell.config.evaluation
        where = f"methods.{cell.method}, trained on {cell.task}"
        if study.same(cell.task) not in evaluation.tasks:
            raise UserError(
                f"{where}: evaluation.tasks lacks {study.same(cell.task)}; add it, or say in tests.{cell.task} which "
                "of them measures it"
            )
        if not evaluation.final_samples:
            raise UserError(f"{where}: evaluation.final_samples is 0, so nothing would be compared")
        if cell.candidate is not None and not 0 < evaluation.every < cell.config.steps:
            raise UserError(
                f"{where}: evaluation.every must be between 1 and steps - 1, as tuning goes by its accuracies"
            )


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
