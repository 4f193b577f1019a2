"""Equations against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.algo.advantage import alike, group_advantage, spread_shares
from mr1.algo.aggregation import aggregation_weights
from mr1.algo.kl import dynamic_kl_weight, k3
from mr1.algo.objective import clipped_surrogate, grpo_loss, nll_loss
from mr1.types import LossInputs


def test_group_advantage_by_hand() -> None:
    # Mean 1, squared distances 1 + 1 + 0 + 0, unbiased variance 2/3.
    advantages = group_advantage(torch.tensor([2.0, 0.0, 1.0, 1.0]))
    expected = 1 / (math.sqrt(2 / 3) + 1e-4)
    torch.testing.assert_close(advantages, torch.tensor([expected, -expected, 0.0, 0.0]))


def test_group_advantage_is_zero_where_all_rewards_are_equal() -> None:
    assert group_advantage(torch.tensor([0.5, 0.5, 0.5])).tolist() == [0.0, 0.0, 0.0]


FRACTIONS = st.fractions(-3, 3, max_denominator=997).map(float)


@settings(deadline=None)
@given(FRACTIONS, st.integers(2, 33), st.sets(st.integers(0, 32)), FRACTIONS)
def test_a_group_of_equal_fractions_has_no_advantage_at_all(
    reward: float, size: int, without: set[int], other: float
) -> None:
    rewards = torch.full((size,), reward)
    for place in without:
        rewards[place % size] = torch.nan
    assert alike(rewards)
    assert group_advantage(rewards).tolist() == [0.0] * size
    beside = rewards.clone()
    beside[0], beside[-1] = other, other + 1
    advantages = group_advantage(torch.stack([rewards, beside]))
    assert advantages[0].tolist() == [0.0] * size
    assert advantages[1, -1] > advantages[1, 0]
    assert alike(torch.stack([rewards, beside])).tolist() == [True, False]


def test_the_mean_of_equal_fractions_is_not_always_they() -> None:
    """What the test above guards against, so that it can be told from one that can't fail."""
    assert any((torch.full((size,), 0.1).mean() != torch.full((1,), 0.1)) for size in range(2, 34))


def test_group_advantage_normalises_each_group_by_itself() -> None:
    both = group_advantage(torch.tensor([[0.0, 1.0], [10.0, 30.0]]))
    torch.testing.assert_close(both[1], group_advantage(torch.tensor([10.0, 30.0])))
    assert both.sum(dim=-1).abs().max() < 1e-6


def test_groups_with_gaps_are_normalised_each_by_itself() -> None:
    rewards = torch.tensor([[math.nan, 0.0, 1.0], [10.0, 20.0, 60.0], [5.0, math.nan, 5.0], [math.nan, 3.0, math.nan]])
    advantages = group_advantage(rewards)
    expected = group_advantage(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(advantages[0], torch.tensor([0.0, *expected.tolist()]))
    torch.testing.assert_close(advantages[1], group_advantage(rewards[1]))
    assert advantages[2:].tolist() == [[0.0] * 3] * 2


def test_what_is_alike_may_be_infinite() -> None:
    for value in (math.inf, -math.inf):
        assert alike(torch.tensor([value, math.nan, value]))
        assert not alike(torch.tensor([value, 0.0]))
        assert not alike(torch.tensor([value, torch.finfo(torch.float32).max]))
        assert not alike(torch.tensor([value, torch.finfo(torch.float32).min]))


def test_group_advantage_refuses_a_group_of_one() -> None:
    with pytest.raises(ValueError, match="at least two"):
        group_advantage(torch.tensor([1.0]))


def test_k3_by_hand() -> None:
    # pi = 0.5, pi_ref = 0.25: 0.5 - ln 0.5 - 1 = 0.193147; equal: 0; pi_ref = 2 pi: 2 - ln 2 - 1 = 0.306853.
    estimate = k3(torch.tensor([0.5, 0.3, 0.25]).log(), torch.tensor([0.25, 0.3, 0.5]).log())
    torch.testing.assert_close(estimate, torch.tensor([0.1931472, 0.0, 0.3068528]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.07), (15, 0.055), (30, 0.04), (65, 0.07), (100, 0.1)])
def test_dynamic_weight_by_hand(step: int, expected: float) -> None:
    assert dynamic_kl_weight(step, 100, 0.04, 0.1, 0.3) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.01), (3, 0.0), (10, 0.02)])
def test_dynamic_weight_of_the_geometry_setting(step: int, expected: float) -> None:
    assert dynamic_kl_weight(step, 10, 0.0, 0.02, 0.3) == pytest.approx(expected, abs=1e-12)


def test_dynamic_weight_that_explores_to_the_end_never_rises() -> None:
    weights = [dynamic_kl_weight(step, 4, 0.0, 0.2, 1.0) for step in range(5)]
    assert weights == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0])


