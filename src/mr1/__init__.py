"""MR1: reinforcement learning of vision-language models on verifiable rewards.

    run = mr1.train("counting-grpo-d", {"steps": 20})
    run.metrics                                     # a pandas.DataFrame, a row for each step
    mr1.evaluate(run, tasks=["geometry"]).figures

What is named here is what a program may rely on. Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mr1.errors import GuardError, UserError
from mr1.version import __version__

if TYPE_CHECKING:
    from mr1.config import Config, load_config
    from mr1.library import EvaluationResult, RunResult, evaluate, train

__all__ = [
    "Config",
    "EvaluationResult",
    "GuardError",
    "RunResult",
    "UserError",
    "__version__",
    "evaluate",
    "load_config",
    "train",
]

_PLACES = {
    "Config": "mr1.config",
    "EvaluationResult": "mr1.library",
    "RunResult": "mr1.library",
    "load_config": "mr1.config",
}
_CALLED = ("evaluate", "train")
"""Packages that are called by their name; see `mr1.callable`."""


if not TYPE_CHECKING:  # else every name would be one of the package's

    def __getattr__(name: str) -> Any:
        if name in _CALLED:
            return import_module(f"mr1.{name}")
        if name in _PLACES:
            return getattr(import_module(_PLACES[name]), name)
        raise AttributeError(f"module 'mr1' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
