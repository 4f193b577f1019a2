"""Confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

PRIOR = 3
"""Samples that are right at every attempt, and as many that are wrong, which `accuracy_interval` adds where it looks at
how far the attempts at a sample agree: where next to nothing is known, because nearly all is right or nearly all is
wrong, they are taken to agree. With 2, one wrong attempt could still narrow the interval."""


def wilson(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, with continuity correction.

    The correction is what makes it hold the true proportion as often as it says also for few trials and for proportions
    near 0 and 1, where Wilson's own, and the normal one even more, do so far less often.

    Args:
        successes: 0 to `trials`; no whole number where trials are the effective ones of a design.
        trials: at least 1.
        confidence: the share of such intervals that hold the true proportion.

    Returns:
        The interval's ends, in [0, 1].

    Raises:
        ValueError: no trials, or a count outside of them.

    Source: R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998),
    method 4.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    fewer, more = successes - 0.5, successes + 0.5
    low = _score(fewer / trials, trials, z)[0] if fewer > 0 else 0.0
    high = _score(more / trials, trials, z)[1] if more < trials else 1.0
    return low, high


def _score(share: float, trials: float, z: float) -> tuple[float, float]:
    """The proportions p with (share - p)^2 = z^2 p (1 - p) / trials."""
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (centre - margin) / scale, (centre + margin) / scale


def accuracy_interval(counts: Sequence[int], confidence: float = 0.95) -> tuple[float, float]:
    """The interval of an accuracy over samples with k attempts each: Wilson's, of as many trials as they are worth.

    Attempts at one sample are not independent. N samples of k attempts are worth N trials where the attempts at each
    agree, and N k where they have nothing to do with each other: N p (1 - p) / v, where p is the samples' mean accuracy
    and v their variance. Both are taken with PRIOR samples on either side.

    Args:
        counts: (k + 1,) how many samples have 0, 1, ..., k right attempts; at least one sample.
        confidence: the share of such intervals that hold the true accuracy. Simulated, it is at least 94 % for a
            confidence of 95 % (tests/unit/test_intervals.py).

    Returns:
        The interval's ends, in [0, 1].

    Source: L. Kish, Survey Sampling (1965), for the design effect.
    """
    samples, attempts = sum(counts), len(counts) - 1
    accuracy = sum(right * count for right, count in enumerate(counts)) / (samples * attempts)
    known = [*counts]
    known[0] += PRIOR
    known[-1] += PRIOR
    total = sum(known)
    mean = sum(right * count for right, count in enumerate(known)) / (total * attempts)
    spread = sum(count * (right / attempts - mean) ** 2 for right, count in enumerate(known)) / total
    # Between 1 / k and 1: how much of its largest possible variance the samples' accuracy has.
    agreement = min(1.0, max(1 / attempts, spread / (mean * (1 - mean))))
    trials = samples / agreement
    return wilson(min(accuracy, 1.0) * trials, trials, confidence)
