"""KL: each controller by hand numbers, and each estimator's gradient against the exact KL of a small policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from mr1.algo.kl import difficulty_kl_factor, k1, k2, k3
from mr1.algo.objective import grpo_loss
from mr1.config import Config
from mr1.config.reading import make_config as make_tree
from mr1.errors import UserError
from mr1.methods.grpo import GRPO
from mr1.methods.kl_control import (
    CONTROLLERS,
    AccuracyKL,
    AdaptiveKL,
    ConstantKL,
    CosineKL,
    DifficultyKL,
    DynamicKL,
    LinearKL,
)
from mr1.types import Group, KLEstimator, LossInputs

ESTIMATORS: tuple[KLEstimator, ...] = ("k3", "k2", "k3-ratio", "k1")
MakeGroups = Callable[[int], list[Group]]


def scored(groups: Sequence[Group], right: Sequence[Sequence[float]], rest: float = 0.0) -> Sequence[Group]:
    """Groups whose completions are right or not, and of which every second has `rest` besides."""
    for group, accuracy in zip(groups, right, strict=True):
        group.scores["accuracy"] = torch.tensor(accuracy)
        group.rewards = torch.tensor(accuracy) + rest * (torch.arange(len(accuracy)) % 2)
    return groups


def test_schedules_by_hand(make_groups: MakeGroups) -> None:
    groups = make_groups(2)  # of four and three completions
    for controller, expected in (
        (ConstantKL(0.04), [0.04, 0.04, 0.04]),
        (DynamicKL(100, 0.04, 0.1, 0.3), [0.07, 0.1 - 0.06 * 5 / 7, 0.1]),
        (LinearKL(100, 0.1, 0.02), [0.1, 0.06, 0.02]),
        (LinearKL(100, 0.0, 0.2), [0.0, 0.1, 0.2]),
        (CosineKL(100, 0.1, 0.02), [0.1, 0.06, 0.02]),
    ):
        for step, weight in zip((0, 50, 100), expected, strict=True):
            assert controller.weights(step, groups) == pytest.approx([weight] * 7)
            assert controller.surely_zero(step) is (weight == 0)
    # cos 60 degrees: a third of the way in time is a quarter of the way.
    assert CosineKL(3, 0.1, 0.02).weight(1) == pytest.approx(0.1 - 0.08 / 4)


def test_the_adaptive_weight_by_hand(make_groups: MakeGroups) -> None:
    controller = AdaptiveKL(first=0.05, minimum=0.01, maximum=0.06, target=0.02, horizon=10)
    groups, seen = make_groups(1), []
    # Errors 0, 0.1, clipped to 0.2 and to -0.2; then up to the ceiling, and down to the floor.
    for kl in (0.02, 0.022, 0.5, 0.0, *[9.0] * 20, *[0.0] * 100):
        controller.observe(kl)
        assert not controller.surely_zero(0)
        seen.append(controller.weights(0, groups))
    assert seen[0] == [0.05] * 4
    by_hand = [0.05 * 1.01, 0.05 * 1.01 * 1.02, 0.05 * 1.01 * 1.02 * 0.98]
    assert [weights[0] for weights in seen[1:4]] == pytest.approx(by_hand)
    assert seen[23] == [0.06] * 4
    assert seen[-1] == [0.01] * 4


def test_the_weight_by_the_batchs_accuracy_by_hand(make_groups: MakeGroups) -> None:
    controller, groups = AccuracyKL(0.02, 0.1, "accuracy"), make_groups(2)
    for right, weight in (
        ([[0.0] * 4, [0.0] * 3], 0.02),
        ([[1.0] * 4, [1.0] * 3], 0.1),
        # tanh(0.5) / tanh(1) is 0.606776.
        ([[1.0, 1.0, 0.0, 0.0], [0.5] * 3], 0.02 + 0.08 * 0.606776),
    ):
        assert controller.weights(0, scored(groups, right)) == pytest.approx([weight] * 7, abs=1e-7)
    # The paper's bounds for a beta of 0.02, and its formula where 1 of 7 are right.
    paper = AccuracyKL(0.01, 0.01 * (math.tanh(1) + 1), "accuracy")
    assert paper.maximum == pytest.approx(0.881 * 0.02, abs=1e-5)
    weights = paper.weights(0, scored(groups, [[1.0, 0.0, 0.0, 0.0], [0.0] * 3]))
    assert weights == pytest.approx([0.02 * (math.tanh(1 / 7) + 1) / 2] * 7)
    assert not controller.surely_zero(0)
    assert AccuracyKL(0.0, 0.0, "accuracy").surely_zero(0)


def test_the_weight_by_each_groups_difficulty_by_hand(make_groups: MakeGroups) -> None:
    # 1 - exp(-e / 4) = 0.493165, 1 - exp(-3 e / 4) = 0.869804.
    assert [difficulty_kl_factor(share) for share in (0.25, 0.75)] == pytest.approx([0.493165, 0.869804], abs=1e-6)
    assert [difficulty_kl_factor(share) for share in (0.0, 1.0)] == [1.0, 1.0]
    controller = DifficultyKL(0.02, 0.1, "accuracy")
    groups = scored(make_groups(2), [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    easy = 0.1 * (1 - math.exp(-2 * math.e / 3))
    assert controller.weights(0, groups) == pytest.approx([0.0493165, 0.1, 0.1, 0.1, 0.1, easy, easy])
    # Never below the floor.
    assert DifficultyKL(0.08, 0.1, "accuracy").weights(0, groups)[0] == 0.08
    alike = scored(groups, [[0.0] * 4, [1.0] * 3], rest=0.5)
    assert controller.weights(0, alike) == [0.1] * 7
    # Another reward makes up for what is wrong: nothing is better than its group.
    assert controller.weights(0, scored(groups, [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], rest=1.0)) == [0.1] * 7
    assert controller.differ
    assert DifficultyKL(0.0, 0.0, "accuracy").surely_zero(0)


def test_controllers_refuse_the_state_of_other_settings(make_groups: MakeGroups) -> None:
    adaptive = AdaptiveKL(0.05, 0.01, 0.06, 0.02, 10)
    adaptive.observe(1.0)
    again = AdaptiveKL(0.05, 0.01, 0.06, 0.02, 10)
    again.load_state_dict(adaptive.state_dict())
    assert again.weights(0, make_groups(1)) == [0.05 * 1.02] * 4
    controllers = [ConstantKL(0.04), DynamicKL(9, 0.0, 0.1, 0.3), AdaptiveKL(0.05, 0.01, 0.06, 0.03, 10)]
    for controller in controllers:
        controller.load_state_dict(controller.state_dict())
        with pytest.raises(ValueError, match="the checkpoint's KL weight was set by"):
            controller.load_state_dict(adaptive.state_dict())
        with pytest.raises(ValueError, match="the checkpoint's KL weight was set by"):
            adaptive.load_state_dict(controller.state_dict())


def test_each_controller_is_made_of_the_settings_that_it_uses(make_config: Callable[..., Config]) -> None:
    values = {"weight": 0.05, "final": 0.02, "minimum": 0.01, "maximum": 0.1, "exploration": 0.3, "target": 0.5}
    made = {}
    for name, controller in CONTROLLERS.items():
        given = {f"kl__{key}": value if f"kl.{key}" in controller.uses else "null" for key, value in values.items()}
        given |= {"kl__horizon": 4} if name == "adaptive" else {}
        made[name] = GRPO(make_config(method="grpo", steps=8, kl__controller=name, **given)).kl
    assert made == {
        "constant": ConstantKL(0.05),
        "grpo-d": DynamicKL(8, 0.01, 0.1, 0.3),
        "linear": LinearKL(8, 0.05, 0.02),
        "cosine": CosineKL(8, 0.05, 0.02),
        "adaptive": AdaptiveKL(0.05, 0.01, 0.1, 0.5, 4),
        "accuracy": AccuracyKL(0.01, 0.1, "accuracy"),
        "difficulty": DifficultyKL(0.01, 0.1, "accuracy"),
    }


def test_right_is_what_a_reward_of_the_run_says() -> None:
    kl = {"controller": "accuracy", "minimum": 0, "maximum": 1}
    recipe = {"name": "run", "method": "grpo", "task": "counting", "steps": 1, "kl": kl}
    for rewards, looked_at in (({"accuracy-r1v": 1}, "accuracy-r1v"), ({"accuracy": 0, "format": 1}, "accuracy")):
        controller = GRPO(make_tree({**recipe, "rewards": rewards})).kl
        assert controller == AccuracyKL(0, 1, looked_at)
    with pytest.raises(UserError, match=r"^kl.controller: accuracy looks at the reward accuracy, which rewards does"):
        make_tree({**recipe, "rewards": {"format": 1}})


def test_estimates_by_hand() -> None:
    ours, theirs = torch.tensor([0.5, 0.25]).log(), torch.tensor([0.25, 0.25]).log()
    for estimate, expected in (
        (k1, math.log(2)),
        (k2, math.log(2) ** 2 / 2),
        (k3, 0.5 - math.log(0.5) - 1),
    ):
        torch.testing.assert_close(estimate(ours, theirs), torch.tensor([expected, 0.0]))


def gradient(loss: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(loss, at)
    return found


def policies(distance: float, moved: float = 0.0) -> list[torch.Tensor]:
    """Logits of the policy, the one that sampled, and the reference: 7 tokens, float64."""
    generator = torch.Generator().manual_seed(0)
    ref, one, other = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    policy = (ref + distance * one).requires_grad_()
    return [policy, policy.detach() + moved * other, ref]


def expected_gradient(estimator: KLEstimator, policy: torch.Tensor, old: torch.Tensor, ref: torch.Tensor) -> Any:
    """Of the loss's KL part, over all tokens that the policy that sampled could have drawn, by their probabilities."""
    logprobs, old, ref = (logits.log_softmax(-1) for logits in (policy, old, ref))
    tokens = torch.arange(len(ref))
    none = torch.zeros_like(ref)
    inputs = LossInputs(logprobs, old, ref, none, old.exp(), old.exp(), torch.ones_like(ref), tokens, tokens, old)
    return gradient(grpo_loss(inputs, 1.0, 1e9, estimator).loss, policy)


