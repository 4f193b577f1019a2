"""When the reference becomes the policy as it is, and what it is then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mr1.config import Config
from mr1.models.loading import load_vlm
from mr1.models.policy import Reference, make_policy
from mr1.models.vlm import VLM
from mr1.train.packing import make_rows
from mr1.train.resets import Resets
from mr1.train.scoring import token_logprobs
from mr1.types import Group

MakeConfig = Callable[..., Config]


def asked(resets: Resets, accuracies: list[float | None], task: str = "counting") -> list[str]:
    """Step by step, where it was measured before some."""
    given = [{} if each is None else {f"eval/{task}/accuracy": each} for each in accuracies]
    return [resets.due(step, each) for step, each in enumerate(given)]


def test_resets_by_steps(make_config: MakeConfig) -> None:
    resets = Resets(make_config(kl__reset_every=3))
    assert asked(resets, [None] * 8) == ["", "", "", "3 steps", "", "", "3 steps", ""]


def test_resets_by_patience(make_config: MakeConfig) -> None:
    reason = "2 evaluations without a better accuracy"
    accuracies = [0.5, 0.4, None, 0.6, 0.6, None, 0.5, 0.6, None, 0.5, 0.7, 0.1]
    for resumed_at in range(len(accuracies)):
        config = make_config(kl__reset_patience=2)
        resets, again = Resets(config), Resets(config)
        before = asked(resets, accuracies[:resumed_at])
        again.load_state_dict(resets.state_dict())
        assert before + asked(again, accuracies[resumed_at:]) == [
            "",
            "",
            "",
            "",
            "",
            "",
            reason,
            "",
            "",
            reason,
            "",
            "",
        ]


def test_either_may_ask_and_the_count_begins_again(make_config: MakeConfig) -> None:
    resets = Resets(make_config(kl__reset_every=3, kl__reset_patience=2))
    reasons = asked(resets, [0.5, 0.4, None, 0.4, 0.4, 0.4, None])
    assert reasons == ["", "", "", "3 steps", "", "2 evaluations without a better accuracy", "3 steps"]


def test_accuracy_is_that_of_the_trained_tasks_where_they_are_measured(make_config: MakeConfig) -> None:
    trained = Resets(make_config(kl__reset_patience=1))
    both = [{"eval/counting/accuracy": 0.5 + step, "eval/geometry/accuracy": -9.0 * step} for step in range(2)]
    assert [trained.due(step, each) for step, each in enumerate(both)] == ["", ""]
    other = Resets(make_config(kl__reset_patience=1))
    assert [bool(each) for each in asked(other, [0.5, 0.4], "geometry")] == [False, True]


@pytest.mark.parametrize(
    "settings", [{}, {"lora__rank": 2}, {"optimizer__parts__vision": 0}], ids=["full", "lora", "parts"]
)
@torch.no_grad()
def test_a_reference_that_is_reset_says_what_the_policy_said(
    make_config: MakeConfig, make_groups: Callable[[int], list[Group]], settings: dict[str, object]
) -> None:
    policy = make_policy(load_vlm("tiny"), make_config(**settings))
    groups, reference = make_groups(1), Reference(policy)

    def says(vlm: VLM) -> torch.Tensor:
        return token_logprobs(vlm, make_rows(groups, vlm.adapter), 1.0)[0]

    def change() -> torch.Tensor:
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn_like(parameter))
        return says(policy)

    torch.manual_seed(0)
    first, second = says(policy), change()
    assert (first - second).abs().max() > 1e-3
    with reference() as model:
        assert torch.equal(says(model), first)
    assert not reference.moved
    reference.reset(policy)
    third = change()
    saved = {name: weight.clone() for name, weight in reference.state_dict().items()}
    assert saved.keys() == {name for name, each in policy.model.named_parameters() if each.requires_grad}
    again = Reference(policy)
    again.load_state_dict(saved)
    for each in (reference, again):
        assert each.moved
        with each() as model:
            assert torch.equal(says(model), second)
        assert torch.equal(says(policy), third)
        each.reset(policy)
        with each() as model:
            assert torch.equal(says(model), third)
