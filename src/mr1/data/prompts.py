"""Prompts of a task's samples, where a sample may turn out to be unusable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mr1.data.source import SourceTask
from mr1.data.unusable import BadRow, LeftOut
from mr1.errors import UnusableError
from mr1.tasks.base import Task
from mr1.types import Prompt

if TYPE_CHECKING:
    from mr1.models.vlm import VLM

MakePrompt = Callable[[Task, str, int, int, str], Prompt]
"""Task, split, seed, index, template -> the sample, made ready. Raises UnusableError where that can't be done."""


def fresh_prompt(vlm: VLM, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
    """A sample drawn or read, and made ready for a model. With the model put in it is a MakePrompt."""
    return vlm.prompt(task.sample(split, seed, index), template)


def usable_prompt(
    make: MakePrompt, task: Task, split: str, seed: int, index: int, template: str, left_out: LeftOut
) -> Prompt | BadRow:
    """Sample `index` of a split, made ready; or the row that it can't be made of, which is not tried if it is known.

    Nothing is added to `left_out`.
    """
    identity, where = str(index), f"sample {index}"
    if isinstance(task, SourceTask):
        identity, where = task.name_row(split, seed, index)
    if known := left_out.known(task.name, split, identity):
        return known
    try:
        return make(task, split, seed, index, template)
    except UnusableError as error:
        return BadRow(task.name, split, identity, where, str(error))


def rows_of(task: Task, split: str, looked_at: int) -> int:
    """All rows of a split, unusable ones included; those looked at so far where it has no end."""
    return task.looked_at(split) if isinstance(task, SourceTask) else looked_at
