"""The advantages and objectives of GRPO's relatives against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from mr1.algo.advantage import group_advantage, leave_one_out_advantage, mean_advantage
from mr1.algo.objective import cispo_loss, cpgd_loss, gspo_loss, over_completion, policy_drift, rloo_loss
from mr1.config import Config
from mr1.methods import method_class
from mr1.types import Group, LossInputs

NAN = math.nan
WITHOUT_SCHEDULE = dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null")
RELATIVES = ["grpo", "grpo-d", "reinforce", "dr-grpo", "rloo", "reinforce++", "gspo", "cispo", "cpgd"]


def _inputs(ratios: list[float], advantages: list[float]) -> LossInputs:
    """Two completions, of 2 tokens and 1: log-probs are 0 with gradient, old ones such that these are the ratios."""
    old = -torch.tensor(ratios).log()
    weights = torch.tensor([0.25, 0.25, 0.5])
    return LossInputs(
        logprobs=torch.zeros(3, requires_grad=True),
        old_logprobs=old,
        ref_logprobs=None,
        advantages=torch.tensor(advantages),
        weights=weights,
        shares=weights,
        kl_weights=torch.zeros(3),
        completion=torch.tensor([4, 4, 7]),
        group=torch.tensor([0, 0, 0]),
        behaviour_logprobs=old,
    )


def _gradient(inputs: LossInputs) -> list[float]:
    assert inputs.logprobs.grad is not None
    return inputs.logprobs.grad.tolist()


def test_the_mean_of_the_group_by_hand() -> None:
    rewards = torch.tensor([[0.0, 1.0, 2.0, 5.0], [NAN, 1.0, 3.0, NAN], [0.1, 0.1, 0.1, 0.1], [NAN, 3.0, NAN, NAN]])
    expected = [[-2.0, -1.0, 0.0, 3.0], [0.0, -1.0, 1.0, 0.0], [0.0] * 4, [0.0] * 4]
    assert mean_advantage(rewards).tolist() == expected


def test_leave_one_out_by_hand() -> None:
    # Of 0, 1, 2, 5 the others' means are 8/3, 7/3, 2 and 1; of 1 and 3, where nothing else applies, 3 and 1.
    rewards = torch.tensor([[0.0, 1.0, 2.0, 5.0], [NAN, 1.0, 3.0, NAN], [0.1, 0.1, 0.1, 0.1], [NAN, 3.0, NAN, NAN]])
    expected = torch.tensor([[-8 / 3, -4 / 3, 0.0, 4.0], [0.0, -2.0, 2.0, 0.0], [0.0] * 4, [0.0] * 4])
    torch.testing.assert_close(leave_one_out_advantage(rewards), expected)
    assert leave_one_out_advantage(rewards)[2:].abs().max() == 0


@pytest.mark.parametrize("advantage", [group_advantage, mean_advantage, leave_one_out_advantage])
def test_a_group_of_one_is_refused(advantage: object) -> None:
    assert callable(advantage)
    with pytest.raises(ValueError, match="at least two"):
        advantage(torch.tensor([1.0]))


def test_over_completions_by_hand() -> None:
    values, completion = torch.tensor([1.0, 3.0, 5.0, 7.0, 0.0]), torch.tensor([2, 2, 0, 5, 5])
    assert over_completion(values, completion, "mean").tolist() == [2.0, 2.0, 5.0, 3.5, 3.5]
    assert over_completion(values, completion, "sum").tolist() == [4.0, 4.0, 5.0, 7.0, 7.0]


def test_gspo_by_hand() -> None:
    # Ratios 4 and 1/4 make 1 together; a completion of one token has its own, 1.5, clipped at 1.2.
    inputs = _inputs([4.0, 0.25, 1.5], [2.0, 2.0, 1.0])
    output = gspo_loss(inputs, 0.2, 0.2)
    assert output.loss.item() == pytest.approx(-(0.5 * 2 * 1 + 0.5 * 1.2))
    assert output.metrics["clip_fraction"].item() == 0.5
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([-0.5, -0.5, 0.0])


def test_gspo_gives_each_token_its_own_advantage() -> None:
    """GSPO-token: the ratio and whether it is clipped are the completion's."""
    inputs = _inputs([2.0, 2.0, 1.0], [1.0, -1.0, 0.0])
    output = gspo_loss(inputs, 0.2, 0.2)
    assert output.loss.item() == pytest.approx(-0.25 * (1.2 - 2.0))
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([0.0, 0.25 * 2.0, 0.0])


def test_rloo_by_hand() -> None:
    # The product of the first completion's ratios is 1.1, within the range: both tokens have the whole gradient.
    inputs = _inputs([2.2, 0.5, 0.7], [3.0, 3.0, -1.0])
    output = rloo_loss(inputs, 0.2, 0.2)
    assert output.loss.item() == pytest.approx(-(0.5 * 1.1 * 3 - 0.5 * 0.8))
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([-0.5 * 1.1 * 3, -0.5 * 1.1 * 3, 0.0])


