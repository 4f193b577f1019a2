"""MR1 and TRL on the same work, step by step in turns: A B A B ..., each in its own process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.speed.meter import PHASES
from benchmarks.speed.work import Work, on_gpu, prepare
from benchmarks.speed.worker import Worker, running

CHOSEN = Path(__file__).with_name("trl_settings.json")
SIDES = ("mr1", "trl")
SHOWN = ("seconds", *PHASES, "score+update", "memory")


def measure_pairs(
    work: Work,
    pairs: int = 3,
    trl: dict[str, Any] | None = None,
    sides: Sequence[str] = SIDES,
    count: bool = True,
    mr1: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Pairs of steps, then one step of each side for its counts.

    Each side's first step is a warm-up and is left out.

    Args:
        work: the setting.
        pairs: how many steps of each side are kept.
        trl: TRL's settings (`trl_side.Settings`); None for those that were found to be fastest.
        sides: which of them; ratios need both.
        count: whether the step for the counts is made.
        mr1: settings put over MR1's defaults.

    Returns:
        `work`; `facts`, `steps` and `counts`, each by side; `ratios`: what TRL takes over what MR1 takes, for each of
        `SHOWN`, as `median`, `low` and `high` of the pairs.
    """
    settings = chosen_settings() if trl is None else trl
    with tempfile.TemporaryDirectory(prefix="mr1-speed-") as name:
        folder = Path(name)
        # TRL loads a batch ahead, and its last step is told of when the next would begin.
        prepare(work, folder, steps=pairs + 4)
        with ExitStack() as stack:
            options: dict[str, list[str]] = {"mr1": [json.dumps(mr1 or {})], "trl": [json.dumps(settings)]}
            workers = {side: stack.enter_context(running(side, folder, *options[side])) for side in sides}
            facts = {side: worker.ready() for side, worker in workers.items()}
            rounds = [_round(workers, "time") for _ in range(1 + pairs)][1:]
            counted = _round(workers, "count") if count else {}
    steps = {side: [each[side] for each in rounds] for side in sides}
    return {
        "work": asdict(work),
        "facts": facts,
        "steps": steps,
        "counts": {side: step["counts"] for side, step in counted.items()},
        "ratios": ratios(steps["mr1"], steps["trl"]) if len(sides) > 1 else {},
    }


def chosen_settings() -> dict[str, Any]:
    """TRL's fastest settings. A GPU gets whole steps: small passes are for a processor's cache."""
    settings: dict[str, Any] = json.loads(CHOSEN.read_text(encoding="utf-8"))["chosen"]
    return settings | ({"tokens_per_pass": None} if on_gpu() else {})


def ratios(mr1: Sequence[dict[str, Any]], trl: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """TRL over MR1, pair by pair."""
    result = {}
    for what in SHOWN:
        each = [value(theirs, what) / max(value(ours, what), 1e-9) for ours, theirs in zip(mr1, trl, strict=True)]
        result[what] = {"median": median(each), "low": min(each), "high": max(each)}
    return result


def value(step: dict[str, Any], what: str) -> float:
    """A figure of `SHOWN` of one step: seconds, or bytes."""
    if what == "seconds":
        return float(step["seconds"])
    if what == "memory":
        return float(step["peak"]["beyond_imports"])
    return float(sum(step["phases"][phase] for phase in what.split("+")))


def typical(steps: Sequence[dict[str, Any]], what: str) -> float:
    """The median over steps."""
    return median(value(step, what) for step in steps)


def pairs_table(result: dict[str, Any]) -> Table:
    """Seconds, memory and ratios of one work."""
    table = Table(title=f"{Work(**result['work']).differs()}: TRL over MR1")
    for header in ("", "MR1", "TRL", "ratio", "range"):
        table.add_column(header, justify="left" if not header else "right")
    for what in SHOWN:
        ours, theirs = (typical(result["steps"][side], what) for side in SIDES)
        cells = [f"{x / 2**20:.0f} MiB" if what == "memory" else f"{x:.3f} s" for x in (ours, theirs)]
        ratio = result["ratios"][what]
        table.add_row(what, *cells, f"{ratio['median']:.2f}", f"{ratio['low']:.2f} to {ratio['high']:.2f}")
    return table


def counts_table(result: dict[str, Any]) -> Table:
    """Work counts of one step, by phase, MR1 / TRL."""
    names = list(next(iter(result["counts"]["mr1"].values())))
    table = Table("phase", *(name.replace("_", " ") for name in names), title="work counts: MR1 / TRL")
    for phase in PHASES:
        both = [result["counts"][side].get(phase, {}) for side in SIDES]
        if any(both):
            table.add_row(phase, *(" / ".join(str(each.get(name, 0)) for each in both) for name in names))
    return table


def _round(sides: dict[str, Worker], command: str) -> dict[str, dict[str, Any]]:
    """A step of each side, one after the other."""
    return {side: worker.step(command) for side, worker in sides.items()}
