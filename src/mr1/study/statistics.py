"""What can be said of methods that were run with a few seeds and tested on the same samples.

Two kinds of chance are in every mean of a study: another seed would have trained another model, and other test samples
would have been easier or harder. The right answers of a method are a table of S seeds x N samples, and both are drawn:
it is a two-way layout with random rows and columns. With c the N means of the columns, MS_seeds and MS_rest the mean
squares of the rows and of what neither rows nor columns explain, the variance of the mean over both kinds of chance is

    V = var(c) / N + (MS_seeds - MS_rest) / (S N),

whose second term is not taken below 0. Satterthwaite's degrees of freedom give the factor of Student's t that belongs
to it: near 2 where the samples decide, up to 4.3 where three seeds do. Of the difference of two methods c is the
difference of their means on each sample, so that what both find hard counts for nothing, and each method has a second
term of its own. The same seed means the same training samples, but the runs are not taken for pairs: a few are too few
to learn from how alike they are, and what they have in common only makes the interval wider than need be.

Why not another way:

- McNemar's test compares two models, not two methods. It takes the models as given, so of two seeds of one and the same
  method it would soon call one better. It is used where there is only one seed, and said to be of that one alone.
- A bootstrap over seeds and samples can't leave the range of the seeds that there are. Where three seeds decide, its
  95 % interval held the truth 83 times in 100. With many seeds it agrees with what is done here
  (`tests/unit/test_study_statistics.py`).
- A t-test over the seeds' accuracies leaves out that all seeds are tested on the same samples: where these decide, its
  interval held the truth 88 times in 100.

Simulated with 3 seeds, 128 or 512 samples, and seeds that spread by 0 to 8 points, the interval held the truth 92 to 98
times in 100, and equal methods were told apart 1 to 5 times in 100 (`benchmarks/study_intervals.py`). With three seeds
an effect has to be large to be seen; `detectable` says how large.

Sources: G. W. Snedecor and W. G. Cochran, Statistical Methods (two-way classification, random effects); F. E.
Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bulletin 2 (1946); S. Holm, A
simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mr1.evaluate.intervals import PRIOR, wilson

Array = NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.8
NODES = 401
"""Of the integrals over a chi-squared variable; more of them change nothing in the first eight digits."""


@dataclass(frozen=True)
class Spread:
    """How uncertain a mean over a table of seeds and samples is."""

    error: float
    """Its standard error."""
    freedom: float
    """Degrees of freedom of the error."""


@dataclass(frozen=True)
class Mean:
    """An accuracy over seeds, with the interval of both kinds of chance."""

    value: float
    low: float
    high: float
    seeds: list[float]
    """Of each seed, in order."""
    samples: int


@dataclass(frozen=True)
class Comparison:
    """One method against another, on the same samples."""

    difference: float
    """Of the accuracies: above 0 where the first is better."""
    low: float
    high: float
    p: float
    """Two-sided, of no difference."""
    error: float
    freedom: float
    seeds: tuple[int, int]
    """Runs of each. Where both have 1, everything is said of the two models alone, and `p` is McNemar's."""
    samples: int


def mean_over_seeds(right: Array) -> Mean:
    """The accuracy of a method and its 95 % interval; of one seed, Wilson's, which is of that model alone.

    Args:
        right: (S, N) 1 for a right answer, else 0: a row for each seed, all on the same N samples.
    """
    value, seeds, samples = float(right.mean()), [float(row.mean()) for row in right], right.shape[1]
    if len(right) == 1:
        return Mean(value, *wilson(float(right.sum()), samples, CONFIDENCE), seeds, samples)
    # As `accuracy_interval` does, so that what is all right in a few samples isn't taken for certain.
    known = spread(_with_ends(right, [0.0, 1.0] * PRIOR))
    reach = t_quantile((1 + CONFIDENCE) / 2, known.freedom) * known.error
    return Mean(value, max(0.0, value - reach), min(1.0, value + reach), seeds, samples)


def compare(one: Array, other: Array) -> Comparison:
    """Whether one method is right more often than another.

    Args:
        one: (S, N) as in `mean_over_seeds`.
        other: (R, N) on the same samples. Of a single row, as the untrained model has it, only its samples are drawn.
    """
    difference = float(one.mean() - other.mean())
    # One sample that only the one gets right, and one that only the other does (Agresti and Min, 2005, add as many).
    known = spread(_with_ends(one, [1.0, 0.0]), _with_ends(other, [0.0, 1.0]))
    reach = t_quantile((1 + CONFIDENCE) / 2, known.freedom) * known.error
    if len(one) == len(other) == 1:
        p = mcnemar(int((one > other).sum()), int((one < other).sum()))
    else:
        p = min(1.0, 2 * t_below(-abs(difference) / known.error, known.freedom))
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return Comparison(difference, low, high, p, known.error, known.freedom, (len(one), len(other)), one.shape[1])


