"""Truncated importance sampling between a sampler and the trainer."""

from __future__ import annotations

import math

import pytest
import torch

from mr1.algo.correction import Level, truncated_ratios

TRAINER, SAMPLER = [0.5, 0.2, 0.9, 0.4, 0.1], [0.25, 0.4, 0.3, 0.4, math.nan]
"""Probabilities of five tokens: ratios 2, 1/2, 3, 1 and one that nobody knows."""
COMPLETION = [4, 4, 7, 7, 9]


def ratios(level: Level, cap: float) -> list[float]:
    old, behaviour = torch.tensor(TRAINER).log(), torch.tensor(SAMPLER).log()
    return truncated_ratios(old, behaviour, torch.tensor(COMPLETION), level, cap).tolist()


def test_ratios_of_tokens_by_hand() -> None:
    assert ratios("token", 10.0) == pytest.approx([2, 0.5, 3, 1, 1])
    assert ratios("token", 1.5) == pytest.approx([1.5, 0.5, 1.5, 1, 1])


def test_ratios_of_completions_by_hand() -> None:
    """2 * 1/2 = 1 and 3 * 1 = 3: the product is cut, not its factors."""
    assert ratios("sequence", 10.0) == pytest.approx([1, 1, 3, 3, 1])
    assert ratios("sequence", 1.5) == pytest.approx([1, 1, 1.5, 1.5, 1])


def test_the_same_probabilities_weigh_exactly_1_and_nothing_is_learned_through_them() -> None:
    logprobs = torch.tensor([-0.1, -2.3, -7.7], requires_grad=True)
    for level in ("token", "sequence"):
        found = truncated_ratios(logprobs, logprobs.detach(), torch.zeros(3).long(), level, 2.0)
        assert found.tolist() == [1, 1, 1]
        assert not found.requires_grad
    assert truncated_ratios(torch.zeros(0), torch.zeros(0), torch.zeros(0).long(), "sequence", 2.0).tolist() == []


def test_a_sampler_that_is_off_is_corrected_in_the_mean() -> None:
    """Drawn by q, weighted by p / q: the mean of any value is p's. Here exactly, as a sum over three tokens."""
    p, q, value = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.4, 0.4, 0.2]), torch.tensor([1.0, -2.0, 4.0])
    weights = truncated_ratios(p.log(), q.log(), torch.arange(3), "token", 100.0)
    assert float((q * weights * value).sum()) == pytest.approx(float((p * value).sum()))
