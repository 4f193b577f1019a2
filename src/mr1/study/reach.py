"""What a study's methods can still reach: the chance that one of k attempts is right, for k up to 64 or more.

    python -m mr1.study.reach STUDY [KEY=VALUE ...] --methods grpo rl-plus --attempts 64 --samples 256

A method that only brings forward what its model could do before raises pass@1 and leaves pass@k of a large k as it was,
or lowers it: the model's reach has shrunk, and RL-PLUS (arXiv 2508.00222) calls it the collapse of the boundary of its
abilities. The models that the finished runs ended with, and the untrained one, answer the first test samples of their
task so many times each, at temperature 1. Tables and plots are in `OUTPUT/STUDY/reach/`, beside the answers: started
again, it goes on with what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from mr1.errors import UserError, nearest
from mr1.evaluate.outcome import pass_at
from mr1.library import evaluate
from mr1.library.results import EvaluationResult, RunResult
from mr1.report.drawing import INK, SERIES
from mr1.report.html import signed
from mr1.study.canvas import Drawing, draw, interval
from mr1.study.grid import Cell
from mr1.study.results import UNTRAINED
from mr1.study.run import results_so_far
from mr1.study.settings import Study, load_study
from mr1.study.statistics import Array, compare, mean_over_seeds
from mr1.study.tables import Table
from mr1.study.write import write_drawing
from mr1.writing import write_text

FOLDER = "reach"
"""Below the study's results."""

Counts = dict[str, Array]
"""By method: (S, N) how many of its attempts at each sample were right, a row for each seed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the models, print the tables and write them."""
    parser = argparse.ArgumentParser(prog="python -m mr1.study.reach", description="pass@k of a study's methods.")
    parser.add_argument("study", help="its name, or its file")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="put over the study's settings")
    parser.add_argument("--methods", nargs="+", required=True, help="of the study; each is compared with the first")
    parser.add_argument("--attempts", type=int, default=64, help="at each sample; also the largest k")
    parser.add_argument("--samples", type=int, default=256, help="the first so many of the test split")
    given: Any = parser.parse_args(arguments)
    try:
        study = load_study(given.study, given.overrides)
        for task in study.tasks:
            counts = measure(study, task, given.methods, given.samples, given.attempts)
            write(study.folder / FOLDER, task, counts, given.attempts)
    except UserError as error:
        sys.exit(f"error: {error}")


def measure(study: Study, task: str, methods: Sequence[str], samples: int, attempts: int) -> Counts:
    """Right answers of the untrained model and of each method's finished runs on a task.

    Raises:
        UserError: an unknown method; one without a finished run whose checkpoint is still there; fewer than 2 attempts.
    """
    if attempts < 2:
        raise UserError(f"--attempts: {attempts}; 2 is the least of which pass@k can be told")
    placed, _ = results_so_far(study)
    runs = {method: _runs(study, method, task, [cell for cell, _ in placed]) for method in methods}
    first = runs[methods[0]][0].config

    def right(model: str | Path, name: str) -> Array:
        out = study.folder / FOLDER / f"{study.same(task)}-{samples}-{attempts}" / name
        made = evaluate(
            model,
            [study.same(task)],
            split="test",
            samples=samples,
            attempts=attempts,
            max_new_tokens=first.rollout.max_new_tokens,
            prompt=first.evaluation.prompt or first.prompt,
            out=out,
            resume=out.is_dir(),
            quiet=True,
        )
        print(f"{name}: {made!r}", flush=True)
        return _right(made)

    counts = {UNTRAINED: right(first.model, UNTRAINED)[None]}
    for method, cells in runs.items():
        counts[method] = np.stack([right(_checkpoint(cell), cell.run) for cell in cells])
    return counts


def pass_rates(counts: Array, attempts: int, k: int) -> Array:
    """(S, N) pass@k of each sample from (S, N) right attempts."""
    known = np.array([pass_at(k, attempts, correct) for correct in range(attempts + 1)])
    return known[counts.astype(int)]


def ladder(attempts: int) -> list[int]:
    """1, 2, 4, ... and the number of attempts."""
    return sorted({min(2**power, attempts) for power in range(attempts.bit_length() + 1)})


