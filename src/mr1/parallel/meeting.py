"""Where processes meet as a step ends."""

from __future__ import annotations

from collections.abc import Mapping

from mr1.parallel import ranks
from mr1.train.interrupt import Interrupt


def end_of_step(counts: Mapping[str, float], interrupt: Interrupt) -> dict[str, float]:
    """Tell the other processes, where there are any, what this one has counted in a step, and whether to stop.

    Args:
        counts: this process's.
        interrupt: which a signal to another process is passed on to.

    Returns:
        What all have counted; and, of several, each one's seconds of waiting for the others.
    """
    if not ranks.several():
        return dict(counts)
    told = ranks.gather((dict(counts), ranks.waited(), interrupt.number), "the end of the step")
    signals = [number for _, _, number in told if number is not None]
    if signals and not interrupt.asked:
        interrupt.number = signals[0]
    names = dict.fromkeys(name for each, _, _ in told for name in each)
    sums = {name: sum(each.get(name, 0) for each, _, _ in told) for name in names}
    return sums | {f"waiting/{rank}": round(seconds, 4) for rank, (_, seconds, _) in enumerate(told)}
