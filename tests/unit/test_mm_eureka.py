"""MM-Eureka: which groups make a batch, and what they count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mr1.config import Config, divide, load_config
from mr1.errors import UserError
from mr1.methods.mm_eureka import MMEureka
from mr1.types import Group, LossInputs, Prompt

SETTINGS = {**dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null"), "kl__weight": 0}
Made = Callable[..., MMEureka]


@pytest.fixture
def make(make_config: Callable[..., Config]) -> Made:
    def made(own: str = "", **settings: object) -> MMEureka:
        return MMEureka(make_config(method=f"{{name: mm-eureka, {own}}}", **SETTINGS | settings))

    return made


@pytest.fixture
def sampled(make_groups: Callable[[int], list[Group]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Group]]:
    """A rollout of prompts of which so many of four completions are right, with an engine that does nothing."""
    (made,) = make_groups(1)

    def score(groups: Sequence[Group], rewards: dict[str, float]) -> None:
        for group in groups:
            assert group.rewards is None, "scored once"
            right = int(group.prompt.text)
            group.scores = {name: torch.tensor([1.0] * right + [0.0] * (4 - right)) for name in rewards}
            group.rewards = group.scores["accuracy"] + torch.tensor([0.5, 0, 0, 0])  # and one of them well formed

    monkeypatch.setattr("mr1.methods.grpo.score_groups", score)

    def rollout(method: MMEureka, first: str, further: str, step: int = 0) -> list[Group]:
        def engine(prompts: Sequence[Prompt], *_: Any) -> list[Group]:
            return [Group(prompt, [replace(each) for each in made.completions]) for prompt in prompts]

        left = [replace(made.prompt, text=right) for right in further]

        def more(count: int) -> list[Prompt]:
            given, left[:] = left[:count], left[count:]
            return given

        prompts = [replace(made.prompt, text=right) for right in first]
        groups = method.rollout(SimpleNamespace(sample=engine), prompts, step, more)
        drawn = len(further) - len(left)
        assert method.metrics.get("sampling/prompts", len(first)) == len(first) + drawn, "all that is drawn is sampled"
        method.score(groups)
        method.assign_advantages(groups)
        return groups

    return rollout


@pytest.mark.parametrize(
    ("own", "further", "batch", "figures"),
    [
        ("", "4213", "121", (6, 1, 2, 0)),  # 0 and 4 are asked for again, then 4
        ("lowest: 0.25, highest: 0.5", "4213", "121", (6, 1, 2, 0)),  # both ends belong to it
        ("refills: 1", "4213", "12", (5, 1, 2, 1)),
        ("refills: 0", "4213", "1", (3, 1, 1, 2)),
        ("", "", "1", (3, 1, 1, 2)),  # there are no more
        ("lowest: 0, highest: 1", "", "104", (3, 0, 0, 0)),
    ],
)
def test_groups_of_middling_accuracy_make_the_batch(
    make: Made, sampled: Callable[..., list[Group]], own: str, further: str, batch: str, figures: tuple[int, ...]
) -> None:
    method = make(own)
    groups = sampled(method, "104", further)
    assert "".join(group.prompt.text for group in groups) == batch
    names = ("prompts", "too_hard", "too_easy", "missing")
    assert tuple(method.metrics[f"sampling/{name}"] for name in names) == figures
    every = [*map(int, "104" + further[: figures[0] - 3])]
    assert method.metrics["sampling/accuracy"] == pytest.approx(sum(every) / 4 / len(every))
    assert groups[0].completions[0].advantages is not None
    assert groups[0].completions[0].advantages.max() > 0


def test_nothing_is_learned_where_no_group_is_kept(make: Made, sampled: Callable[..., list[Group]]) -> None:
    """Their rewards differ, by the form of the completions."""
    method = make("adora: 0.1")
    groups = sampled(method, "04", "4")
    assert [group.prompt.text for group in groups] == ["0", "4"]
    assert method.metrics["sampling/missing"] == 2
    assert all(not each.advantages.any() for of in groups for each in of.completions if each.advantages is not None)
    assert "adora/weight" not in method.metrics
    groups = sampled(method, "11", "")
    assert all(each.advantages.any() for of in groups for each in of.completions if each.advantages is not None)


def test_the_filter_may_begin_later(make: Made, sampled: Callable[..., list[Group]]) -> None:
    method = make("freezing: 2")
    assert len(sampled(method, "104", "", step=1)) == 3
    assert not method.metrics
    assert len(sampled(method, "104", "", step=2)) == 1


def test_a_group_may_count_less(make: Made, make_groups: Callable[[int], list[Group]]) -> None:
    """The right one is longer than the mean of the others, unless the shortest of these was cut off."""
    method, (group,) = make("adora: 0.25"), make_groups(1)
    group.scores, group.rewards = {"accuracy": torch.tensor([1.0, 0, 0, 0])}, torch.tensor([1.0, 0, 0, 0])
    right, *wrong = map(len, group.completions)
    assert (wrong[0] + wrong[2]) / 2 > right > sum(wrong) / 3
    for reason, weight in (("stop", 1.0), ("length", 0.25)):
        group.completions[2].finish_reason = reason  # type: ignore[assignment]
        method.assign_advantages([group])
        found = [each.advantages[0].item() for each in group.completions if each.advantages is not None]
        assert found == pytest.approx([weight * each for each in (1.5, -0.5, -0.5, -0.5)], rel=1e-3)
        assert method.metrics["adora/weight"] == weight


def test_the_ratio_is_capped_at_3(make: Made) -> None:
    ratios = torch.tensor([0.5, 2.0, 10.0]).repeat(2)
    logprobs = ratios.log().requires_grad_()
    zeros = torch.zeros(6)
    inputs = LossInputs(
        logprobs=logprobs,
        old_logprobs=zeros,
        ref_logprobs=None,
        advantages=torch.tensor([1.0] * 3 + [-1.0] * 3),
        weights=torch.ones(6),
        shares=torch.ones(6) / 6,
        kl_weights=zeros,
        completion=zeros.long(),
        group=zeros.long(),
        behaviour_logprobs=zeros,
    )
    output = make().loss(inputs)
    # min(min(rho, 3) A, clip(rho) A): 0.5, 1.2, 1.2 where A is 1, -0.8, -2, -3 where it is -1.
    assert output.loss.item() == pytest.approx(-(0.5 + 1.2 + 1.2 - 0.8 - 2 - 3))
    output.loss.backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx([-0.5, 0, 0, 0, 2, 0])
    assert make("", clip__dual=5).dual == 5
    with pytest.raises(UserError, match=r"^clip.dual: 3 is not above the end of the clip range, 1 \+ 2"):
        make("", clip__high=2)
    with pytest.raises(UserError, match=r"^method.lowest: 0.9 is above method.highest=0.1; no group would be kept"):
        make("lowest: 0.9, highest: 0.1")


def test_the_recipes_have_a_second_stage_with_a_kl() -> None:
    for name in ("methods/mm-eureka", "methods/mm-eureka-paper"):
        first, second = (stage.config for stage in divide(load_config(name)))
        assert [config.kl.weight for config in (first, second)] == [0, 0.001]
        assert len(first.tasks) == 1
        assert first.tasks[0] in second.tasks
        assert len(second.tasks) == 2