def exact_gradient(policy: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    logprobs = policy.log_softmax(-1)
    return gradient((logprobs.exp() * (logprobs - ref.log_softmax(-1))).sum(), policy)


@pytest.mark.parametrize("estimator", ["k2", "k3-ratio", "k1"])
def test_on_policy_these_have_the_gradient_of_the_exact_kl(estimator: KLEstimator) -> None:
    policy, old, ref = policies(1.0)
    exact = exact_gradient(policy, ref)
    assert exact.norm() > 0.1
    torch.testing.assert_close(expected_gradient(estimator, policy, old, ref), exact, atol=1e-12, rtol=0)


def test_k3_in_the_loss_has_the_gradient_of_the_other_kl() -> None:
    """That of KL(reference || policy): near the reference the same, farther away another one."""
    policy, old, ref = policies(1.0)
    logprobs, of_ref = policy.log_softmax(-1), ref.log_softmax(-1)
    other = gradient((of_ref.exp() * (of_ref - logprobs)).sum(), policy)
    torch.testing.assert_close(expected_gradient("k3", policy, old, ref), other, atol=1e-12, rtol=0)
    biases = []
    for distance in (0.01, 0.02, 1.0):
        policy, old, ref = policies(distance)
        exact = exact_gradient(policy, ref)
        biases.append(float((expected_gradient("k3", policy, old, ref) - exact).norm() / exact.norm()))
    # Of first order: twice as far away twice the share; at a distance of 1 it is a good part of the gradient.
    assert biases[1] / biases[0] == pytest.approx(2, rel=0.02)
    assert biases[0] > 1e-4
    assert biases[2] > 0.2


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_off_policy_the_ratio_keeps_the_gradient_right(estimator: KLEstimator) -> None:
    policy, old, ref = policies(1.0, moved=0.3)
    exact = exact_gradient(policy, ref)
    bias = (expected_gradient(estimator, policy, old, ref) - exact).norm() / exact.norm()
    assert bias < 1e-12 if estimator in ("k3-ratio", "k1") else bias > 0.05


def test_k1_in_the_reward_of_a_token_is_not_that_of_the_whole_sequence() -> None:
    """Of two tokens, by enumeration: what the first does to the KL of the second is left out, unless it is added up."""
    generator = torch.Generator().manual_seed(7)
    shapes = ((4,), (4, 4), (4,), (4, 4))
    drawn = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes)
    first, second, of_first, of_second = drawn
    first, second = first.requires_grad_(), second.requires_grad_()
    one, two = first.log_softmax(-1), second.log_softmax(-1)  # (V,), (V, V): the second behind each first
    ratio_one, ratio_two = one - of_first.log_softmax(-1), two - of_second.log_softmax(-1)
    both = (one[:, None] + two).exp()
    whole = gradient((both * (ratio_one[:, None] + ratio_two)).sum(), first)
    there = both.detach()
    advantages = {
        "each": ratio_one[:, None].expand(4, 4).detach(),
        "to go": (ratio_one[:, None] + ratio_two).detach(),
    }
    found = {
        name: gradient((there * worth * one[:, None]).sum(), first)
        for name, worth in advantages.items()
        for one in [first.log_softmax(-1)]
    }
    torch.testing.assert_close(found["to go"], whole, atol=1e-12, rtol=0)
    at_first = gradient((first.softmax(-1) * (first.log_softmax(-1) - of_first.log_softmax(-1))).sum(), first)
    torch.testing.assert_close(found["each"], at_first, atol=1e-12, rtol=0)
    assert (found["each"] - whole).norm() > 0.05 * whole.norm()


