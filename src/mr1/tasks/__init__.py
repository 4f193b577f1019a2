"""Tasks: what is asked, and what the right answer is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mr1.errors import UserError, nearest

if TYPE_CHECKING:
    from mr1.data.settings import Source
    from mr1.tasks.base import Task

TASKS = {
    "counting": "mr1.tasks.counting:CountingTask",
    "counting-3-5": "mr1.tasks.counting:few",
    "counting-6-8": "mr1.tasks.counting:some",
    "counting-9-10": "mr1.tasks.counting:many",
    "counting-words": "mr1.tasks.counting.words:WordsTask",
    "geometry": "mr1.tasks.geometry:GeometryTask",
}
"""Where what makes each task is; imported when it is asked for."""


def load_task(name: str, sources: Mapping[str, Source] | None = None, **settings: Any) -> Task:
    """Make a task by its name.

    Args:
        name: a procedural task's name, or a source's.
        sources: a recipe's sources, by name.
        **settings: what a procedural task takes, such as `image_size`.

    Raises:
        UserError: no task has this name, or the source can't be read.
    """
    if sources and name in sources:
        from mr1.data.source import load_source

        return load_source(name, sources[name])
    if name not in TASKS:
        raise UserError(f"task: unknown '{name}'{nearest(name, TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(import_module(module), attribute)(**settings)
