"""Rewards of one's own, with the signature that TRL gives them: a function from a file or a module.

    def reward(prompts, completions, **columns) -> list[float | None]

A recipe names it `file.py:function`, relative to where the command is run, or `package.module:function`. A file may
import modules that stand beside it. The function is called once for each group, with lists of G. What it gets follows
the row: where the prompt is a chat, prompts are lists of messages and a completion is a list of one message of the
assistant; else both are texts. Further arguments are `completion_ids`, `images`, `question`, `answer`, and the row's
columns by their names. None says that the reward does not apply to a completion. NaN and infinity are mistakes, which
are counted; such a completion does not count.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Set
from typing import Any

import torch
from torch import Tensor

from mr1.awaiting import finished
from mr1.errors import UserError
from mr1.rewards.handed import PLACE, held_function
from mr1.rewards.loading import load_named, reason
from mr1.types import Group

PASSED_APART = ("prompt", "completion", "prompts", "completions", "completion_ids", "images")
"""Columns of these names are not passed: the function's own arguments have them."""


def load_function(name: str) -> Callable[..., Any]:
    """The function that a recipe calls `file.py:function` or `package.module:function`.

    Raises:
        UserError: no such file, module or function, or a file that fails when it is run.
    """
    if name.startswith(f"{PLACE}:"):
        return held_function(name)
    function: Callable[..., Any] = load_named(name, "rewards", "function", callable)
    return function


def score_by_function(name: str, group: Group) -> tuple[Tensor, Tensor]:
    """A group's completions scored.

    Returns:
        (G,) float32 scores, NaN where the function gives None, NaN or what float32 holds as infinity; and (G,) bool,
        where it is one of the latter two.

    Raises:
        UserError: the function fails, or doesn't return a sequence of a number or None for each completion.
    """
    scores = _called(name, _arguments(group))
    if len(scores) != len(group.completions):
        count = len(group.completions)
        raise UserError(f"rewards: {name} returned {len(scores)} scores for {count} completions; return one for each")
    numbers = torch.tensor([math.nan if score is None else _number(name, score) for score in scores])
    not_finite = torch.tensor([score is not None for score in scores]) & ~numbers.isfinite()
    return numbers.masked_fill(not_finite, math.nan), not_finite


def _number(name: str, score: Any) -> float:
    try:
        if isinstance(score, str | bytes):
            raise TypeError(f"the text {score[:20]!r}")
        return float(score)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RuntimeError) as error:  # the last from a tensor of several numbers
        raise UserError(f"rewards: {name} returned what is neither a number nor None: {error}") from error


def _called(name: str, arguments: dict[str, Any]) -> list[Any]:
    function = load_function(name)
    try:
        result = function(**arguments)
        if inspect.isawaitable(result):
            result = finished(result)
        # Of a mapping, a set or a text nobody can say which of its parts is whose score.
        ordered = not isinstance(result, Mapping | Set | str | bytes)
        scores = list(result) if ordered else []
    except Exception as error:  # whatever the user's function raises
        step = inspect.trace()[-1]
        where = "" if step.filename == __file__ else f" in {step.filename}, line {step.lineno}"
        raise UserError(f"rewards: {name} failed{where}: {reason(error)}") from error
    if not ordered:
        raise UserError(
            f"rewards: {name} returned a {type(result).__name__}; return a list of a number or None for each completion"
        )
    return scores


def _arguments(group: Group) -> dict[str, Any]:
    """What a reward function is called with: each a list of G."""
    sample, size = group.prompt.sample, len(group.completions)
    columns = {"question": sample.question, "answer": sample.answer, **sample.meta}
    columns = {key: value for key, value in columns.items() if key not in PASSED_APART}
    texts: list[Any] = [completion.text for completion in group.completions]
    prompt: Any = group.prompt.text
    if sample.messages:
        prompt = [*sample.messages]
        texts = [[{"role": "assistant", "content": text}] for text in texts]
    return {
        "prompts": [prompt] * size,
        "completions": texts,
        "completion_ids": [completion.token_ids.tolist() for completion in group.completions],
        "images": [list(sample.images)] * size,
        **{key: [value] * size for key, value in columns.items()},
    }
