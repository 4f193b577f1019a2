"""VL-Cogito's weights and lengths, and ADORA's weight, against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mr1.algo.difficulty import adora_weight, difficulty_weight, dynamic_length

HALF_ROOT = math.sqrt(0.5)
"""sin(pi / 4)."""


@pytest.mark.parametrize(
    ("accuracy", "easy", "medium", "hard"),
    [
        (0.0, 0.0, 0.0, 0.25),
        (0.25, HALF_ROOT, HALF_ROOT, 1.0),
        (0.5, 1.0, 1.0, 1.0),
        (0.75, 1.0, HALF_ROOT, HALF_ROOT),
        (1.0, 1.0, 0.0, 0.0),
    ],
)
def test_soft_weights(accuracy: float, easy: float, medium: float, hard: float) -> None:
    assert difficulty_weight(accuracy, "easy") == pytest.approx(easy, abs=1e-15)
    assert difficulty_weight(accuracy, "medium") == pytest.approx(medium, abs=1e-15)
    assert difficulty_weight(accuracy, "hard") == pytest.approx(hard, abs=1e-15)


def test_a_group_that_is_all_right_weighs_nothing_at_all() -> None:
    assert difficulty_weight(1.0, "medium") == difficulty_weight(1.0, "hard") == 0.0


def test_hard_cuts() -> None:
    kept = {
        stage: [sixteenths for sixteenths in range(17) if difficulty_weight(sixteenths / 16, stage, hard_cut=True)]
        for stage in ("easy", "medium", "hard")
    }
    assert kept == {"easy": [*range(8, 17)], "medium": [*range(4, 13)], "hard": [*range(1, 9)]}
    assert difficulty_weight(0.5, "medium", hard_cut=True) == 1.0


def test_wrong_completions_are_to_be_as_long_as_the_right_ones() -> None:
    # The right ones have 80 and 120 tokens: the target is 100. At 50, cos(pi / 2) = 0; at 200 and beyond -1/2.
    correct = torch.tensor([True, True, False, False, False, False, False])
    lengths = torch.tensor([80, 120, 100, 50, 150, 200, 1000])
    expected = torch.tensor([0.0, 0.0, 0.0, -0.25, -0.25, -0.5, -0.5])
    torch.testing.assert_close(dynamic_length(correct, lengths), expected)


def test_the_length_reward_has_no_step() -> None:
    correct, near = torch.tensor([True, False, False]), torch.tensor([100.0, 199.9, 0.1])
    assert dynamic_length(correct, near)[1:].tolist() == pytest.approx([-0.5] * 2, abs=1e-5)


def test_where_none_is_right_the_target_is_fixed_and_the_price_half() -> None:
    lengths = torch.tensor([0, 375, 749, 750, 4095, 4096, 9000])
    expected = torch.tensor([-0.25, -0.125, 0.0, 0.0, 0.0, -0.25, -0.25])
    torch.testing.assert_close(dynamic_length(torch.zeros(7, dtype=torch.bool), lengths), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("correct", "cut", "weight"),
    [
        ("1001", "0000", 1.0),  # 40 is longer than the mean of 20 and 30
        ("1100", "0000", 0.1),  # 20 is not longer than that of 30 and 40
        ("0100", "0001", 0.1),  # 20 is just as long as that of 10 and 30; what was cut off does not count
        ("0100", "0010", 0.1),
        ("0010", "0001", 1.0),
        ("0000", "0000", 1.0),
        ("1111", "0000", 0.1),  # there is no wrong one to be longer than
        ("1000", "0111", 0.1),
    ],
)
def test_a_group_counts_less_where_thinking_longer_did_not_help(correct: str, cut: str, weight: float) -> None:
    right, whole = (torch.tensor([mark == which for mark in marks]) for marks, which in ((correct, "1"), (cut, "0")))
    assert adora_weight(right, torch.tensor([10, 20, 30, 40]), whole, 0.1) == weight
