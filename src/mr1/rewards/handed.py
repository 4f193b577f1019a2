"""Reward functions that a program hands over as objects, and the names that they have in its run's settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from mr1.errors import UserError
from mr1.held import while_open

PLACE = "python"
"""What a function's name begins with that is in no module which another process could import."""
_HELD: dict[str, Callable[..., Any]] = {}

Function = Callable[..., Any]
Rewards = Iterable[str | Function] | Mapping[str | Function, float]
"""Names and functions, with weight 1 each or with the weights that a mapping gives them."""


def name_of(function: Function) -> str:
    """A function's name in a recipe: `module:function` where it can be imported, else `python:function`."""
    module: Any = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return f"{module}:{name}"
    return f"{PLACE}:{name.rpartition('.')[2]}"


def as_weights(rewards: Rewards) -> tuple[dict[str, float], dict[str, Function]]:
    """The weights by name, as a recipe has them; and the functions that only this program knows, by name.

    Raises:
        UserError: no rewards, what is neither a name nor a function, two of one name.
    """
    if isinstance(rewards, str) or callable(rewards):
        raise UserError("rewards: give a list, such as [my_reward], or a mapping to weights, {my_reward: 1.0}")
    pairs = [*rewards.items()] if isinstance(rewards, Mapping) else [(each, 1.0) for each in rewards]
    weights: dict[str, float] = {}
    functions: dict[str, Function] = {}
    for each, weight in pairs:
        if not isinstance(each, str) and not callable(each):
            raise UserError(f"rewards: {each!r} is neither the name of a reward nor a function")
        name = each if isinstance(each, str) else name_of(each)
        if name in weights:
            raise UserError(f"rewards: two are called '{name}'; give each a name of its own")
        weights[name] = weight
        if not isinstance(each, str) and name.startswith(f"{PLACE}:"):
            functions[name] = each
    return weights, functions


def held(functions: Mapping[str, Function]) -> AbstractContextManager[None]:
    """While open, rewards of these names are these functions."""
    return while_open(_HELD, functions)


def held_function(name: str) -> Function:
    """The function of a name that begins with `python:`.

    Raises:
        UserError: nobody holds it.
    """
    if name not in _HELD:
        raise UserError(
            f"rewards: {name} was handed over by a program, and is in no module; call mr1.train from that "
            "program again, with the same rewards, and with resume=True to go on"
        )
    return _HELD[name]