def test_clipped_surrogate_by_hand() -> None:
    ratios = torch.tensor([1.0, 1.5, 0.5, 1.5, 0.5])
    advantages = torch.tensor([2.0, 2.0, 2.0, -2.0, -2.0])
    # A > 0: the gain stops at 1.2; below, the full loss counts. A < 0: the full loss above, stopped at 0.8 below.
    expected = torch.tensor([2.0, 2.4, 1.0, -3.0, -1.6])
    torch.testing.assert_close(clipped_surrogate(ratios.log(), advantages, 0.2, 0.2), expected)


def test_the_dual_clip_by_hand() -> None:
    # A > 0 is clipped at 1.2 as ever. A < 0: the full loss up to c, and c A without gradient beyond, however far.
    log_ratio = torch.tensor([1.1, 5.0, 2.9, 5.0, 0.5]).log()
    log_ratio = torch.cat([log_ratio, torch.tensor([200.0])]).requires_grad_()
    advantages = torch.tensor([2.0, 2.0, -2.0, -2.0, -2.0, -2.0])
    values = clipped_surrogate(log_ratio, advantages, 0.2, 0.2, dual=3.0)
    torch.testing.assert_close(values, torch.tensor([2.2, 2.4, -5.8, -6.0, -1.6, -6.0]))
    values.sum().backward()
    torch.testing.assert_close(log_ratio.grad, torch.tensor([2.2, 0.0, -5.8, 0.0, 0.0, 0.0]))


def test_what_the_dual_clip_stops_is_counted() -> None:
    inputs = _inputs(torch.tensor([5.0, 2.0, 5.0]).log(), None, beta=0.0)
    inputs.old_logprobs = torch.zeros(3)
    assert grpo_loss(inputs, 0.2, 9.0).metrics["clip_fraction"].item() == 0.0
    assert grpo_loss(inputs, 0.2, 1.5, dual=3.0).metrics["clip_fraction"].item() == pytest.approx(0.75)


def test_each_side_of_the_clip_has_its_own_bound() -> None:
    # Ratios 1.5 and 0.5 with the range [0.9, 1.4]; the sign of the advantage says on which side the clip holds.
    logprobs = torch.tensor([1.5, 1.5, 0.5, 0.5]).log().requires_grad_()
    advantages = torch.tensor([2.0, -2.0, 2.0, -2.0])
    values = clipped_surrogate(logprobs, advantages, 0.1, 0.4)
    torch.testing.assert_close(values, torch.tensor([2.8, -3.0, 1.0, -1.8]))
    values.sum().backward()
    # Inside the range, and on the side where the clip doesn't hold, d/d log pi of rho A is rho A itself.
    torch.testing.assert_close(logprobs.grad, torch.tensor([0.0, -3.0, 1.0, 0.0]))


@pytest.mark.parametrize(("ratio", "advantage"), [(1.3, 1.0), (0.85, -1.0)])
def test_what_lies_between_the_two_bounds_is_clipped_only_by_its_own(ratio: float, advantage: float) -> None:
    for low, high, clipped in ((0.2, 0.4, False), (0.1, 0.2, True)):
        logprobs = torch.tensor([ratio]).log().requires_grad_()
        first = torch.zeros(1, dtype=torch.long)
        inputs = LossInputs(
            *(logprobs, torch.zeros(1), None, torch.tensor([advantage]), torch.ones(1), torch.ones(1)),
            *(torch.zeros(1), first, first, torch.zeros(1)),
        )
        output = grpo_loss(inputs, low, high)
        bound = 1 + high if advantage > 0 else 1 - low
        assert output.loss.item() == pytest.approx(-advantage * (bound if clipped else ratio))
        assert output.metrics["clip_fraction"].item() == float(clipped)
        output.loss.backward()
        torch.testing.assert_close(logprobs.grad, torch.tensor([0.0 if clipped else -advantage * ratio]))


def _inputs(logprobs: torch.Tensor, ref: torch.Tensor | None, beta: float) -> LossInputs:
    """Two completions of 1 and 2 tokens, advantages 1 and -1."""
    return LossInputs(
        logprobs=logprobs,
        old_logprobs=logprobs.detach(),
        ref_logprobs=ref,
        advantages=torch.tensor([1.0, -1.0, -1.0]),
        weights=torch.tensor([0.5, 0.25, 0.25]),
        shares=torch.tensor([0.5, 0.25, 0.25]),
        kl_weights=torch.full((3,), beta),
        completion=torch.tensor([0, 1, 1]),
        group=torch.tensor([0, 0, 0]),
        behaviour_logprobs=logprobs.detach(),
    )