def test_cispo_by_hand() -> None:
    inputs = _inputs([2.0, 0.5, 8.0], [1.0, -2.0, 1.0])
    with torch.no_grad():
        inputs.logprobs -= 1
        inputs.old_logprobs -= 1
    output = cispo_loss(inputs, 1.0, 4.0)
    # -w * min(rho, 5) * A * log pi, log pi = -1; no token is left without a gradient.
    assert output.loss.item() == pytest.approx(0.25 * 2 - 0.25 * 0.5 * 2 + 0.5 * 5)
    assert output.metrics["clip_fraction"].item() == 0.5
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([-0.25 * 2, 0.25 * 0.5 * 2, -0.5 * 5])


def test_cpgd_by_hand() -> None:
    # A > 0: log rho up to log 1.2. A < 0: down to log 0.8, and as far as it goes above, without the ratio's weight.
    inputs = _inputs([1.5, 4.0, 0.5], [1.0, -2.0, -2.0])
    output = cpgd_loss(inputs, 0.2, 0.2, drift=0.0)
    gain = 0.25 * math.log(1.2) - 0.25 * 2 * math.log(4) - 0.5 * 2 * math.log(0.8)
    assert output.loss.item() == pytest.approx(-gain)
    assert output.metrics["clip_fraction"].item() == 0.75
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([0.0, 0.5, 0.0])


def test_the_price_of_drift_by_hand() -> None:
    x = torch.tensor([1.0, 0.5, 2.0, 3.0, 9.0]).log().requires_grad_()
    values = policy_drift(x)
    straight = 2 - math.log(3) + 2 * math.log(3)  # from rho = 3 on, with a slope of 2
    expected = [0.0, -0.5 + math.log(2), 1 - math.log(2), 2 - math.log(3), straight]
    assert values.tolist() == pytest.approx(expected, abs=1e-6)
    values.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0.0, -0.5, 1.0, 2.0, 2.0], abs=1e-6)

    inputs = _inputs([2.0, 2.0, 1.0], [0.0, 0.0, 0.0])
    output = cpgd_loss(inputs, 0.2, 0.2, drift=0.5)
    assert output.metrics["policy_drift"].item() == pytest.approx(0.5 * (1 - math.log(2)))
    assert output.loss.item() == pytest.approx(0.5 * 0.5 * (1 - math.log(2)))
    output.loss.backward()
    assert _gradient(inputs) == pytest.approx([0.125, 0.125, 0.0])


def test_the_drift_is_the_kl_from_the_policy_that_sampled() -> None:
    generator = torch.Generator().manual_seed(0)
    old, new = (0.3 * torch.randn(2, 7, generator=generator, dtype=torch.float64)).log_softmax(-1)
    assert (new - old).exp().max() < 3
    kl = (old.exp() * (old - new)).sum().item()
    assert (old.exp() * policy_drift(new - old)).sum().item() == pytest.approx(kl, abs=1e-12)
    assert policy_drift(torch.tensor(300.0)).isfinite()


def test_a_range_down_to_nothing_clips_nothing_below() -> None:
    inputs = _inputs([0.001, 1.0, 1.0], [-1.0, 0.0, 0.0])
    assert cpgd_loss(inputs, 1.0, 0.2, drift=0.0).loss.item() == pytest.approx(0.25 * math.log(0.001))


def test_the_kl_of_a_whole_completion_is_taken_off_its_reward_before_the_baseline(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    rloo = method_class("rloo")(make_config(method="rloo", kl__weight=0.1, kl__estimator="k1", **WITHOUT_SCHEDULE))
    (group,) = make_groups(1)
    group.rewards = torch.tensor([0.0, 1.0, 2.0, NAN])
    for completion, tokens in zip(group.completions, (1, 2, 3, 4), strict=True):
        completion.old_logprobs, completion.ref_logprobs = torch.full((tokens,), -1.0), torch.full((tokens,), -3.0)
    assert rloo.looks
    rloo.look(None, [group], 0, lambda *_: [])
    rloo.assign_advantages([group])
    found = [float(each.advantages[0]) for each in group.completions if each.advantages is not None]
    # Rewards of -0.2, 0.6 and 1.4, each less the mean of the two others.
    assert found == pytest.approx([-1.2, 0.0, 1.2, 0.0], abs=1e-6)
    assert not method_class("rloo")(make_config(method="rloo", kl__weight=0.1, **WITHOUT_SCHEDULE)).looks


def _counted(groups: list[Group]) -> list[float]:
    """The advantages of all tokens that count."""
    completions = [each for group in groups for each in group.completions]
    return [float(worth) for each in completions if each.advantages is not None for worth in each.advantages[each.mask]]


def _batch(make_groups: Callable[[int], list[Group]], rewards: list[list[float]], tokens: list[int]) -> list[Group]:
    """Groups whose completions have written so many tokens, and others that they are not answerable for."""
    groups, numbers = make_groups(2), iter(tokens)
    for group, given in zip(groups, rewards, strict=True):
        group.rewards = torch.tensor(given)
        for completion in group.completions:
            completion.mask = torch.arange(len(completion)) < next(numbers)
    return groups


@pytest.mark.parametrize("baseline", [True, False])
def test_reinforce_pp_normalises_over_the_batchs_tokens(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]], baseline: bool
) -> None:
    own = f"{{name: reinforce++, baseline: {str(baseline).lower()}}}"
    method = method_class("reinforce++")(make_config(method=own, kl__weight=0, **WITHOUT_SCHEDULE))
    groups = _batch(make_groups, [[0.0, 2.0, NAN, 4.0], [7.0, 7.0, 7.0]], [1, 3, 2, 2, 1, 1, 2])
    method.assign_advantages(groups)
    # Less the groups' means: -2, 0, 2, and 0; by tokens -2, 0 0 0, 2 2, 0 0 0 0, of mean 0.2 and variance 1.16.
    worth = [-2, 0, 0, 0, None, None, 2, 2, 0, 0, 0, 0] if baseline else [0, 2, 2, 2, None, None, 4, 4, 7, 7, 7, 7]
    known = [each for each in worth if each is not None]
    mean = sum(known) / 10
    std = math.sqrt(sum((each - mean) ** 2 for each in known) / 10)
    if baseline:
        assert (mean, std**2) == pytest.approx((0.2, 1.16))
    expected = [0.0 if each is None else (each - mean) / std for each in worth]
    assert _counted(groups) == pytest.approx(expected, abs=1e-5)
    # A batch that is alike teaches nothing, whatever rounding makes of its mean.
    groups = _batch(make_groups, [[0.1] * 4, [0.1] * 3], [1] * 7)
    method.assign_advantages(groups)
    assert _counted(groups) == [0.0] * 7


