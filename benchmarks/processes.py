"""The same run by one, two and four processes: what differs, step by step, and how the steps' times go with them.

    python -m benchmarks.processes FOLDER                 # trajectories; draws FOLDER/processes.png
    python -m benchmarks.processes FOLDER --counts 1 2    # fewer processes

The runs train on counting and on rows without images in turns, some of which can't be used; all weights, then low-rank
ones. One process samples, scores and learns from whole batches; several divide them, so that sums are made in another
order. In float32 that alone differs, by rounding, until a rounded probability turns a sampled token into another.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from mr1.report.drawing import SERIES, STYLE

FIGURES = ("loss", "kl", "entropy", "grad_norm", "reward/total")
NOTHING = 1e-4
"""What a figure below this, such as the loss on one's own samples, differs by is taken as a share of this."""
KINDS: dict[str, list[str]] = {"all weights": [], "low-rank weights": ["lora.rank=8", "optimizer.learning_rate=1e-3"]}
SETTINGS = (
    "prompts_per_step=8",
    "rollout.group_size=8",
    "rollout.max_new_tokens=32",
    "tokens_per_microbatch=1024",
    "evaluation.every=0",
    "evaluation.final_samples=64",
    "data.max_unusable=1.0",
    "task=[words, counting]",
)


def write_words(path: Path) -> None:
    """Rows without images; one in six holds a special token and is left out."""
    rows = [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a in range(6) for b in range(6)]
    rows = [row | {"question": "<|im_end|>"} if number % 6 == 5 else row for number, row in enumerate(rows)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def train(folder: Path, kind: str, count: int, steps: int) -> Path:
    """One run, if it isn't there yet; returns its folder."""
    name = f"{kind.partition(' ')[0]}-{count}"
    if not (folder / name / "report.html").is_file():
        words = folder / "words.jsonl"
        write_words(words)
        given = [f"steps={steps}", f"name={name}", f"output={folder}", f"sources.words.path={words}"]
        command = ["launch", "--processes", str(count)] if count > 1 else ["train"]
        own = [*command, "counting-grpo-d", *SETTINGS, *KINDS[kind], *given]
        own += ["--", "--overwrite"] if count > 1 else ["--overwrite"]
        # As many threads in all, so that times compare.
        threads = str(max(1, (os.cpu_count() or 1) // count))
        subprocess.run([sys.executable, "-m", "mr1", *own], env=os.environ | {"OMP_NUM_THREADS": threads}, check=True)
    return folder / name


def compare(run: Path, other: Path) -> dict[str, Any]:
    """How far apart two runs are.

    Returns:
        `differences`, by figure and step, as shares of the larger; `same`, the share of each step's completions that
        are equal to the letter; `accuracy`, after training, of both.
    """
    lines, others = (read_metrics(each) for each in (run, other))
    differences = {
        name: [_apart(line.get(name), that.get(name)) for line, that in zip(lines, others, strict=True)]
        for name in FIGURES
    }
    same = []
    for path in sorted((run / "samples").glob("step-*.parquet")):
        mine, theirs = (pq.read_table(each / "samples" / path.name)["completion"].to_pylist() for each in (run, other))
        same.append(sum(a == b for a, b in zip(mine, theirs, strict=True)) / len(mine))
    accuracy = [
        {task: each["accuracy"] for task, each in json.loads((one / "evaluation.json").read_text())["after"].items()}
        for one in (run, other)
    ]
    return {"differences": differences, "same": same, "accuracy": accuracy}


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def _apart(value: float | None, other: float | None) -> float:
    if value is None or other is None:
        return 0.0 if value is other else math.inf
    return abs(value - other) / max(abs(value), abs(other), NOTHING)


def draw(found: Mapping[str, Mapping[int, Mapping[str, Any]]], path: Path) -> None:
    """A panel for each kind of weights, a line for each number of processes: the largest difference of any figure."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        for axes, (kind, by_count) in zip(figure.subplots(1, len(found), sharey=True), found.items(), strict=True):
            for (count, result), colour in zip(by_count.items(), SERIES, strict=False):
                worst = np.max([*result["differences"].values()], axis=0)
                axes.semilogy(np.maximum(worst, 1e-9), color=colour, label=f"{count} processes")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_title(kind)
            axes.set_xlabel("step")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.axes[0].set_ylabel("largest relative difference\nfrom one process")
        figure.axes[0].legend()
        figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for kind in KINDS:
        runs = {count: train(given.folder.resolve(), kind, count, given.steps) for count in given.counts}
        one = given.counts[0]
        found[kind] = {count: compare(runs[one], runs[count]) for count in given.counts[1:]}
        _say(kind, found[kind], runs)
    draw(found, given.folder / "processes.png")


def _say(kind: str, by_count: Mapping[int, Mapping[str, Any]], runs: Mapping[int, Path]) -> None:
    for count, run in runs.items():
        lines = read_metrics(run)[1:]
        times = [sum(value for name, value in line.items() if name.startswith("time/")) for line in lines]
        print(f"{kind}, {count} processes: {np.median(times):.2f} s a step (median)")
    for count, result in by_count.items():
        worst = {name: max(values) for name, values in result["differences"].items()}
        print(
            f"{kind}, {count} processes: completions equal {min(result['same']):.1%} (worst step); largest difference"
        )
        print("   " + ", ".join(f"{name} {value:.1e}" for name, value in worst.items()))
        print(f"   accuracy after: {result['accuracy'][1]}; with {min(runs)}: {result['accuracy'][0]}")


if __name__ == "__main__":
    main()
