"""SRPO: which prompts an epoch has, and what teaches nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mr1.config import Config, divide, load_config
from mr1.data.resampling import HistoryResampling
from mr1.errors import UserError
from mr1.methods.srpo import SRPO
from mr1.types import Group

SETTINGS = {**dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null"), "kl__weight": 0}


def judge(history: HistoryResampling, *right: str) -> None:
    """Tell it how many of each group's completions are right, as marks."""
    groups: Any = [
        SimpleNamespace(scores={"accuracy": torch.tensor([float(mark) for mark in marks])}) for marks in right
    ]
    history.earned(groups)


def draws(history: HistoryResampling, count: int) -> set[tuple[str, int]]:
    drawn = [history.draw() for _ in range(count)]
    return {(each.task, each.index) for each in drawn}


def test_the_next_epoch_has_what_was_not_wholly_right() -> None:
    history = HistoryResampling({"a": 2, "b": 3}, "accuracy", seed=0)
    everything = {("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)}
    first = [history.draw() for _ in range(5)]
    assert {(each.task, each.index) for each in first} == everything
    judge(history, "11", "01", "00", "11", "10")
    left = {(first[place].task, first[place].index) for place in (1, 2, 4)}
    assert draws(history, 3) == left
    assert history.metrics() == dict(
        zip(("history/epoch", "history/prompts", "history/dropped", "history/restarts"), (1, 3, 2, 0), strict=True)
    )
    judge(history, "01", "01", "01")  # what has been dropped stays so
    assert draws(history, 3) == left
    judge(history, "11", "11", "11")
    assert history.news() == []
    assert draws(history, 5) == everything
    (line,) = history.news()
    assert line.startswith("every prompt is solved, so epoch 3 has all 5 again; ")
    assert history.news() == []
    assert [history.metrics()[f"history/{name}"] for name in ("epoch", "dropped", "restarts")] == [3, 0, 1]


def test_epochs_have_orders_of_their_own_which_the_seed_gives() -> None:
    orders = []
    for seed in (0, 0, 1):
        history = HistoryResampling({"a": 20}, "accuracy", seed)
        orders.append([history.draw().index for _ in range(20)])
        judge(history, *["0"] * 20)
        orders.append([history.draw().index for _ in range(20)])
    assert orders[:2] == orders[2:4]
    assert all(one != other for one, other in pairwise(orders[2:]))
    assert all(sorted(order) == [*range(20)] for order in orders)


def test_what_a_batch_has_of_two_epochs() -> None:
    """Four prompts in batches of three: the fourth is asked again before its first group is judged."""
    history = HistoryResampling({"a": 4}, "accuracy", seed=0)
    _, _, third = [history.draw() for _ in range(3)]
    judge(history, "1", "1", "0")
    fourth, *following = [history.draw() for _ in range(3)]
    assert {*following} == {third, fourth}
    assert history.metrics()["history/dropped"] == 2
    # Its latest group counts: right now, and wrong before.
    judge(history, "0", *("0" if each == third else "1" for each in following))
    assert {history.draw() for _ in range(3)} == {third}


def test_what_cannot_be_used_is_left_out_for_good() -> None:
    history = HistoryResampling({"a": 3}, "accuracy", seed=0)
    bad = history.draw()
    assert history.instead(bad) != bad
    assert history.draw() != bad
    judge(history, "0", "1")
    assert history.draw() != bad
    assert history.metrics()["history/dropped"] == 1
    gone = HistoryResampling({"a": 1}, "accuracy", seed=0)
    with pytest.raises(UserError, match=r"^task: no training sample of a can be used"):
        gone.instead(gone.draw())


def test_its_state_goes_on_where_it_was() -> None:
    history = HistoryResampling({"a": 5, "b": 4}, "accuracy", seed=0)
    for _ in range(3):
        draws(history, 4)
        judge(history, "1", "0", "1", "0")
    history.instead(history.draw())
    judge(history, "1")
    again = HistoryResampling({"a": 5, "b": 4}, "accuracy", seed=0)
    again.load_state_dict(deepcopy(history.state_dict()))
    assert again.metrics() == history.metrics()
    for _ in range(4):
        assert [again.draw() for _ in range(3)] == [history.draw() for _ in range(3)]
        judge(history, "1", "0", "1")
        judge(again, "1", "0", "1")
    assert again.state_dict() == history.state_dict()
    with pytest.raises(UserError, match=r"^--resume: the training samples were 9, now they are 8; bring sources"):
        HistoryResampling({"a": 5, "b": 3}, "accuracy", seed=0).load_state_dict(history.state_dict())


@pytest.fixture
def make(make_config: Callable[..., Config]) -> Callable[..., SRPO]:
    def made(own: str = "epoch: 8", **settings: object) -> SRPO:
        return SRPO(make_config(method=f"{{name: srpo, {own}}}", **SETTINGS | settings))

    return made


def test_a_completion_that_was_cut_off_teaches_nothing(
    make: Callable[..., SRPO], make_groups: Callable[[int], list[Group]]
) -> None:
    method, groups = make(), make_groups(1)
    groups[0].rewards = torch.tensor([1.0, 0, 0, 0])
    groups[0].completions[1].finish_reason = "length"
    method.assign_advantages(groups)
    found = [each.advantages[-1].item() for each in groups[0].completions if each.advantages is not None]
    assert found == pytest.approx([1.5, 0, -0.5, -0.5], rel=1e-3)
    assert method.metrics == {"overlong/left_out": 1}
    tokens = sum(map(len, groups[0].completions))
    assert method.token_weights(groups) == [1 / tokens] * 4


def test_an_epoch_is_a_sources_rows_or_what_is_said(make: Callable[..., SRPO], tmp_path: Path) -> None:
    assert make(task="[counting, geometry]").curriculum().ends.tolist() == [8, 16]
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "How many?", "answer": "3"}\n' * 6)
    own: dict[str, object] = {"sources__own__path": rows, "evaluation__tasks": "[counting]"}
    assert make(task="[counting, own]", **own).curriculum().ends.tolist() == [8, 14]
    assert make("", task="own", **own).curriculum().ends.tolist() == [6]
    with pytest.raises(UserError, match=r"^method.epoch: missing; counting has no end, so say how many samples"):
        make("")
    with pytest.raises(UserError, match=r"^method.epoch: it has no effect where all tasks are sources"):
        make(task="own", **own)


def test_the_recipes_are_two_stages_without_a_kl() -> None:
    for name in ("methods/srpo", "methods/srpo-paper"):
        stages = [stage.config for stage in divide(load_config(name))]
        assert [len(config.tasks) for config in stages] == [1, 2]
        assert {config.kl.weight for config in stages} == {0}
        assert {SRPO(config).aggregation for config in stages} == {"token"}