def tables(task: str, counts: Counts, attempts: int) -> list[Table]:
    """pass@k of all, and how far the methods are from the untrained model and from the first of them."""
    ks = ladder(attempts)
    values = [[str(k), *(_mean(pass_rates(of, attempts, k)) for of in counts.values())] for k in ks]
    first, *others = [name for name in counts if name != UNTRAINED]
    pairs = [(name, UNTRAINED) for name in (first, *others)] + [(name, first) for name in others]
    differences = [
        [str(k), *(_difference(*(pass_rates(counts[name], attempts, k) for name in pair)) for pair in pairs)]
        for k in ks
    ]
    shape = counts[first].shape
    reading = f"In %, with 95 % intervals over seeds and samples; {shape[1]} test samples, {attempts} attempts at each."
    return [
        Table(f"pass@k on {task}", reading, ["k", *counts], values),
        Table(
            f"Differences of pass@k on {task}",
            "In points, with 95 % intervals and p of no difference, of each comparison by itself.",
            ["k", *(f"{one} less {other}" for one, other in pairs)],
            differences,
        ),
    ]


def drawing(task: str, counts: Counts, attempts: int) -> Drawing:
    """pass@k against k."""
    colours = [INK, *(SERIES[number % len(SERIES)] for number in range(len(counts) - 1))]
    legend: dict[str, dict[str, Any]] = {name: {"color": colour} for name, colour in zip(counts, colours, strict=True)}
    ks = ladder(attempts)

    def paint(axes: Sequence[Axes]) -> None:
        (panel,) = axes
        for place, (name, of) in enumerate(counts.items()):
            places = [k * (1 + 0.05 * (place - (len(counts) - 1) / 2)) for k in ks]  # side by side, to be told apart
            means = [mean_over_seeds(pass_rates(of, attempts, k)) for k in ks]
            for x, mean in zip(places, means, strict=True):
                interval(panel, x, 100 * mean.value, 100 * mean.low, 100 * mean.high, across=False, **legend[name])
            panel.plot(places, [100 * mean.value for mean in means], **legend[name])
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("attempts k")
        panel.set_ylabel("pass@k (%)")

    reading = "Mean over seeds, with 95 % intervals over seeds and samples."
    return draw(f"pass-at-k-{task}", f"pass@k on {task}", reading, [3.4], paint, legend)


def write(folder: Path, task: str, counts: Counts, attempts: int) -> None:
    """Print the tables, and write them and the plot."""
    text = "\n".join(table.markdown() for table in tables(task, counts, attempts))
    print(f"\n{text}")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{task}.md", text)
    write_drawing(folder, drawing(task, counts, attempts))


def _runs(study: Study, method: str, task: str, finished: Sequence[Cell]) -> list[Cell]:
    """The finished runs of a method on a task in the grid, by seed."""
    if method not in study.methods:
        raise UserError(f"--methods: unknown '{method}'{nearest(method, study.methods)}")
    runs = [cell for cell in finished if (cell.method, cell.task, cell.sweep) == (method, task, "")]
    if not runs:
        raise UserError(f"--methods: no run of {method} on {task} is done yet; run the study first")
    return runs


def _checkpoint(cell: Cell) -> Path:
    """What a run ended with."""
    last = RunResult(cell.config.folder).checkpoint
    if last is None:
        raise UserError(f"{cell.config.folder} has no checkpoint any more; remove the folder and run the study again")
    return last


def _right(made: EvaluationResult) -> Array:
    """(N,) right attempts at each sample, in the samples' order."""
    return made.outcomes.groupby("id", sort=True)["correct"].sum().to_numpy(dtype=np.float64)


def _mean(rates: Array) -> str:
    mean = mean_over_seeds(rates)
    return f"{100 * mean.value:.1f} ({100 * mean.low:.1f} to {100 * mean.high:.1f})"


def _difference(one: Array, other: Array) -> str:
    found = compare(one, other)
    low, high = signed(100 * found.low, 1), signed(100 * found.high, 1)
    return f"{signed(100 * found.difference, 1)} ({low} to {high}), p {found.p:.2g}"


if __name__ == "__main__":
    main()