def _inputs(weights: torch.Tensor) -> LossInputs:
    generator = torch.Generator().manual_seed(0)
    logprobs, old, ref = -3 * torch.rand(3, 50, generator=generator)
    advantages, numbers = torch.randn(50, generator=generator), torch.arange(50)
    return LossInputs(
        *(logprobs.requires_grad_(), old, ref, advantages, torch.full((50,), 0.02), torch.full((50,), 0.02)),
        *(weights, numbers, numbers, old),
    )


def test_equal_weights_are_one_weight_to_the_bit() -> None:
    beta = 0.04 / 3
    inputs = _inputs(torch.full((50,), beta))
    output = grpo_loss(inputs, 0.2, 0.2)
    plain: Any = _inputs(torch.zeros(50))
    plain.kl_weights = beta  # a number in the place of (N,)
    other = grpo_loss(plain, 0.2, 0.2)
    assert torch.equal(output.loss, other.loss)
    assert torch.equal(gradient(output.loss, inputs.logprobs), gradient(other.loss, plain.logprobs))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_weight_of_its_own_acts_on_its_token_alone(estimator: KLEstimator) -> None:
    weights = torch.full((50,), 0.1)
    weights[7] = 0.0
    found = []
    for each in (torch.full((50,), 0.1), weights, torch.zeros(50)):
        inputs = _inputs(each)
        found.append(gradient(grpo_loss(inputs, 1.0, 1e9, estimator).loss, inputs.logprobs))
    same, differs = found[1] == found[0], found[0] != found[2]
    assert same.tolist() == [index != 7 for index in range(50)]
    assert differs.all()
    torch.testing.assert_close(found[1][7], found[2][7])


def test_the_metric_is_k3_whatever_is_in_the_loss() -> None:
    metrics = [grpo_loss(_inputs(torch.ones(50)), 0.2, 0.2, each).metrics["kl"].item() for each in ESTIMATORS]
    assert len({*metrics}) == 1
    assert metrics[0] > 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_estimator_of_a_recipe_reaches_the_loss(make_config: Callable[..., Config], estimator: KLEstimator) -> None:
    method = GRPO(make_config(method="grpo", kl__controller="grpo-d", kl__estimator=estimator))
    inputs = _inputs(torch.full((50,), 0.1))
    losses = {name: grpo_loss(inputs, 0.2, 0.2, name).loss.item() for name in ESTIMATORS}
    assert len({*losses.values()}) == 4
    assert method.loss(inputs).loss.item() == losses[estimator]
