"""What a study would take: its runs, each with its time and memory, before any of them is started.

Memory is the estimate of `mr1 estimate`. Time is measured: of runs like it that are done, or else by a short trial of
each method on each task, on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from mr1.config import Config, dump_config
from mr1.errors import UserError
from mr1.estimate.sizes import in_words
from mr1.report.console import Console
from mr1.report.page import duration
from mr1.report.reading import Reader, read_metrics
from mr1.study.fair import samples_seen
from mr1.study.grid import Cell, first_candidates, runs_of, study_cells, tuning_cells
from mr1.study.run import check_study, finished, run_child, seconds_of, share_of_machine
from mr1.study.settings import Study

STEPS = 4
"""Of a trial. The first is left out: much is made only once."""
SAMPLES = 64
"""Of a trial's evaluation."""

Like = tuple[str, str]
"""Method and trained task: runs that have both take about as long."""


@dataclass(frozen=True)
class Cost:
    """What runs of a method on a task take."""

    seconds: float | None
    """None where it can't be known here."""
    memory: int | None
    """Bytes at the peak."""
    why: str = ""
    """Why something isn't known."""


def dry_table(study: Study, jobs: int, console: Console) -> tuple[Table, str]:
    """A row for each run, and what the whole takes.

    Raises:
        UserError: the study can't be run, or would not be fair.
    """
    check_study(study)
    cells = [*runs_of([*tuning_cells(study), *study_cells(study, first_candidates(study))])]
    done = {cell.run for cell, _ in finished(cells)}
    costs = _costs(cells, jobs, console)
    table = Table(title=f"{study.name}: {len(cells)} runs, {len(done)} of them done")
    for name in ("run", "samples", "steps", "time", "memory"):
        table.add_column(name, justify="left" if name == "run" else "right")
    for cell in cells:
        cost = costs[cell.method, cell.task]
        tuned = " (as tuned)" if cell.candidate is None and study.methods[cell.method].tune else ""
        table.add_row(
            cell.title + tuned,
            f"{samples_seen(cell.config):,}",
            f"{cell.config.steps:,}",
            "done" if cell.run in done else _time(cost.seconds),
            "?" if cost.memory is None else in_words(cost.memory),
        )
    return table, "\n".join(
        [_whole(cells, done, costs, jobs), *sorted({cost.why for cost in costs.values() if cost.why})]
    )


def _whole(cells: Iterable[Cell], done: set[str], costs: Mapping[Like, Cost], jobs: int) -> str:
    left = [costs[cell.method, cell.task].seconds for cell in cells if cell.run not in done]
    if not left:
        return "all runs are done"
    known = [seconds for seconds in left if seconds is not None]
    if len(known) < len(left):
        return f"{len(left)} runs are left; how long they take can't be known here"
    return f"{len(left)} runs are left: about {duration(sum(known) / jobs)}, {jobs} at a time"


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else duration(seconds)


def _costs(cells: list[Cell], jobs: int, console: Console) -> dict[Like, Cost]:
    """By method and task, of the first run of each: runs of its sweeps are taken to be like it."""
    seconds: dict[Like, list[float]] = {}
    for cell, record in finished(cells):
        seconds.setdefault((cell.method, cell.task), []).append(seconds_of(record))
    costs: dict[Like, Cost] = {}
    for cell in cells:
        like = (cell.method, cell.task)
        if like in costs:
            continue
        with console.status(f"looking at {cell.method} on {cell.task}"):
            cost = _memory(cell.config)
            if like in seconds:
                cost = replace(cost, seconds=fmean(seconds[like]))
            elif cost.memory is not None:
                cost = _timed(cell.config, cost, jobs)
        costs[like] = cost
    return costs


def _memory(config: Config) -> Cost:
    import torch

    from mr1.estimate.step import estimate

    try:
        return Cost(None, estimate(config, "gpu" if torch.cuda.is_available() else "cpu").peak)
    except UserError as error:
        return Cost(None, None, f"{config.model}: {error}")


def _timed(config: Config, cost: Cost, jobs: int) -> Cost:
    """The cost with what a run takes by a short trial: its steps, and its evaluations by their samples."""
    with TemporaryDirectory() as folder:
        trial = _trial(config, folder)
        settings = Path(folder) / "trial.yaml"
        settings.write_text(dump_config(trial), encoding="utf-8")
        began = time.monotonic()
        with (Path(folder) / "log").open("w+b") as log:
            code = run_child(settings, log, share_of_machine(0, jobs)).wait()
            log.seek(0)
            said = log.read().decode("utf-8", "replace").strip().splitlines()
        if code:
            return replace(cost, why=f"a trial of {config.method.name} failed: {said[-1] if said else code}")
        whole = time.monotonic() - began
        lines = read_metrics(Reader(trial.folder))
    return replace(cost, seconds=_reckoned(config, trial, lines, whole))


def _trial(config: Config, folder: str) -> Config:
    """A short run with the same steps, and one evaluation."""
    steps = STEPS * config.updates_per_rollout
    short = {"every": steps, "samples": SAMPLES, "final_samples": 0}
    return config.model_copy(
        update={
            "name": "trial",
            "output": folder,
            "steps": steps,
            "evaluation": config.evaluation.model_copy(update=short),
            "checkpoint": config.checkpoint.model_copy(update={"every": 0, "keep_best": False}),
        }
    )


def _reckoned(config: Config, trial: Config, lines: list[dict[str, Any]], whole: float) -> float:
    """Seconds of a whole run from a trial's metrics and what it took in all, the start of its process included."""
    per_step = fmean(
        sum(value or 0.0 for key, value in line.items() if key.startswith("time/") and key != "time/evaluation")
        for line in lines[1:]
    )
    per_sample = lines[0]["time/evaluation"] / trial.evaluation.samples
    evaluation = config.evaluation
    points = -(-config.steps // evaluation.every) if evaluation.every else 0
    start = whole - sum(value or 0.0 for line in lines for key, value in line.items() if key.startswith("time/"))
    return start + config.steps * per_step + (points * evaluation.samples + 2 * evaluation.final_samples) * per_sample
