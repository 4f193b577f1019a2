"""What a study's statistics say, against numbers worked by hand, known tables and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mr1.study.statistics import (
    Array,
    Spread,
    compare,
    detectable,
    holm,
    mcnemar,
    mean_over_seeds,
    spread,
    t_below,
    t_quantile,
)


def rows(*marks: str) -> Array:
    return np.array([[float(mark) for mark in row] for row in marks])


def test_students_t_is_that_of_the_tables() -> None:
    table = {(0.975, 1): 12.7062, (0.975, 2): 4.30265, (0.95, 4): 2.13185, (0.975, 10): 2.22814, (0.995, 30): 2.75000}
    for (share, freedom), value in table.items():
        assert t_quantile(share, freedom) == pytest.approx(value, rel=1e-5)
    assert t_quantile(0.975, 1e7) == pytest.approx(1.959964, rel=1e-5)
    assert t_below(-1.0, 1) == pytest.approx(0.25, rel=1e-8)  # Cauchy's: 1/2 - atan(1) / pi
    assert t_below(-40.0, 2) == pytest.approx(0.5 - 40 / (2 * math.sqrt(2 + 40**2)), rel=1e-6)  # closed for 2
    assert t_below(0.7, 2.5) + t_below(-0.7, 2.5) == pytest.approx(1.0)


def test_the_noncentral_t_gives_the_power_of_a_t_test() -> None:
    # n = 10, effect 1 standard deviation, two-sided at 5 %: 0.8031 (Cohen's tables, and G*Power).
    limit, shift = t_quantile(0.975, 9), math.sqrt(10)
    assert t_below(-limit, 9, -shift) + t_below(-limit, 9, shift) == pytest.approx(0.8031, abs=1e-4)
    assert detectable(Spread(1 / math.sqrt(10), 9)) == pytest.approx(0.9960, abs=1e-4)
    assert detectable(Spread(0.02, 9), comparisons=10) > 1.3 * detectable(Spread(0.02, 9))
    assert detectable(Spread(0.02, 1e6)) == pytest.approx(0.02 * (1.959964 + 0.841621), rel=1e-3)


def test_the_spread_by_hand() -> None:
    # Means of rows 3/4, 1/4; of columns 1, 1/2, 1/2, 0. MS: rows 1/2, columns 1/3, rest 1/6.
    found = spread(rows("1110", "1000"))
    assert found.error == pytest.approx(math.sqrt((1 / 2 + 1 / 3 - 1 / 6) / 8))
    assert found.freedom == pytest.approx((2 / 3) ** 2 / ((1 / 2) ** 2 + (1 / 3) ** 2 / 3))
    # Seeds closer together than chance would have it: their spread, below 0, is taken for 0.
    assert spread(rows("1100", "1010")).error == pytest.approx(math.sqrt((1 / 3) / 8))
    # Seeds that agree in all are no more than one: that of a mean of so many samples.
    assert spread(rows("1100", "1100", "1100")).error == pytest.approx(math.sqrt((1 / 3) / 4))
    assert spread(rows("1100")).error == pytest.approx(math.sqrt((1 / 3) / 4))


def test_the_spread_of_a_difference_by_hand() -> None:
    # Of the columns 0, -1/2, 1/2, 0 the variance is 1/6; of the one with two seeds MS 1/2 of rows, 1/6 of the rest.
    found = spread(rows("1110", "1000"), rows("1100"))
    columns, seeds, rest = (1 / 6) / 4, (1 / 2) / 8, (1 / 6) / 8
    assert found.error == pytest.approx(math.sqrt(columns + seeds - rest))
    doubt = columns**2 / 3 + seeds**2 / 1
    assert found.freedom == pytest.approx((columns + seeds - rest) ** 2 / doubt)
    # Two methods whose seeds spread alike have twice the freedom of one.
    one = np.repeat([[0.1], [0.5], [0.9]], 400, axis=1)
    assert spread(one).freedom == pytest.approx(2)
    assert spread(one, one).freedom == pytest.approx(4)
    assert spread(one, one).error == pytest.approx(math.sqrt(2) * spread(one).error)


def test_a_mean_of_seeds() -> None:
    found = mean_over_seeds(rows("1110", "1000"))
    assert (found.value, found.seeds, found.samples) == (0.5, [0.75, 0.25], 4)
    assert found.low < 0.25
    assert found.high > 0.75
    every = mean_over_seeds(np.ones((3, 200)))
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0.97 < every.low < 0.995, "200 samples that are all right don't make it certain"
    alone = mean_over_seeds(np.ones((1, 200)))
    assert alone.low == pytest.approx(0.9765, abs=1e-3), "Wilson's, with continuity correction"


def test_a_comparison_of_two_single_runs_is_mcnemars() -> None:
    assert mcnemar(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert mcnemar(2, 8) == mcnemar(8, 2)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0
    one, other = rows("1111111100" + "1" * 30), rows("0000000011" + "1" * 30)
    found = compare(one, other)
    assert (found.p, found.seeds, found.samples) == (mcnemar(8, 2), (1, 1), 40)
    assert found.difference == pytest.approx(6 / 40)
    assert found.low < 6 / 40 < found.high


def test_methods_that_answer_alike_are_not_told_apart_and_unlike_ones_are() -> None:
    right = (np.random.default_rng(0).random((3, 300)) < 0.4).astype(float)
    same = compare(right, right)
    assert (same.difference, same.p) == (0.0, 1.0)
    assert same.low < 0 < same.high
    better = compare(np.maximum(right, np.arange(300) < 60), right)
    assert better.p < 0.01
    assert better.low > 0
    flipped = compare(right, np.maximum(right, np.arange(300) < 60))
    assert (flipped.difference, flipped.low, flipped.p) == (-better.difference, -better.high, better.p)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(ps: list[float]) -> None:
    raised = holm(ps)
    assert all(p <= up <= min(1.0, len(ps) * p) for p, up in zip(ps, raised, strict=True))
    assert [up for _, up in sorted(zip(ps, raised, strict=True))] == sorted(raised)


def drawn(rng: Any, seeds: int, samples: int, spread: float, gain: float = 0.0) -> Array:
    """Right answers of a method whose true accuracy is 40 % and a gain: some samples are easy, and seeds differ."""
    easy = rng.beta(2, 3, samples)
    shift = np.clip(rng.normal(0, spread, (seeds, 1)), -0.1, 0.1)
    chance = easy + (gain + shift) * 5 * easy * (1 - easy)  # the mean of 5 b (1 - b) is 1
    return (rng.random((seeds, samples)) < chance).astype(float)


@pytest.mark.parametrize(("spread", "least"), [(0.0, 0.93), (0.03, 0.92)])
def test_the_interval_holds_the_truth_as_often_as_it_says(spread: float, least: float) -> None:
    rng, runs = np.random.default_rng(1), 300
    intervals = [mean_over_seeds(drawn(rng, 3, 256, spread)) for _ in range(runs)]
    assert sum(each.low <= 0.4 <= each.high for each in intervals) / runs >= least


def test_equal_methods_are_seldom_told_apart_and_the_detectable_difference_is_mostly_found() -> None:
    rng, runs = np.random.default_rng(2), 250
    equal = [compare(drawn(rng, 3, 256, 0.02), drawn(rng, 3, 256, 0.02)) for _ in range(runs)]
    assert sum(each.p < 0.05 for each in equal) / runs <= 0.08
    assert all((each.p < 0.05) == (not each.low <= 0 <= each.high) for each in equal)

    error = math.sqrt(np.mean([each.error**2 for each in equal]))
    gain = detectable(Spread(error, float(np.mean([each.freedom for each in equal]))))
    better = [drawn(rng, 3, 256, 0.02, gain) for _ in range(runs)]
    found = sum(compare(one, drawn(rng, 3, 256, 0.02)).p < 0.05 for one in better) / runs
    assert 0.7 <= found <= 0.95


def test_with_many_seeds_the_bootstrap_over_seeds_and_samples_agrees() -> None:
    rng = np.random.default_rng(3)
    right = drawn(rng, 25, 150, 0.04)
    mean = mean_over_seeds(right)
    means = []
    for _ in range(1500):
        seeds, samples = rng.integers(0, 25, 25), rng.integers(0, 150, 150)
        means.append(right[seeds][:, samples].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    assert mean.low == pytest.approx(low, abs=0.012)
    assert mean.high == pytest.approx(high, abs=0.012)
