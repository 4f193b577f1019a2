"""Rewards that a language model gives: `judgements.py` says what is asked, `mr1.endpoint` asks it.

A run opens its judge before a model is loaded (`opened`), and the rewards' names find it while it is open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mr1.endpoint.client import PARAMETERS, Client, Question, Value
from mr1.endpoint.settings import Endpoint
from mr1.errors import UserError
from mr1.held import while_open
from mr1.judge.tags import turn
from mr1.rewards.judgements import JUDGEMENTS, Judgement, Numbers
from mr1.types import Group

_OPEN: dict[str, Client] = {}
JUDGE = "judge"


@contextmanager
def opened(settings: Endpoint) -> Iterator[None]:
    """While open, the rewards of `JUDGEMENTS` ask this server; nothing is done where the settings name none.

    Raises:
        UserError: the package openai is not installed, nothing answers, or the key or the model is refused.
    """
    if settings.base_url is None:
        yield
        return
    client = Client(settings)
    client.check()
    client.take_counts()
    with while_open(_OPEN, {JUDGE: client}):
        yield


@contextmanager
def nobody_asked(settings: Endpoint) -> Iterator[None]:
    """While open, the rewards of `JUDGEMENTS` ask nobody, and all fail: for an estimate, which needs no scores."""
    with while_open(_OPEN, {JUDGE: _Nobody(settings)}):
        yield


class _Nobody(Client):
    """Has no reply to anything."""

    def __init__(self, settings: Endpoint) -> None:
        self.settings = settings

    def ask(self, questions: Sequence[Question[Value]]) -> list[Value | None]:
        return [None] * len(questions)


def take_counts() -> dict[str, int]:
    """`endpoint/<name>` of `Client.take_counts`; nothing where no judge is open."""
    return {f"endpoint/{name}": count for client in _OPEN.values() for name, count in client.take_counts().items()}


def describe(settings: Endpoint) -> dict[str, Any]:
    """All that scores depend on, as JSON: the server, the model, the parameters and the prompts."""
    prompts = {name: {"system": each.system, "user": each.template} for name, each in JUDGEMENTS.items()}
    return {"base_url": settings.base_url, "model": settings.model, "parameters": PARAMETERS, "prompts": prompts}


def score_by_judge(names: Sequence[str], groups: Sequence[Group]) -> list[Mapping[str, tuple[Tensor, Tensor]]]:
    """The completions of all groups scored, all questions at once.

    Returns:
        Of each group, by the reward's name, (G,) float32 scores, NaN where it does not apply or failed, and (G,) bool,
        where it failed.

    Raises:
        UserError: no judge is open; see also `Client.ask`.
    """
    if not names:
        return [{} for _ in groups]
    if JUDGE not in _OPEN:
        raise UserError(f"rewards: {names[0]} asks a model, and none is open; set endpoint.base_url and endpoint.model")
    client = _OPEN[JUDGE]
    assert isinstance(client.settings, Endpoint), "`opened` says so"
    column = client.settings.facts
    asked = [
        (JUDGEMENTS[name], JUDGEMENTS[name].questions(turn(group.prompt, each), group.prompt.sample, column))
        for group in groups
        for name in names
        for each in group.completions
    ]
    numbers = iter(client.ask([question for _, questions in asked for question in questions]))
    scored = iter([_scored(judgement, [next(numbers) for _ in questions]) for judgement, questions in asked])
    return [{name: _tensors([next(scored) for _ in group.completions]) for name in names} for group in groups]


def _scored(judgement: Judgement, replies: Sequence[Numbers | None]) -> tuple[float, bool]:
    """A score, and whether it failed; NaN where nothing was asked, too."""
    numbers = [each for each in replies if each is not None]
    failed = len(numbers) < len(replies)
    return math.nan if failed or not numbers else judgement.score(numbers), failed


def _tensors(scored: Sequence[tuple[float, bool]]) -> tuple[Tensor, Tensor]:
    return torch.tensor([score for score, _ in scored]), torch.tensor([failed for _, failed in scored])
