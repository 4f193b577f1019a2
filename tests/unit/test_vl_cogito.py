"""VL-Cogito: what completions earn and what groups count, against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mr1.config import Config, divide, load_config
from mr1.errors import UserError
from mr1.methods.vl_cogito import VLCogito
from mr1.models.vlm import VLM
from mr1.types import Group, Prompt

WITHOUT_SCHEDULE = {"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0}


@pytest.fixture
def make(make_config: Callable[..., Config], tmp_path: Path) -> Callable[..., VLCogito]:
    """The method, by a reward for which a completion is right that says so."""
    path = tmp_path / "said.py"
    path.write_text("def right(completions, **_):\n    return [float('right' in text) for text in completions]\n")

    def made(own: str, **settings: object) -> VLCogito:
        method = f"{{name: vl-cogito, right: '{path}:right', {own}}}"
        rewards = f"{{'{path}:right': 1, repetition: 0.5}}"
        return VLCogito(make_config(**{"method": method, "rewards": rewards, **WITHOUT_SCHEDULE} | settings))

    return made


@pytest.fixture
def group(make_prompt: Callable[..., Prompt], tiny: VLM) -> Callable[..., Group]:
    return lambda *texts: Group(make_prompt(), [tiny.written(text) for text in texts])


def test_wrong_completions_alone_pay_for_length_and_repetition(
    make: Callable[..., VLCogito], group: Callable[..., Group]
) -> None:
    method = make("length: 2")
    rambling = "no " * 21  # two 20-grams, of which one is new: minus a half
    groups = [group("right " + rambling, rambling, "no"), group("no", "no no")]
    method.score(groups)
    target, longer, short, two = (len(each) for each in (*groups[0].completions, groups[1].completions[1]))

    def length(tokens: int, wanted: float) -> float:
        return -0.25 * (1 + math.cos(math.pi * tokens / wanted))

    lengths = [[0, length(longer, target), length(short, target)], [length(short, 750) / 2, length(two, 750) / 2]]
    expected = [[1, -0.25 + 2 * lengths[0][1], 2 * lengths[0][2]], [2 * each for each in lengths[1]]]
    for mine, theirs in zip(groups, expected, strict=True):
        assert mine.rewards is not None
        assert mine.rewards.tolist() == pytest.approx(theirs, abs=1e-6)
    assert groups[0].scores["repetition"].tolist() == [0, -0.5, 0]
    assert method.metrics["reward/dynamic-length"] == pytest.approx(sum(map(sum, lengths)) / 5, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "weights"),
    [
        ("", [1, 1, 1, 1]),
        ("difficulty: easy", [0, math.sqrt(0.5), 1, 1]),
        ("difficulty: hard", [0.25, 1, math.sqrt(0.5), 0]),
        ("difficulty: medium, hard_cut: true", [0, 1, 1, 0]),
    ],
)
def test_groups_count_by_how_many_are_right(
    make: Callable[..., VLCogito], group: Callable[..., Group], own: str, weights: list[float]
) -> None:
    """0, 1, 3 and 4 of 4 are right; rewards of 0 and 1 have advantages of 3/2 and -1/2 where one is right."""
    method = make(own)
    groups = [group(*["right"] * count, *["no"] * (4 - count)) for count in (0, 1, 3, 4)]
    method.score(groups)
    groups[0].rewards = torch.tensor([1.0, 0, 0, 0])  # as by another reward
    method.assign_advantages(groups)
    found = [[each.advantages[0].item() for each in of.completions if each.advantages is not None] for of in groups]
    one, three = [1.5, -0.5, -0.5, -0.5], [0.5, 0.5, 0.5, -1.5]
    for mine, plain, weight in zip(found, (one, one, three, [0.0] * 4), weights, strict=True):
        assert mine == pytest.approx([weight * each for each in plain], abs=1e-5)
    assert method.metrics["difficulty/weight"] == pytest.approx(sum(weights) / 4)
    assert method.metrics["difficulty/unused"] == pytest.approx((weights[0] == 0) / 4)


def test_what_has_no_effect_or_is_missing_is_refused(make: Callable[..., VLCogito], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^method.hard_cut: it has no effect without method.difficulty"):
        make("hard_cut: true")
    with pytest.raises(UserError, match=r"^method.right: rewards has no acuracy; did you mean 'accuracy'\?; add it"):
        make("", method__right="acuracy")
    recipe = tmp_path / "format.yaml"
    recipe.write_text("name: n\nmethod: vl-cogito\ntask: counting\nsteps: 1\nkl: {weight: 0}\nrewards: {format: 1}\n")
    with pytest.raises(UserError, match=r"^rewards: method vl-cogito looks at accuracy, which they do not name"):
        load_config(recipe)


def test_the_recipes_are_three_stages_of_which_the_last_has_length_and_repetition() -> None:
    for name in ("methods/vl-cogito", "methods/vl-cogito-paper"):
        stages = [stage.config for stage in divide(load_config(name))]
        methods = [VLCogito(config) for config in stages]
        assert [each.own.difficulty for each in methods] == ["easy", "medium", "hard"]
        assert [each.own.length for each in methods] == [0, 0, 1]
        assert [config.rewards["repetition"] for config in stages] == [0, 0, 0.5]
        assert {each.aggregation for each in methods} == {"token"}
