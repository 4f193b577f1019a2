"""The plot of a soak: memory, open files and threads, and step times, over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.soak.verdict import LIMIT, Verdict
from benchmarks.soak.watch import Seen
from mr1.report.drawing import INK, SERIES, smooth
from mr1.study.canvas import Drawing, draw

HEIGHTS = (1.6, 1.0, 1.6)
WINDOW = 25
"""Steps that the line of step times is smoothed over."""
LOOKS: dict[str, dict[str, Any]] = {
    "memory": {"color": SERIES[0], "linestyle": "solid"},
    "files": {"color": SERIES[1], "linestyle": "solid"},
    "threads": {"color": SERIES[2], "linestyle": "solid"},
    "step": {"color": SERIES[3], "linestyle": "solid"},
}


def plot(seen: Sequence[Seen], verdicts: Sequence[Verdict]) -> Drawing:
    """A line for each process; grey is what a verdict allows, from the end of its warm-up on."""

    def paint(panels: Sequence[Axes]) -> None:
        memory, counts, times = panels
        for number in sorted({each.process for each in seen}):
            rows = [each for each in seen if each.process == number]
            steps = [each.step for each in rows]
            seconds = np.array([each.seconds for each in rows])
            memory.plot(steps, [each.memory for each in rows], linewidth=1.2, **LOOKS["memory"])
            counts.plot(steps, [each.files for each in rows], linewidth=0.8, **LOOKS["files"])
            counts.plot(steps, [each.threads for each in rows], linewidth=0.8, **LOOKS["threads"])
            times.plot(steps, seconds, linestyle="none", marker=".", markersize=1.5, alpha=0.25, color=SERIES[3])
            times.plot(steps, smooth(seconds, WINDOW), linewidth=1.2, **LOOKS["step"])
        for each in verdicts:
            x = [each.first, each.last]
            for panel, allowed in ((memory, each.level), (times, each.seconds[0])):
                panel.fill_between(x, allowed, (1 + LIMIT) * allowed, color=INK, alpha=0.25, linewidth=0)
        memory.set_ylabel("memory, MB")
        counts.set_ylabel("count")
        times.set_ylabel("seconds")
        times.set_ylim(top=1.5 * float(np.percentile([each.seconds for each in seen], 99)))
        times.set_xlabel("step")
        for panel in panels:
            panel.set_ylim(bottom=0)

    reading = "Grey is what memory and the median step may grow by, from the end of the warm-up on."
    return draw("soak", "A long run", reading, HEIGHTS, paint, LOOKS)
