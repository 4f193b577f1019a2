"""Intervals against published numbers, and how often they hold what they are to hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.evaluate.intervals import accuracy_interval, wilson

COVERAGE = 0.94
"""At least, in every cell of the grid; a cell of DRAWS evaluations has a standard error of 0.0034 there."""
DRAWS = 4000
SAMPLES = (2, 3, 5, 10, 30, 100, 200)
ATTEMPTS = (2, 4, 16)
ACCURACIES = (0.005, 0.02, 0.1, 0.3, 0.5)
"""Those above one half are the same with right and wrong in each other's place."""
CORRELATIONS = (0.0, 0.1, 0.5)
"""Of two attempts at one sample; with 1 the attempts are one."""


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2535, 0.3682), (15, 148, 0.0598, 0.1644), (0, 20, 0.0, 0.2005), (1, 29, 0.0018, 0.1963)],
)
def test_wilson_against_newcombes_table(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_agrees_with_its_defining_equation() -> None:
    # The ends are where the score test, half a success away, just rejects: (p - share)^2 = z^2 p (1 - p) / n.
    for successes in (3, 50, 97):
        for end, half in zip(wilson(successes, 100), (-0.5, 0.5), strict=True):
            distance = (end - (successes + half) / 100) ** 2
            assert distance == pytest.approx(1.959963985**2 * end * (1 - end) / 100, abs=1e-9)


def test_wilson_stays_within_bounds() -> None:
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


def test_one_attempt_is_wilsons() -> None:
    assert accuracy_interval([40, 10]) == wilson(10, 50)


def test_attempts_that_agree_are_worth_one() -> None:
    assert accuracy_interval([40, 0, 0, 0, 10]) == pytest.approx(wilson(10, 50), abs=1e-12)


def test_attempts_that_have_nothing_to_do_with_each_other_are_worth_nearly_all() -> None:
    spread = [1000 * math.comb(4, right) // 16 for right in range(5)]
    low, high = accuracy_interval(spread)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 4000), rel=0.03)


@pytest.mark.parametrize("samples", [4, 10, 100, 512])
@pytest.mark.parametrize("attempts", [1, 2, 8, 16])
def test_wrong_attempts_never_narrow_the_interval_where_nearly_all_are_right(samples: int, attempts: int) -> None:
    """One wrong attempt of 4,096 does not say more than none."""
    apart, together = [], []
    for wrong in range(samples // 4 + 1):
        counts = [0] * (attempts + 1)
        counts[-1], counts[-2] = samples - wrong, wrong
        apart.append(_width(counts))
    for wrong in range(attempts + 1):
        counts = [0] * (attempts + 1)
        counts[-1] = samples - 1
        counts[attempts - wrong] += 1
        together.append(_width(counts))
    assert apart == sorted(apart)
    assert together == sorted(together)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), min_size=2, max_size=17).filter(any))
def test_an_interval_holds_its_accuracy_and_is_symmetric(counts: list[int]) -> None:
    low, high = accuracy_interval(counts)
    attempts = len(counts) - 1
    accuracy = sum(right * count for right, count in enumerate(counts)) / (sum(counts) * attempts)
    assert 0 <= low <= accuracy <= high <= 1
    assert accuracy_interval(counts[::-1]) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    # Never as narrow as independent attempts would make it, nor wider than one attempt at each sample would.
    trials = sum(counts)
    widest, narrowest = (_range(wilson(accuracy * each, each)) for each in (trials, trials * attempts))
    assert narrowest - 1e-9 <= high - low <= widest + 1e-9


@pytest.mark.parametrize("samples", SAMPLES)
def test_one_attempt_covers_the_truth(samples: int) -> None:
    """By all outcomes that there are, and so of attempts that always agree."""
    for accuracy in ACCURACIES:
        covered = sum(
            math.comb(samples, right) * accuracy**right * (1 - accuracy) ** (samples - right)
            for right in range(samples + 1)
            if _holds([samples - right, right], accuracy)
        )
        assert covered >= COVERAGE, accuracy


@pytest.mark.parametrize("kind", ["beta", "decided"])
@pytest.mark.parametrize("samples", SAMPLES)
def test_several_attempts_cover_the_truth(samples: int, kind: str) -> None:
    random = np.random.default_rng(0)
    for attempts in ATTEMPTS:
        for accuracy in ACCURACIES:
            for correlation in CORRELATIONS:
                chances = _chances(attempts, accuracy, correlation, kind)
                drawn = Counter(map(tuple, random.multinomial(samples, chances, size=DRAWS).tolist()))
                covered = sum(times for counts, times in drawn.items() if _holds(counts, accuracy))
                assert covered >= COVERAGE * DRAWS, (attempts, accuracy, correlation)


def _chances(attempts: int, accuracy: float, correlation: float, kind: str) -> list[float]:
    """The chances of 0, 1, ..., k right attempts at a sample.

    Args:
        attempts: k.
        accuracy: the chance of one.
        correlation: of two.
        kind: `beta`: each sample has a chance of its own, from a beta distribution. `decided`: a share of the samples
            is right at every attempt or wrong at every attempt, the others are all alike.
    """
    ways = [math.comb(attempts, right) for right in range(attempts + 1)]
    alike = [ways[right] * accuracy**right * (1 - accuracy) ** (attempts - right) for right in range(attempts + 1)]
    if correlation == 0:
        return alike
    if kind == "decided":
        mixed = [(1 - correlation) * chance for chance in alike]
        mixed[0] += correlation * (1 - accuracy)
        mixed[-1] += correlation * accuracy
        return mixed
    size = 1 / correlation - 1
    one, other = accuracy * size, (1 - accuracy) * size
    return [
        ways[right] * math.exp(_log_beta(one + right, other + attempts - right) - _log_beta(one, other))
        for right in range(attempts + 1)
    ]


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


@cache
def _interval(counts: tuple[int, ...]) -> tuple[float, float]:
    return accuracy_interval(counts)


def _holds(counts: Sequence[int], accuracy: float) -> bool:
    low, high = _interval(tuple(counts))
    return low <= accuracy <= high


def _width(counts: Sequence[int]) -> float:
    return _range(accuracy_interval(counts))


def _range(ends: tuple[float, float]) -> float:
    return ends[1] - ends[0]
