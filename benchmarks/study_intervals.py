"""How often a study's 95 % interval holds the truth, and other ways to make one, by simulation.

    python -m benchmarks.study_intervals

A method's true accuracy is 40 %. Most samples are easy or hard (a beta distribution), seeds spread around the method,
and right answers are drawn. Of each row 1,000 studies with 3 seeds are made.
"""

from __future__ import annotations

import math

import numpy as np

from mr1.study.statistics import Array, compare, mean_over_seeds, t_quantile

TRUTH, SEEDS, STUDIES, RESAMPLES = 0.4, 3, 1000, 300


def drawn(rng: np.random.Generator, easy: Array, spread: float) -> Array:
    """(S, N) right answers of one method's seeds."""
    cut = np.clip(rng.normal(0, spread, (SEEDS, 1)), -2 * spread, 2 * spread)
    shift = cut / 0.96  # what is cut spreads less
    chance = np.clip(easy + shift * easy * (1 - easy) / 0.144, 0, 1)  # 0.144 is the mean of b (1 - b)
    return (rng.random((SEEDS, len(easy))) < chance).astype(float)


def bootstrap(rng: np.random.Generator, right: Array) -> tuple[float, float]:
    """Seeds and samples are both drawn again, with replacement."""
    samples = right.shape[1]
    seeds = rng.multinomial(SEEDS, [1 / SEEDS] * SEEDS, RESAMPLES) / SEEDS
    weights = rng.multinomial(samples, [1 / samples] * samples, RESAMPLES) / samples
    low, high = np.quantile(((seeds @ right) * weights).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def over_seeds(right: Array) -> tuple[float, float]:
    """Student's t of the seeds' accuracies."""
    means = right.mean(axis=1)
    reach = t_quantile(0.975, SEEDS - 1) * means.std(ddof=1) / math.sqrt(SEEDS)
    return float(means.mean() - reach), float(means.mean() + reach)


def main() -> None:
    print("| samples | seeds spread by | this | width | bootstrap | t over seeds | equal methods told apart |")
    print("|---|---|---|---|---|---|---|")
    for samples in (128, 512):
        for spread in (0.0, 0.02, 0.04, 0.08):
            rng, held, width, apart = np.random.default_rng(0), np.zeros(3), 0.0, 0
            for _ in range(STUDIES):
                easy = rng.beta(0.6, 0.9, samples)
                right = drawn(rng, easy, spread)
                mean = mean_over_seeds(right)
                ways = (mean.low, mean.high), bootstrap(rng, right), over_seeds(right)
                held += [low <= TRUTH <= high for low, high in ways]
                width += mean.high - mean.low
                apart += compare(right, drawn(rng, easy, spread)).p < 0.05
            ours, theirs, seeds, told = (f"{each / STUDIES:.1%}" for each in (*held, apart))
            row = [
                samples,
                f"{100 * spread:g} points",
                ours,
                f"{100 * width / STUDIES:.1f} points",
                theirs,
                seeds,
                told,
            ]
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
