"""Advantages by a critic, and the critic's loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mr1.algo.gae import explained, gae, value_loss, whitened


def test_advantages_by_hand() -> None:
    """Surprises: 0 + 0.5 * 2 - 1 = 0, 0 + 0.5 * 4 - 2 = 0, 8 - 4 = 4; each later one counts half of a half."""
    advantages, returns = gae(torch.tensor([0.0, 0.0, 8.0]), torch.tensor([1.0, 2.0, 4.0]), 0.5, 0.5)
    assert advantages.tolist() == [0.25, 1.0, 4.0]
    assert returns.tolist() == [1.25, 3.0, 8.0]


def test_without_discount_a_token_is_worth_the_rest_less_what_was_expected() -> None:
    rewards, values = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([0.25, 0.5, 0.75])
    advantages, returns = gae(rewards, values, 1, 1)
    assert returns.tolist() == [1.5, 1.0, 2.0]
    assert advantages.tolist() == [1.25, 0.5, 1.25]
    assert gae(rewards, values, 1, 0)[0].tolist() == [0.75, -0.75, 1.25]  # the next token alone


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=50),
    st.floats(0.1, 1),
    st.floats(0, 1),
)
def test_advantages_are_the_sum_that_they_stand_for(
    pairs: list[tuple[float, float]], discount: float, trace: float
) -> None:
    """Of all later surprises, each weighted by (gamma lambda)^distance, as one product with a matrix in float64."""
    rewards, values = (np.array(each) for each in zip(*pairs, strict=True))
    surprises = rewards + discount * np.append(values[1:], 0) - values
    distance = np.arange(len(pairs))[None] - np.arange(len(pairs))[:, None]
    expected = np.where(distance >= 0, (discount * trace) ** np.maximum(distance, 0), 0) @ surprises
    found, _ = gae(torch.tensor(rewards), torch.tensor(values), discount, trace)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-3)


def test_a_value_learns_no_farther_than_the_clip() -> None:
    values = torch.tensor([0.5, 0.5, 0.1, 0.5], requires_grad=True)
    old, returns = torch.zeros(4), torch.tensor([1.0, 0.0, 1.0, 0.4])
    losses = value_loss(values, old, returns, 0.2)
    # Of the first the clipped error is the larger, 0.8: it has no gradient. Of the others the value's own is.
    torch.testing.assert_close(losses, torch.tensor([0.32, 0.125, 0.405, 0.02]))
    losses.sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([0.0, 0.5, -0.9, 0.0]))
    assert value_loss(values, old, returns, None)[0].item() == pytest.approx(0.125)


def test_whitened_over_all_tokens() -> None:
    first, second = whitened([torch.tensor([1.0, 3.0]), torch.tensor([5.0])])
    assert [*first.tolist(), *second.tolist()] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], abs=1e-6)
    for count in (1, 3, 7):  # the mean of seven tenths is not one of them
        assert whitened([torch.full((count,), 0.1), torch.full((count,), 0.1)])[1].tolist() == [0] * count


def test_how_much_was_foreseen() -> None:
    returns = torch.tensor([1.0, 3.0])
    assert explained(torch.zeros(2), returns) == 1  # all of it
    assert explained(returns, returns) == 0  # nothing was expected
    assert explained(2 * returns, returns) == -3
    assert explained(torch.tensor([1.0, 2.0]), torch.ones(2)) == 0
    assert explained(torch.tensor([1.0, 2.0]), torch.tensor([0.1 + 0.2, 0.3])) == 0
    assert explained(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0000001])) == 0
    assert explained(torch.tensor([-0.1, -0.2]), torch.tensor([1e-9, -1e-9])) == 0  # -0.1 + 0.1, rounded
