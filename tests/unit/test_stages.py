"""Stages of a run: how its steps are divided, and what each may have of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr1.config import Config, divide, dump_config, load_config
from mr1.config.stages import _divided, stage_seed
from mr1.errors import UserError
from mr1.study.grid import digest
from mr1.train.resume import compare_settings

TWO = "{a: {}, b: {share: 3, settings: {task: geometry, optimizer.learning_rate: 0.5}}}"


@pytest.mark.parametrize(
    ("whole", "shares", "places"),
    [
        (9, [1, 1, 1], [0, 3, 6, 9]),
        (8, [1, 3], [0, 2, 8]),
        (3, [1, 100, 1], [0, 1, 2, 3]),
        (4, [100, 1, 1], [0, 2, 3, 4]),
        (5, [0.5], [0, 5]),
    ],
)
def test_steps_are_divided_by_shares(whole: int, shares: list[float], places: list[int]) -> None:
    assert _divided(whole, shares) == places


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8), st.integers(0, 1000))
def test_every_stage_has_a_step_and_all_steps_are_in_one(shares: list[float], more: int) -> None:
    whole = len(shares) + more
    places = _divided(whole, shares)
    assert places[0] == 0
    assert places[-1] == whole
    assert all(first < end for first, end in pairwise(places))


def test_a_stage_is_the_run_with_its_own_settings(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config(steps=8, task="[counting, geometry]", updates_per_rollout=2, stages=TWO, seed=7)
    first, second = divide(config)
    assert (first.name, first.first, first.end) == ("a", 0, 2)
    assert (second.name, second.first, second.end) == ("b", 2, 8)
    plain = make_config(steps=2, task="[counting, geometry]", updates_per_rollout=2, seed=7)
    assert first.config.model_dump() == plain.model_dump()
    own = plain.model_dump() | {"steps": 6, "seed": stage_seed(7, 1), "task": "geometry"}
    own["optimizer"]["learning_rate"] = 0.5
    assert second.config.model_dump() == own
    assert len({stage_seed(seed, number) for seed in range(50) for number in range(1, 5)}) == 200
    (tmp_path / "written.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "written.yaml").model_dump() == config.model_dump()
    assert divide(plain)[0].config is plain


def test_a_stage_may_have_another_method(make_config: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r"^stages.b: kl.exploration: method ppo does not use it"):
        make_config(stages="{a: {}, b: {settings: {method: ppo}}}", steps=2)
    none = dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null")
    given: dict[str, Any] = {"method": "grpo", "kl__weight": 0.1, **none}
    stages = divide(make_config(stages="{a: {}, b: {settings: {method: {name: ppo, trace: 0.5}}}}", steps=2, **given))
    assert stages[1].config.method.model_dump()["trace"] == 0.5


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("{a: {settings: {model: x}}}", "stages.a.settings: model holds for the whole run; a stage may have its own"),
        ("{a: {settings: {rollout.max_new_tokens: 4}}}", "stages.a.settings: rollout.max_new_tokens holds for the"),
        ("{a: {settings: {kl.wieght: 1}}}", "stages.a: unknown key 'kl.wieght'; did you mean 'kl.weight'?"),
        ("{a: {settings: {task: geometry}}}", "stages.a.settings: task geometry is none of the run's; add it to task"),
        ("{a: {settings: {rewards.format-r1v: 1}}}", "stages.a.settings: the run has no reward format-r1v; add it"),
        ("{a: {share: 0}}", "stages.a.share: input should be greater than 0, got 0"),
        ("{a: {}, b: {}, c: {}, d: {}}", "steps: 3 are too few for 4 stages of 1 or more each"),
        ("{a: {speed: 1}}", "unknown key 'stages.a.speed'"),
    ],
)
def test_what_is_wrong_with_a_stage_is_said(make_config: Callable[..., Config], stages: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_config(stages=stages)
    assert str(caught.value).startswith(message)


def test_stages_may_not_change_within_a_run(make_config: Callable[..., Config]) -> None:
    was = make_config(stages="{a: {}, b: {}}")
    compare_settings(was, make_config(stages="{a: {}, b: {}}"), 1, "saved")
    for changed in ({"stages": "{b: {}, a: {}}"}, {"stages": "{a: {}, b: {share: 2}}"}):
        with pytest.raises(UserError, match=r"^--resume: stages"):
            compare_settings(was, make_config(**changed), 1, "saved")
    with pytest.raises(UserError, match=r"^--resume: steps was 3, now it is 4; it is divided among the stages"):
        compare_settings(was, make_config(stages="{a: {}, b: {}}", steps=4), 1, "saved")
    assert digest(was) != digest(make_config(stages="{b: {}, a: {}}"))
