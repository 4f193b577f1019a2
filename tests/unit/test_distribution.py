"""Entropy and KL of whole distributions against numbers worked by hand and by enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mr1.algo.distribution import exact_entropy, exact_kl
from mr1.algo.kl import k3

NEVER = -math.inf
SHARES = st.lists(st.floats(1e-3, 1.0), min_size=5, max_size=5)


def logs(*shares: float) -> torch.Tensor:
    return torch.tensor([math.log(share) if share else NEVER for share in shares], dtype=torch.float64)


def test_by_hand() -> None:
    assert exact_entropy(logs(0.25, 0.25, 0.25, 0.25)).item() == pytest.approx(math.log(4))
    assert exact_entropy(logs(0.5, 0.25, 0.25)).item() == pytest.approx(1.5 * math.log(2))
    # 1/2 ln 2 + 1/2 ln (2/3)
    assert exact_kl(logs(0.5, 0.5), logs(0.25, 0.75)).item() == pytest.approx(0.5 * math.log(4 / 3))
    assert exact_kl(logs(0.25, 0.75), logs(0.5, 0.5)).item() == pytest.approx(
        0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    )


def test_a_token_that_cant_come_counts_for_nothing() -> None:
    assert exact_entropy(logs(0.5, 0.5, 0.0)).item() == pytest.approx(math.log(2))
    assert exact_kl(logs(0.5, 0.5, 0.0), logs(0.25, 0.75, 0.0)).item() == pytest.approx(0.5 * math.log(4 / 3))
    assert exact_kl(logs(1.0, 0.0), logs(0.5, 0.5)).item() == pytest.approx(math.log(2))
    assert exact_kl(logs(1.0, 0.0).float(), logs(1.0, 0.0).float()).item() == 0.0
    both = torch.stack([logs(0.5, 0.5), logs(1.0, 0.0)])
    assert exact_entropy(both).tolist() == pytest.approx([math.log(2), 0.0])


def test_the_gradient_of_the_entropy_by_hand() -> None:
    """By the logits it is -p (log p + H), and 0 for a token that can't come."""
    logits = torch.tensor([1.0, 0.0, -1.0, NEVER], dtype=torch.float64, requires_grad=True)
    exact_entropy(logits.log_softmax(-1)).backward()
    logprobs = logits.detach()[:3].log_softmax(-1)
    expected = -logprobs.exp() * (logprobs + exact_entropy(logprobs))
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.cat([expected, torch.zeros(1).double()]), atol=1e-12, rtol=0)


@given(SHARES, SHARES)
def test_the_kl_is_what_k3_comes_to_on_average(one: list[float], other: list[float]) -> None:
    p, q = (torch.log_softmax(torch.tensor(each, dtype=torch.float64).log(), 0) for each in (one, other))
    assert exact_kl(p, q).item() == pytest.approx((p.exp() * k3(p, q)).sum().item(), abs=1e-12)
    assert exact_kl(p, q).item() >= -1e-12