def spread(one: Array, other: Array | None = None) -> Spread:
    """The standard error of a table's mean, or of the difference of two, where rows and columns are drawn; see above.

    Args:
        one: (S, N), N at least 2. The only row of a table is not taken for drawn.
        other: (R, N).
    """
    tables = [one] if other is None else [one, other]
    samples = one.shape[1]
    columns = one.mean(axis=0) - (0.0 if other is None else other.mean(axis=0))
    of_rows, doubt, noise = 0.0, 0.0, 0.0
    for table in tables:
        rows = len(table)
        if rows > 1:
            means, residual = table.mean(axis=1), table - table.mean(axis=1, keepdims=True) - table.mean(axis=0)
            rest = float(((residual + table.mean()) ** 2).sum()) / ((rows - 1) * (samples - 1)) / (rows * samples)
            by_row = float(means.var(ddof=1)) / rows
            of_rows, noise = of_rows + max(by_row - rest, 0.0), noise + rest
            doubt += by_row**2 / (rows - 1)
    # Columns can't spread less than their noise, but by luck.
    of_columns = max(float(columns.var(ddof=1)) / samples, noise)
    doubt += of_columns**2 / (samples - 1)
    variance = of_rows + of_columns
    return Spread(math.sqrt(variance), variance**2 / doubt if doubt else samples - 1)


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p that two models are right equally often, from the samples that only one got right."""
    total = gained + lost
    tail = sum(math.comb(total, count) for count in range(min(gained, lost) + 1)) / 2**total
    return min(1.0, 2 * tail)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values of M comparisons, raised so that the chance of even one false finding among them stays what p says.

    The smallest is taken M times, the next one M - 1 times, and so on, and none comes below one that was smaller.

    Source: Holm (1979).
    """
    raised, least = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        raised[index] = least
    return raised


def detectable(known: Spread, comparisons: int = 1, power: float = POWER) -> float:
    """The smallest true difference that would be found so often, at 5 %, with such an error.

    It is as good as the error that it is made of, which three seeds tell within a factor of two.

    Args:
        known: the error of the difference, as it was measured.
        comparisons: of the table that it stands in; found means below 5 % of so many, which is Holm's first step.
        power: how often it would be found.
    """
    limit = t_quantile(1 - (1 - CONFIDENCE) / (2 * comparisons), known.freedom)
    low, high = 0.0, limit + 40.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        found = t_below(-limit, known.freedom, -middle) + t_below(-limit, known.freedom, middle)
        low, high = (low, middle) if found > power else (middle, high)
    return high * known.error


def t_below(value: float, freedom: float, shift: float = 0.0) -> float:
    """The chance that a (Z + shift) / sqrt(W / freedom) is below a value: Student's t, noncentral with a shift.

    Z is normal and W is chi-squared. Integrated over W, whose logarithm has a smooth density that dies out on both
    sides, so that a plain sum over equal steps is exact for all purposes.
    """
    root, share = _chi(freedom)
    return float(share @ torch.special.ndtr(value * root - shift))


def t_quantile(share: float, freedom: float) -> float:
    """Where Student's t is below with this chance, at least 1/2."""
    low, high = 0.0, 1.0
    while t_below(-high, freedom) > 1 - share:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(-middle, freedom) > 1 - share else (low, middle)
    return high


@lru_cache(maxsize=64)
def _chi(freedom: float) -> tuple[Tensor, Tensor]:
    """(NODES,) values of sqrt(W / freedom), and the share of each."""
    near, far = math.sqrt(180 / freedom), 90 / freedom  # beyond, the density is below e^-90 of its highest
    x = torch.linspace(-near - far, near, NODES, dtype=torch.float64)
    density = torch.exp(freedom / 2 * (x - torch.exp(x) + 1))
    return torch.exp(x / 2), density / density.sum()


def _with_ends(table: Array, values: Sequence[float]) -> Array:
    """(S, N) with a column more for each of these values."""
    return np.concatenate([table, np.tile(np.asarray(values), (len(table), 1))], axis=1)
