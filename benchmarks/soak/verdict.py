"""What a run's memory, files, threads and step times come to, and where a limit is broken.

Each process that has gone on with the run is judged by itself, since a new one begins with an empty memory. Its first
steps are left out: in them caches fill, and the allocator meets the sizes of tensors for the first time. What is left
is cut into fifths. Neighbouring steps are alike, so means or medians of blocks of neighbours, not single steps, are
taken for independent draws where an interval is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.soak.watch import Seen
from mr1.study.statistics import t_quantile

Array = NDArray[np.float64]

LIMIT = 0.05
"""By which share memory and step time may grow."""
BLOCKS = 6
"""Of neighbouring steps, in a fifth."""
FEWEST = 5 * 2 * BLOCKS
"""Steps after the warm-up that a process needs to be judged."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """Of one process, after its warm-up."""

    process: int
    first: int
    last: int
    """Its steps."""
    level: float
    """MB: the median of the first fifth."""
    growth: float
    """The highest memory of all over `level`, less 1."""
    slope: Interval
    """Of memory, MB in 1,000 steps."""
    files: tuple[int, int]
    """The fewest that were open in the first and in the last fifth: what is open for a moment doesn't count."""
    threads: tuple[int, int]
    """The same."""
    seconds: tuple[float, float]
    """The median step of the first and of the last fifth."""
    slower: Interval
    """The one over the other, less 1. It knows of the machine's other work no more than the steps show."""
    cpu: tuple[float, float]
    """Seconds of processor time for a step of the first and of the last fifth, with evaluations and checkpoints."""

    def broken(self) -> list[str]:
        """The limits that are broken, in words."""
        found = []
        if self.growth > LIMIT:
            found.append(f"memory has grown by {self.growth:.1%}")
        for what, (before, after) in (("files", self.files), ("threads", self.threads)):
            if after > before:
                found.append(f"{what} have grown from {before} to {after}")
        if self.slower.low > LIMIT:
            found.append(f"steps have got slower by {self.slower.value:.1%}, at least by {self.slower.low:.1%}")
        return [f"process {self.process}: {each}" for each in found]


def judge(seen: Sequence[Seen], warm_up: int) -> list[Verdict]:
    """A verdict for each process with enough steps after its first `warm_up`."""
    processes: dict[int, list[Seen]] = {}
    for each in seen:
        processes.setdefault(each.process, []).append(each)
    return [_judge(each[warm_up:]) for each in processes.values() if len(each) >= warm_up + FEWEST]


def _judge(seen: Sequence[Seen]) -> Verdict:
    size = len(seen) // 5
    ends = seen[:size], seen[-size:]
    memory = np.array([each.memory for each in seen])
    level = float(np.median(memory[:size]))
    seconds = [np.array([each.seconds for each in end]) for end in ends]
    files, threads = ([min(getattr(each, what) for each in end) for end in ends] for what in ("files", "threads"))
    medians = [float(np.median(each)) for each in seconds]
    cpu = [(end[-1].cpu - end[0].cpu) / (size - 1) for end in ends]
    return Verdict(
        *(seen[0].process, seen[0].step, seen[-1].step, level, float(memory.max()) / level - 1, slope(memory)),
        *((files[0], files[1]), (threads[0], threads[1]), (medians[0], medians[1])),
        *(slower(*seconds), (cpu[0], cpu[1])),
    )


def slope(values: Array) -> Interval:
    """What values grow by in 1,000 steps: least squares over the means of blocks, with Student's t.

    Args:
        values: (S,) one for each step.
    """
    blocks = np.array_split(values, 5 * BLOCKS)
    y, x = np.array([block.mean() for block in blocks]), np.arange(len(blocks)) * len(values) / len(blocks)
    x = x - x.mean()
    rate = float(x @ y / (x @ x))
    rest = y - y.mean() - rate * x
    freedom = len(y) - 2
    reach = t_quantile(0.975, freedom) * float(np.sqrt(rest @ rest / freedom / (x @ x)))
    return Interval(1000 * rate, 1000 * (rate - reach), 1000 * (rate + reach))


def slower(first: Array, last: Array) -> Interval:
    """By which share the last steps take longer than the first: logarithms of blocks' medians, with Student's t.

    Args:
        first: (S,) seconds of each step.
        last: (R,) the same.
    """
    one, other = (np.log([np.median(block) for block in np.array_split(each, BLOCKS)]) for each in (first, last))
    reach = t_quantile(0.975, 2 * BLOCKS - 2) * np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / BLOCKS)
    difference = other.mean() - one.mean()
    return Interval(*(float(np.expm1(each)) for each in (difference, difference - reach, difference + reach)))
