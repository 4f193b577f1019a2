"""Facts that a sample's picture shows, and what a text says of them.

A procedural task knows its scene, so a plain reader can tell which of its facts a text states, and what it states that
the scene does not bear out. Each task has such a reader in its `facts.py`; `read` finds it by the sample's id, in front
of which stands the task's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mr1.types import Sample


@dataclass(frozen=True)
class Reading:
    """What a text says of a sample's picture."""

    facts: tuple[str, ...]
    """The sample's facts in words, which the reader understands."""
    stated: tuple[bool, ...]
    """Which of them the text states."""
    false: frozenset[str] = frozenset()
    """What it states that is not so, each once, in words."""


def read(text: str, sample: Sample) -> Reading | None:
    """What a text says of a sample's picture; None where the sample's task has no reader."""
    task = sample.id.partition("/")[0]
    package = next((name for name in READERS if task == name or task.startswith(f"{name}-")), None)
    if package is None:
        return None
    reader: Callable[[str, Sample], Reading] = import_module(f"mr1.tasks.{package}.facts").read
    return reader(text, sample)


READERS = ("counting", "geometry")
"""Packages of tasks that have a reader; the task `counting-3-5` has that of counting."""
