"""Kill one run again and again (SIGKILL), at random moments; compare what it leaves with a run that nobody killed.

    python -m benchmarks.kills --kills 50 --seed 0

The kills go round the phases of a run: while a checkpoint is written, in a step, in an evaluation, while it starts; the
last one is in the evaluation after training. After each the run is started by the same command, with --resume. Both
runs are `mr1 train` on the bundled model. Metrics (without the times), samples, evaluations and the last checkpoints'
weights must be equal, and nothing else may be left; else the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from mr1.report.reading import Reader
from mr1.tables import numbered

PHASES = ("checkpoint", "step", "evaluation", "start")
SETTINGS = (
    *("method=grpo", "kl.weight=0.01", "task=counting", "prompts_per_step=2", "rollout.group_size=4"),
    *("rollout.max_new_tokens=24", "checkpoint.every=1", "evaluation.every=1", "evaluation.samples=4"),
    *("evaluation.final_samples=8", "evaluation.tasks=[counting]"),
)
WRITING = 0.05
"""Seconds within which a checkpoint is killed once its writing has begun."""


@dataclass
class Pace:
    """Seconds that the parts of a run take, by the run that nobody killed."""

    start: float
    evaluation: float
    step: float


class Subject:
    """A run that can be started, watched by its folder, and killed."""

    def __init__(self, context: ForkServerContext, output: Path, steps: int) -> None:
        self.context, self.output, self.folder = context, output, output / "run"
        self.settings = [*SETTINGS, f"steps={steps}", f"output={output}", "name=run"]

    def start(self) -> ForkServerProcess:
        """`mr1 train`, whether there is a checkpoint or not."""
        recipe = self.output / "recipe.yaml"
        recipe.parent.mkdir(exist_ok=True)
        recipe.write_text("")
        arguments = ["train", str(recipe), *self.settings, "--resume"]
        process = self.context.Process(target=mr1_command, args=(arguments, self.output / "log.txt"))
        process.start()
        return process

    def saved(self) -> list[str]:
        """The names of its checkpoints."""
        with suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self.folder / "checkpoints") if name.startswith("step-"))  # noqa: PTH208
        return []

    def drafts(self, of: str) -> set[int]:
        """What is being written, or was when the run was killed: files and folders of a pattern, by their inodes."""
        found = set()
        for path in self.folder.glob(of):
            with suppress(FileNotFoundError):
                found.add(path.stat().st_ino)
        return found


def mr1_command(arguments: list[str], log: Path) -> None:
    """What the `mr1` command does, in a process of its own; what it says goes to a file."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["mr1", *arguments]
    from mr1.cli import main

    main()


def unbroken(subject: Subject) -> Pace:
    """Let a run come to its end, and take its times."""
    began = time.perf_counter()
    process = subject.start()
    while process.is_alive() and not (subject.folder / "metrics.jsonl").exists():
        time.sleep(0.001)
    started = time.perf_counter() - began
    process.join()
    if process.exitcode:
        raise RuntimeError((subject.output / "log.txt").read_text())
    lines = metrics(subject.folder)
    phases = ("time/rollout", "time/reward", "time/score", "time/update")
    return Pace(
        start=started,
        evaluation=median(line["time/evaluation"] for line in lines),
        step=median(sum(line[phase] for phase in phases) for line in lines),
    )


def moment(phase: str, subject: Subject, pace: Pace, rng: random.Random) -> tuple[Callable[[], bool], float]:
    """What a kill in a phase waits for, and the seconds behind that."""
    if phase == "start":
        return (lambda: True), rng.uniform(0, pace.start)
    saved, later = subject.saved(), rng.uniform(0, pace.evaluation)
    if phase == "checkpoint":
        draft, later = "checkpoints/.step-*", rng.uniform(0, WRITING)
    elif phase == "after" or (phase == "evaluation" and not saved):
        draft = f"samples/.{'after' if saved else 'before'}.parquet"
    else:  # a step begins with an evaluation, behind the checkpoint of the one before
        if phase == "step":
            later = pace.evaluation + rng.uniform(0, pace.step)
        return (lambda: subject.saved() != saved), later
    left = subject.drafts(draft)
    return (lambda: bool(subject.drafts(draft) - left)), later


def broken(subject: Subject, kills: int, pace: Pace, seed: int) -> Counter[str]:
    """Kill a run so often, then let it come to its end; returns the kills by phase."""
    rng, done = random.Random(seed), Counter[str]()
    for number in range(kills):
        phase = "after" if number == kills - 1 and kills > len(PHASES) else PHASES[number % len(PHASES)]
        process = subject.start()
        due, later = moment(phase, subject, pace, rng)
        while process.is_alive() and not due():
            time.sleep(0.001)
        process.join(later)
        if process.is_alive():
            process.kill()
            done[phase] += 1
        process.join()
        if process.exitcode not in (0, -9):
            raise RuntimeError((subject.output / "log.txt").read_text())
    process = subject.start()
    process.join()
    if process.exitcode:
        raise RuntimeError((subject.output / "log.txt").read_text())
    return done


def metrics(folder: Path) -> list[dict[str, Any]]:
    """A run's metrics."""
    return Reader(folder).lines("metrics.jsonl")


def differences(one: Path, other: Path) -> list[str]:
    """What two runs' folders don't have in common, of all that a run must come to."""
    found = []
    untimed = [
        [{key: value for key, value in line.items() if not key.startswith("time/")} for line in metrics(folder)]
        for folder in (one, other)
    ]
    if untimed[0] != untimed[1]:
        found.append("metrics.jsonl")
    names = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (one, other)]
    found += [f"{name} is there in one of them" for name in sorted(names[0] ^ names[1])]
    common = names[0] & names[1]
    for name in sorted(common):
        if name.endswith(".parquet") and not pq.read_table(one / name).equals(pq.read_table(other / name)):
            found.append(name)
        exact = name == "evaluation.json" or name.endswith(".safetensors")
        if exact and (one / name).read_bytes() != (other / name).read_bytes():
            found.append(name)
    return found


def measure(kills: int, seed: int, steps: int | None = None) -> dict[str, Any]:
    """Both runs; what they come to."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mr1.cli", "mr1.train.loop", "mr1.library.training"])
    ready = context.Process(target=time.sleep, args=(0,))  # what is imported first isn't part of a start
    ready.start()
    ready.join()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = [Subject(context, Path(folder) / name, steps or kills + 2) for name in ("unbroken", "broken")]
        pace = unbroken(runs[0])
        done = broken(runs[1], kills, pace, seed)
        return {
            "kills": done.total(),
            "by_phase": dict(done),
            "seed": seed,
            "steps": len(metrics(runs[1].folder)),
            "samples": len(numbered(runs[1].folder / "samples", "step-")),
            "differences": differences(runs[0].folder, runs[1].folder),
            "seconds": round(time.perf_counter() - began),
        }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how many (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="other moments for another seed (default: 0)")
    arguments = parser.parse_args()
    result = measure(arguments.kills, arguments.seed)
    print(json.dumps(result, indent=2))
    sys.exit(1 if result["differences"] or not result["kills"] else 0)


if __name__ == "__main__":
    main()
