"""Which of TRL's settings are fastest here: each in its own process, steps in turns. Writes `trl_settings.json`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from benchmarks.speed.pairs import CHOSEN
from benchmarks.speed.work import Work, prepare
from benchmarks.speed.worker import running

FUSED = {"optimizer": "adamw_torch_fused"}
CANDIDATES: list[dict[str, Any]] = [
    {"tokens_per_pass": None, "cache": None} | FUSED,
    {"tokens_per_pass": 2800, "cache": None} | FUSED,
    {"tokens_per_pass": 1400, "cache": None} | FUSED,
    {"tokens_per_pass": 700, "cache": None} | FUSED,
    {"tokens_per_pass": 700, "cache": "static"} | FUSED,
    {"tokens_per_pass": 700, "cache": None, "optimizer": "adamw_torch"},
]
WORKS = (Work(), Work(pixels=448), Work(new_tokens=512))


def step_seconds(work: Work, candidates: Sequence[dict[str, Any]], rounds: int) -> list[float]:
    """The median step of each candidate, after a step of warm-up."""
    with tempfile.TemporaryDirectory(prefix="mr1-speed-") as name, ExitStack() as stack:
        folder = Path(name)
        prepare(work, folder, steps=rounds + 3)
        workers = [stack.enter_context(running("trl", folder, json.dumps(each))) for each in candidates]
        for worker in workers:
            worker.ready()
        steps = [[worker.step()["seconds"] for worker in workers] for _ in range(1 + rounds)][1:]
    return [median(each) for each in zip(*steps, strict=True)]


def tune(works: Sequence[Work] = WORKS, rounds: int = 2) -> dict[str, Any]:
    """Try all candidates on all works; choose the one that is fastest on their geometric mean.

    Returns:
        `chosen`, and `tried`: each candidate with its step's time over the chosen one's, by work.
    """
    times = {work.differs(): step_seconds(work, CANDIDATES, rounds) for work in works}
    means = [geometric_mean(each) for each in zip(*times.values(), strict=True)]
    best = means.index(min(means))
    tried = [
        settings | {"step_over_chosen": {work: round(each[index] / each[best], 3) for work, each in times.items()}}
        for index, settings in enumerate(CANDIDATES)
    ]
    result = {"chosen": CANDIDATES[best], "tried": tried}
    CHOSEN.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result
