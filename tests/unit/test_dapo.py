"""DAPO: the penalty, what is left out of the loss, and which groups make a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mr1.algo.overlong import overlong_penalty
from mr1.config import Config
from mr1.errors import UserError
from mr1.methods.dapo import DAPO
from mr1.types import Ahead, Group, Prompt

SETTINGS = {**dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null"), "kl__weight": 0}
Made = Callable[..., DAPO]


@pytest.fixture
def dapo(make_config: Callable[..., Config]) -> Made:
    def make(own: str = "refills: 3", **settings: object) -> DAPO:
        return DAPO(make_config(method=f"{{name: dapo, {own}}}", **SETTINGS | settings))

    return make


def test_the_penalty_by_hand() -> None:
    assert overlong_penalty([0, 6, 7, 8, 10, 12], 10, 4).tolist() == [0.0, 0.0, -0.25, -0.5, -1.0, -1.0]
    assert overlong_penalty([3, 10], 10, 10).tolist() == pytest.approx([-0.3, -1.0])
    assert overlong_penalty([3, 10], 10, 0).tolist() == [0.0, 0.0]


def test_the_buffer_is_a_fifth_of_the_budget_or_what_is_said(dapo: Made, make_groups: Callable[..., Any]) -> None:
    """The longest of the completions has 22 tokens."""
    (group,) = make_groups(1)
    lengths = [len(each) for each in group.completions]
    for own, budget, buffer in (("", 24, 4), ("overlong_buffer: 12", 24, 12), ("overlong_buffer: 0", 24, 0)):
        method = dapo(own, rollout__max_new_tokens=budget)
        group.rewards = None
        method.score([group])
        scored = group.rewards
        group.rewards = None
        dapo("overlong_buffer: 0").score([group])
        torch.testing.assert_close(scored, group.rewards + overlong_penalty(lengths, budget, buffer))
        assert method.metrics["overlong/penalty"] == pytest.approx(overlong_penalty(lengths, budget, buffer).mean())
        assert (method.metrics["overlong/penalty"] < 0) is (buffer > 0)
    method.score([group])  # those that have been scored stay as they are
    with pytest.raises(UserError, match=r"^method.overlong_buffer: 25 is above rollout.max_new_tokens=24$"):
        dapo("overlong_buffer: 25", rollout__max_new_tokens=24)


def test_what_was_cut_off_may_be_left_out_of_the_loss(dapo: Made, make_groups: Callable[[int], list[Group]]) -> None:
    groups = make_groups(2)
    completions = [each for group in groups for each in group.completions]
    completions[1].finish_reason = completions[4].finish_reason = "length"
    tokens = [len(each) for each in completions]
    counted = sum(tokens) - tokens[1] - tokens[4]
    assert dapo().token_weights(groups) == dapo().token_shares(groups) == [1 / sum(tokens)] * 7
    method = dapo("overlong_filter: true")
    assert method.token_weights(groups) == [0 if place in (1, 4) else 1 / counted for place in range(7)]
    assert method.token_shares(groups) == [1 / sum(tokens)] * 7
    method.score(groups)
    assert method.metrics["overlong/left_out"] == 2
    for each in completions:
        each.finish_reason = "length"
    for aggregation in ("completion", "token", "constant"):
        assert dapo("overlong_filter: true", loss__aggregation=aggregation).token_weights(groups) == [0.0] * 7


@pytest.mark.parametrize(
    ("refills", "teach", "given", "asks", "batch"),
    [
        (3, "010 01 1", 9, [2, 1], [1, 4, 5]),  # filled at the second asking
        (3, "111", 9, [], [0, 1, 2]),
        (1, "010 01", 9, [2], [1, 4]),  # nobody is asked again
        (0, "010", 9, [], [1]),
        (3, "010 00", 2, [2, 2], [1]),  # there are no more
        (2, "000 000 000", 9, [3, 3], [0, 1, 2]),  # nothing teaches
    ],
)
def test_groups_that_teach_nothing_are_replaced(
    dapo: Made,
    make_groups: Callable[[int], list[Group]],
    monkeypatch: pytest.MonkeyPatch,
    refills: int,
    teach: str,
    given: int,
    asks: list[int],
    batch: list[int],
) -> None:
    """`teach` says of each prompt whether its group does, asking by asking."""
    (made,) = make_groups(1)
    teaches, numbers, asked = teach.replace(" ", ""), iter(range(12)), list[int]()

    def prompts(count: int) -> list[Prompt]:
        return [replace(made.prompt, text=str(next(numbers))) for _ in range(count)]

    def more(count: int) -> list[Prompt]:
        asked.append(count)
        nonlocal given
        count, given = min(count, given), given - min(count, given)
        return prompts(count)

    def score(groups: Sequence[Group], weights: object) -> None:  # noqa: ARG001
        for group in groups:
            spread = [0.0, 1.0, 2.0, 3.0] if teaches[int(group.prompt.text)] == "1" else [0.1] * 4
            group.rewards = torch.tensor(spread)

    engine: Any = SimpleNamespace(sample=lambda prompts, *_: [Group(each, made.completions) for each in prompts])
    monkeypatch.setattr("mr1.methods.dapo.score_groups", score)
    method = dapo(f"refills: {refills}")
    first = [replace(each, ahead=Ahead(None, None)) for each in prompts(3)]
    groups = method.rollout(engine, first, 0, more)
    assert all((each.ahead is None) is bool(asks) for each in first)
    assert [int(group.prompt.text) for group in groups] == batch
    sampled, kept = len(teaches), teaches.count("1")
    assert method.metrics["sampling/prompts"] == sampled
    assert method.metrics["sampling/dull"] == sampled - kept
    assert method.metrics["sampling/missing"] == 3 - kept
    mean = (1.5 * kept + 0.1 * (sampled - kept)) / sampled
    assert method.metrics["sampling/reward"] == pytest.approx(mean)
    assert asked == asks
    method.score(groups)  # the loop's, which finds nothing left to be scored
    assert [int(group.prompt.text) for group in groups] == batch
