"""A reward function called, and what it returns as numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Set
from typing import Any

from mr1.awaiting import finished
from mr1.own.loading import reason


class FailedError(Exception):
    """What a function did wrong, in words that follow its name."""

    def __init__(self, what: str, completion: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.completion = completion
        """The number of the completion that it was about; None where that isn't known."""

    def __reduce__(self) -> tuple[Any, ...]:
        return FailedError, (self.what, self.completion)


def call(function: Callable[..., Any], arguments: dict[str, Any], count: int) -> list[float | None]:
    """A function's scores for so many completions: a number, which may be NaN or infinite, or None.

    Raises:
        FailedError: it raises, or doesn't return a sequence of a number or None for each completion.
    """
    scores = _called(function, arguments)
    if len(scores) != count:
        raise FailedError(f"returned {len(scores)} scores for {count} completions; return one for each")
    return [None if score is None else _number(score, place) for place, score in enumerate(scores)]


def _number(score: Any, place: int) -> float:
    try:
        if isinstance(score, str | bytes):
            raise TypeError(f"the text {score[:20]!r}")
        return float(score)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RuntimeError) as error:  # the last from a tensor of several numbers
        raise FailedError(f"returned what is neither a number nor None: {error}", place) from error


def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> list[Any]:
    try:
        result = function(**arguments)
        if inspect.isawaitable(result):
            result = finished(result)
        # Of a mapping, a set or a text nobody can say which of its parts is whose score.
        ordered = not isinstance(result, Mapping | Set | str | bytes)
        scores = list(result) if ordered else []
    except (Exception, SystemExit) as error:  # whatever the user's function raises
        step = inspect.trace()[-1]
        where = "" if step.filename == __file__ else f" in {step.filename}, line {step.lineno}"
        raise FailedError(f"failed{where}: {reason(error)}") from error
    if not ordered:
        raise FailedError(f"returned a {type(result).__name__}; return a list of a number or None for each completion")
    return scores