def test_grpo_loss_by_hand() -> None:
    logprobs = torch.tensor([0.5, 0.5, 0.5]).log().requires_grad_()
    output = grpo_loss(_inputs(logprobs, torch.tensor([0.25, 0.5, 0.5]).log(), beta=0.1), 0.2, 0.2)
    # At ratio 1 the surrogate is the mean advantage, 0. k3 of the first token is 0.1931472, its share one half.
    assert output.metrics["kl"].item() == pytest.approx(0.0965736, abs=1e-6)
    assert output.loss.item() == pytest.approx(0.00965736, abs=1e-7)
    output.loss.backward()
    # d/d log pi: -w A + beta w (1 - pi_ref/pi) = -0.5 + 0.1 * 0.5 * 0.5, and 0.25 for the others.
    torch.testing.assert_close(logprobs.grad, torch.tensor([-0.475, 0.25, 0.25]))


def test_grpo_loss_without_a_reference_has_no_kl() -> None:
    output = grpo_loss(_inputs(torch.zeros(3), None, beta=0.0), 0.2, 0.2)
    assert "kl" not in output.metrics
    assert output.loss.item() == 0.0


def test_clip_fraction_counts_tokens_without_gradient() -> None:
    inputs = _inputs(torch.tensor([1.5, 1.5, 0.5]).log().requires_grad_(), None, beta=0.0)
    inputs.old_logprobs = torch.zeros(3)
    output = grpo_loss(inputs, 0.2, 0.2)
    output.loss.backward()
    assert output.metrics["clip_fraction"].item() == pytest.approx(0.75)
    assert inputs.logprobs.grad is not None
    assert (inputs.logprobs.grad == 0).tolist() == [True, False, True]


def test_weights_make_the_loss_and_shares_the_means() -> None:
    inputs = _inputs(torch.tensor([0.5, 0.5, 0.5]).log(), torch.tensor([0.25, 0.5, 0.5]).log(), beta=0.1)
    whole = grpo_loss(inputs, 0.2, 0.2)
    inputs.weights = inputs.weights / 10
    part = grpo_loss(inputs, 0.2, 0.2)
    assert part.loss.item() == pytest.approx(whole.loss.item() / 10, rel=1e-5)
    assert part.metrics == whole.metrics


def test_the_entropy_bonus_by_hand() -> None:
    inputs = _inputs(torch.zeros(3), None, beta=0.0)
    inputs.entropy = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    inputs.weights = inputs.weights * 7
    loss = grpo_loss(inputs, 0.2, 0.2, entropy=0.1).loss
    assert loss.item() == pytest.approx(-0.1 * (0.5 + 0.25 * 2 + 0.25 * 4))
    loss.backward()
    assert inputs.entropy.grad is not None
    assert inputs.entropy.grad.tolist() == pytest.approx([-0.05, -0.025, -0.025])


def test_aggregation_by_hand() -> None:
    assert aggregation_weights("completion", [1, 3, 0, 4], 8) == pytest.approx([1 / 4, 1 / 12, 1 / 4, 1 / 16])
    assert aggregation_weights("token", [1, 3, 0, 4], 8) == [1 / 8] * 4
    assert aggregation_weights("token", [0, 0], 8) == [1.0] * 2  # of no tokens
    assert aggregation_weights("constant", [1, 3, 0, 4], 8) == [1 / 32] * 4


def test_nll_loss_by_hand() -> None:
    inputs = _inputs(torch.tensor([0.5, 0.25, 0.125]).log(), None, beta=0.0)
    assert nll_loss(inputs).loss.item() == pytest.approx(math.log(2) * (0.5 + 0.25 * 2 + 0.25 * 3))


def test_a_rewards_share_of_the_spread_by_hand() -> None:
    # Population stds: 0.5, 1 and 0; weighted: 1, 0.5 (a cost counts as it moves the total) and 0.
    scores = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 2.0, 2.0], [0.1, 0.1, 0.1, 0.1]])
    assert spread_shares(scores, torch.tensor([2.0, -0.5, 9.0])).tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    nan = torch.nan
    applies = torch.tensor([[0.0, 1.0, nan, nan], [0.0, 0.0, 2.0, 2.0]])
    assert spread_shares(applies, torch.tensor([2.0, 1.0])).tolist() == pytest.approx([0.5, 0.5])
    for alone in (scores[[0, 2]], torch.tensor([[0.0, 1.0], [nan, nan]]), torch.tensor([[0.0, 1.0], [3.0, nan]])):
        assert spread_shares(alone, torch.ones(2)).isnan().all(), "no other differs"


def test_shares_of_the_spread_add_up_whatever_the_scale() -> None:
    scores = torch.randn(3, 8, generator=torch.manual_seed(0))
    for scale in (1e-6, 1.0, 1e6):
        shares = spread_shares(scores, torch.tensor([1.0, 100.0, 0.01]) * scale)
        assert shares.sum().item() == pytest.approx(1.0)
        assert shares[1] > 0.95
