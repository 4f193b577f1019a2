"""Tasks: what is asked, and what the right answer is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mr1.errors import UserError, nearest

if TYPE_CHECKING:
    from mr1.tasks.base import Task

TASKS = {
    "counting": "mr1.tasks.counting:CountingTask",
    "geometry": "mr1.tasks.geometry:GeometryTask",
}
"""Where each task's class is; imported when it is asked for."""


def load_task(name: str, **settings: Any) -> Task:
    """Make a task by its name.

    Raises:
        UserError: no task has this name.
    """
    if name not in TASKS:
        raise UserError(f"task: unknown '{name}'{nearest(name, TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(import_module(module), attribute)(**settings)
