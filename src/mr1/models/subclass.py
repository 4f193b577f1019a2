"""Modules of transformers that do something otherwise: by a subclass of their own class, in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

Make = Callable[[Any], Any]
"""A module's class to a subclass of it."""


def turn(module: nn.Module, make: Make) -> None:
    """Let a module be of the subclass that `make` makes of its class; parameters, state and name stay the same.

    A module that is of it already, as in a copy of a model, stays as it is.
    """
    kind: Any = type(module)
    if getattr(kind, "made_by", None) is not make:
        module.__class__ = _made(make, kind)


@cache
def _made(make: Make, cls: Any) -> Any:
    made = make(cls)
    made.__name__, made.__qualname__, made.made_by = cls.__name__, cls.__qualname__, make
    return made


def is_turned(module: nn.Module, make: Make) -> bool:
    """Whether `turn` has been here."""
    return getattr(type(module), "made_by", None) is make
