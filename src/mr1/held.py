"""What a program holds for a while under names that its run's settings have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

Value = TypeVar("Value")


@contextmanager
def while_open(known: dict[str, Value], more: Mapping[str, Value]) -> Iterator[None]:
    """While open, `known` has `more`; afterwards it is what it was. A call within a call has its own."""
    before = dict(known)
    known.update(more)
    try:
        yield
    finally:
        known.clear()
        known.update(before)
