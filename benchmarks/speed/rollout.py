"""MR1's rollout beside transformers' `generate` on the same work."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed.work import Work, prepare
from benchmarks.speed.worker import running


def measure_rollout(work: Work, rounds: int = 3) -> dict[str, Any]:
    """Rounds of each in turns, after one that warms up.

    Returns:
        `work`, `seconds` by way, `best` (which of generate's ways is fastest by its median), and `ratio`: its time over
        MR1's, as `median`, `low` and `high` of the rounds.
    """
    with tempfile.TemporaryDirectory(prefix="mr1-speed-") as name:
        prepare(work, Path(name), steps=1 + rounds)
        with running("generate", Path(name)) as worker:
            worker.ready()
            steps = [worker.step() for _ in range(1 + rounds)][1:]
    seconds = {way: [step[way] for step in steps] for way in steps[0]}
    best = min((way for way in seconds if way != "mr1"), key=lambda way: median(seconds[way]))
    each = [theirs / ours for ours, theirs in zip(seconds["mr1"], seconds[best], strict=True)]
    ratio = {"median": median(each), "low": min(each), "high": max(each)}
    return {"work": asdict(work), "seconds": seconds, "best": best, "ratio": ratio}
