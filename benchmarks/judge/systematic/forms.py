"""The table of forms: a function for each class of value."""

from __future__ import annotations

from functools import singledispatch
from random import Random

from benchmarks.judge.pair import Form, Value


@singledispatch
def forms(value: Value, rng: Random) -> list[Form]:
    """All ways to write a value; entries within it are drawn."""
    raise NotImplementedError(type(value))


def text(*texts: str) -> list[Form]:
    """Forms that are no LaTeX."""
    return [Form(each) for each in texts]


def math(*texts: str) -> list[Form]:
    """Forms that may stand between dollars."""
    return [Form(each, math=True) for each in texts]
