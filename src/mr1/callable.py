"""Packages that are functions, too.

The library's two verbs have the names of packages: `mr1.train(...)` trains, and `mr1.train.loop` is a module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that is called as the function of `mr1.library` that has its name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function(*arguments, **named)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(import_module("mr1.library"), self.__name__.rpartition(".")[2])
        return function
