"""Rewards of one's own, with the signature that TRL gives them: a function from a file or a module.

    def reward(prompts, completions, **columns) -> list[float | None]

A recipe names it `file.py:function`, relative to where the command is run, or `package.module:function`. A file may
import modules that stand beside it. The function is called once for each group, with lists of G. What it gets follows
the row: where the prompt is a chat, prompts are lists of messages and a completion is a list of one message of the
assistant; else both are texts. Further arguments are `completion_ids`, `images`, `question`, `answer`, and the row's
columns by their names. None says that the reward does not apply to a completion. NaN and infinity are mistakes, which
are counted; such a completion does not count. A function that fails ends the run, or has the group left out in the same
way, by `reward_functions.skip`; with a `reward_functions.timeout` it runs in a process of its own (`own/apart.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mr1.config.tree import RewardFunctions
from mr1.errors import UserError, shown
from mr1.held import while_open
from mr1.own.apart import Apart
from mr1.own.calling import FailedError, call
from mr1.own.loading import load_named
from mr1.own.waiting import told_when_long
from mr1.rewards.handed import PLACE, held_function
from mr1.types import Group

PASSED_APART = ("prompt", "completion", "prompts", "completions", "completion_ids", "images")
"""Columns of these names are not passed: the function's own arguments have them."""
GIVE_UP = 10
"""Groups one after another for which a function fails that is to be skipped."""
RUN = "run"
_OPEN: dict[str, Functions] = {}


def load_function(name: str) -> Callable[..., Any]:
    """The function that a recipe calls `file.py:function` or `package.module:function`.

    Raises:
        UserError: no such file, module or function, or a file that fails when it is run.
    """
    if name.startswith(f"{PLACE}:"):
        return held_function(name)
    function: Callable[..., Any] = load_named(name, "rewards", "function", callable)
    return function


class Functions:
    """The functions of a run: where they are called, and what their failures come to."""

    def __init__(self, settings: RewardFunctions, say: Callable[[str], None] = lambda _: None) -> None:
        """`say` takes lines for the user: of calls without a limit that take long."""
        self.settings, self.say = settings, say
        self._apart: dict[str, Apart] = {}
        self._in_a_row: Counter[str] = Counter()
        """Groups for which each has failed since one for which it did not."""

    def call(self, name: str, group: Group) -> list[float | None]:
        """A function's scores for a group. Raises FailedError; see `calling.call`."""
        count, arguments = len(group.completions), _arguments(group)
        if self.settings.timeout is None:
            with told_when_long(partial(self._tell, name, group)):
                return call(load_function(name), arguments, count)
        if name not in self._apart:
            self._apart[name] = Apart(name, self.settings.timeout)
        return self._apart[name].call(arguments, count)

    def fail(self, name: str, group: Group, failed: FailedError) -> None:
        """Take a failure as the settings say.

        Raises:
            UserError: the function is not to be skipped, or has failed too often.
        """
        self._in_a_row[name] += 1
        if name not in self.settings.skip:
            whose = self._whose(name, group, failed)
            raise UserError(f"rewards: {name} {failed.what} ({whose}); fix it, or name it in reward_functions.skip")
        if self._in_a_row[name] >= GIVE_UP:
            raise UserError(
                f"rewards: {name} failed for {GIVE_UP} groups one after another, the last of them "
                f"{group.prompt.sample.id}: it {failed.what}"
            )

    def succeed(self, name: str) -> None:
        """Begin anew to count failures."""
        self._in_a_row[name] = 0

    def close(self) -> None:
        """End the functions' processes."""
        for each in self._apart.values():
            each.close()

    def _tell(self, name: str, group: Group, seconds: float) -> None:
        self.say(
            f"rewards: {name} has taken {seconds:g} s so far (row {group.prompt.sample.id}, {len(group.completions)} "
            "completions) and may take as long as it likes; reward_functions.timeout sets a limit"
        )

    def _whose(self, name: str, group: Group, failed: FailedError) -> str:
        """The row and the completion that a function failed for: the first for which it fails alone, too."""
        row, count, number = f"row {group.prompt.sample.id}", len(group.completions), failed.completion
        for place, completion in enumerate(group.completions if number is None else ()):
            try:
                self.call(name, Group(group.prompt, [completion]))
            except FailedError:
                number = place
                break
        if number is None:
            return f"{row}, its {count} completions together"
        return f"{row}, completion {number + 1} of {count}: {shown(group.completions[number].text)}"


@contextmanager
def called(settings: RewardFunctions, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """While open, functions are called, and fail, as these settings say; `say` takes lines for the user."""
    functions = Functions(settings, say)
    try:
        with while_open(_OPEN, {RUN: functions}):
            yield
    finally:
        functions.close()


def score_by_function(name: str, group: Group) -> tuple[Tensor, Tensor]:
    """A group's completions scored.

    Returns:
        (G,) float32 scores, NaN where the function gives None, NaN or what float32 holds as infinity, or where it has
        failed and is to be skipped; and (G,) bool, where it is one of the latter three.

    Raises:
        UserError: the function fails, or doesn't return a sequence of a number or None for each completion, and is not
            to be skipped.
    """
    functions = _OPEN.get(RUN) or Functions(RewardFunctions())
    try:
        scores = functions.call(name, group)
    except FailedError as failed:
        functions.fail(name, group, failed)
        group.failures[name] = failed.what
        count = len(group.completions)
        return torch.full((count,), math.nan), torch.ones(count, dtype=torch.bool)
    functions.succeed(name)
    numbers = torch.tensor([math.nan if score is None else score for score in scores])
    not_finite = torch.tensor([score is not None for score in scores]) & ~numbers.isfinite()
    return numbers.masked_fill(not_finite, math.nan), not_finite


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