def test_a_token_of_plain_reinforce_pp_pays_for_what_follows_it(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    settings = WITHOUT_SCHEDULE | {"kl__weight": 0.1, "kl__estimator": "k1"}
    method = method_class("reinforce++")(make_config(method="{name: reinforce++, baseline: false}", **settings))
    groups = _batch(make_groups, [[1.0, NAN, NAN, NAN], [NAN, NAN, NAN]], [3] * 7)
    for group in groups:
        for completion in group.completions:
            completion.old_logprobs, completion.ref_logprobs = torch.tensor([0.0, 2.0, -4.0]), torch.zeros(3)
    method.look(None, groups, 0, lambda *_: [])
    method.assign_advantages(groups)
    # 1 less 0.1 times (-2, -2, -4): 1.2, 1.2, 1.4, of mean 3.8 / 3 and variance 0.08 / 9.
    size = math.sqrt(0.08) / 3
    assert _counted(groups)[:3] == pytest.approx([-0.2 / 3 / size, -0.2 / 3 / size, 0.4 / 3 / size], rel=1e-4)
    assert _counted(groups)[3:] == [0.0] * 18


@pytest.mark.invariant
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3-ratio"])
@pytest.mark.parametrize("name", RELATIVES)
def test_completions_alone_add_up_to_the_whole_batch(
    make_config: Callable[..., Config], name: str, estimator: str
) -> None:
    """What a micro-batch holds changes nothing: loss, gradient and metrics are sums over completions."""
    schedule = {} if name == "grpo-d" else WITHOUT_SCHEDULE | {"kl__weight": 0.1}
    settings = {"clip__low": 0.05, "clip__high": 0.05, "loss__entropy": 0.1, "kl__estimator": estimator}
    method = method_class(name)(make_config(method=name, **settings, **schedule))
    generator = torch.Generator().manual_seed(0)
    completion = torch.tensor([3, 3, 3, 0, 1, 1, 1, 1, 7, 7])
    values = torch.randn(7, 10, generator=generator)
    inputs = LossInputs(
        *(values[0].requires_grad_(), values[0].detach() + 0.1 * values[1], values[0].detach() + 0.3 * values[2]),
        *(values[3], values[4].abs(), torch.full((10,), 0.1), values[5].abs(), completion, completion, values[1]),
        entropy=values[6].abs(),
    )
    whole = method.loss(inputs)
    (gradient,) = torch.autograd.grad(whole.loss, inputs.logprobs)
    loss, metrics, parts = torch.zeros(()), dict.fromkeys(whole.metrics, 0.0), torch.zeros(10)
    for number in completion.unique():
        inside = completion == number
        given = {each.name: getattr(inputs, each.name) for each in fields(LossInputs)}
        part: dict[str, Any] = {name: value[inside] for name, value in given.items() if isinstance(value, torch.Tensor)}
        output = method.loss(replace(inputs, **part))
        loss, parts = loss + output.loss, parts + torch.autograd.grad(output.loss, inputs.logprobs)[0]
        metrics = {key: value + float(output.metrics[key]) for key, value in metrics.items()}
    torch.testing.assert_close(loss, whole.loss)
    torch.testing.assert_close(parts, gradient)
    assert metrics == pytest.approx({key: float(value) for key, value in whole.metrics.items()})
    assert 0 < metrics["clip_fraction"] < 1
