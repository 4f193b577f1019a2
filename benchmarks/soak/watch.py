"""One `mr1 train` in a process of its own, and what the system says of it after each of its steps.

The run is an ordinary one, with its rows and images read from files, evaluations, checkpoints and recorded samples. Its
learning rate is so small that all steps have the same work: a run that learns to write shorter answers gets faster,
and that is none of what is asked here.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mr1.data.example import write_example
from mr1.report.reading import Reader
from mr1.train.interrupt import Interrupt

SETTINGS = (
    *("prompts_per_step=2", "rollout.group_size=4", "rollout.max_new_tokens=32", "optimizer.learning_rate=1e-9"),
    *("evaluation.every=50", "evaluation.samples=8", "evaluation.final_samples=8", "checkpoint.every=50"),
    "image_cache=0",  # images are read from their files at every step
)
PHASES = ("rollout", "reward", "score", "update")
SEEN = "seen.jsonl"
POLL = 0.01
"""Seconds between two looks at the run's metrics."""


@dataclass(frozen=True)
class Seen:
    """What was seen right after a step, when a new line stood in `metrics.jsonl`."""

    process: int
    """Which of the processes that have gone on with the run, from 0."""
    step: int
    seconds: float
    """That the step took, without evaluation and checkpoint."""
    cpu: float
    """Seconds of processor time that the process has taken so far."""
    memory: float
    """Resident, in MB (10^6 bytes): of the process and those that it has started."""
    files: int
    """Open ones, sockets and pipes among them."""
    threads: int


class Metrics:
    """The lines that a run adds to its `metrics.jsonl`, as they appear."""

    def __init__(self, folder: Path) -> None:
        """Before the run starts: it goes on from its last checkpoint, and writes the file anew up to there."""
        self.path = folder / "metrics.jsonl"
        saved = [int(path.name[5:]) for path in folder.glob("checkpoints/step-*") if path.name[5:].isdigit()]
        self._first, self._before, self._offset = max(saved, default=0), self._changed(), 0

    def new(self) -> list[dict[str, Any]]:
        """What this process of the run has added since the last look."""
        if not self._offset and self._changed() == self._before:
            return []
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole + end)
        return [line for line in map(json.loads, whole.splitlines()) if line["step"] >= self._first]

    def _changed(self) -> int | None:
        return self.path.stat().st_mtime_ns if self.path.exists() else None


def look(process: int) -> dict[str, Any]:
    """Processor time, resident memory, open files and threads of a process, from `/proc`. Raises OSError if it ended.

    Of processes that it has started, such as the judge's workers, the memory counts alone.
    """
    own = Path(f"/proc/{process}")
    times = (own / "stat").read_text().rpartition(")")[2].split()[11:13]
    return {
        "cpu": sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
        "memory": resident(process) / 1e6,
        "files": len(os.listdir(own / "fd")),  # noqa: PTH208
        "threads": len(os.listdir(own / "task")),  # noqa: PTH208
    }


def resident(process: int) -> int:
    """Bytes of memory that a process, and those that it has started, have in RAM."""
    own = Path(f"/proc/{process}")
    pages = int((own / "statm").read_text().split()[1])
    total = pages * os.sysconf("SC_PAGE_SIZE")
    for task in own.glob("task/*/children"):
        with suppress(OSError):  # it has just ended
            total += sum(resident(int(child)) for child in task.read_text().split())
    return total


def read(folder: Path) -> list[Seen]:
    """All that was seen so far, by every process."""
    return [Seen(**line) for line in Reader(folder).lines(SEEN)]


def watch(folder: Path, steps: int, seconds: float = math.inf, settings: Sequence[str] = SETTINGS) -> bool:
    """Start the run below `folder`, or go on with it, and add what is seen to `seen.jsonl`.

    Args:
        folder: of the run and its data; made where it is missing.
        steps: of the whole run.
        seconds: after so long, or at a signal, the run is asked to stop; it saves a checkpoint first.
        settings: of the run, over the recipe own-jsonl.

    Returns:
        Whether the run has come to its end.

    Raises:
        RuntimeError: it ended with an error.
    """
    if not (folder / "data").exists():
        write_example(folder / "data")
    number = max((seen.process for seen in read(folder)), default=-1) + 1
    of_run = [f"steps={steps}", "name=run", f"output={folder}", f"sources.own.path={folder / 'data/problems.jsonl'}"]
    command = [sys.executable, "-m", "mr1", "train", "own-jsonl", *settings, *of_run, "--resume"]
    metrics, end, asked = Metrics(folder / "run"), time.monotonic() + seconds, False
    with Interrupt() as interrupt, (folder / "log.txt").open("ab") as log, (folder / SEEN).open("a") as out:
        # In a session of its own Ctrl-C reaches the run once, through here.
        run = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        while run.poll() is None:
            for line in metrics.new():
                with suppress(OSError):
                    took = sum(line[f"time/{phase}"] for phase in PHASES)
                    seen = Seen(number, line["step"], round(took, 4), **look(run.pid))
                    print(json.dumps(asdict(seen)), file=out, flush=True)
            if not asked and (interrupt.asked or time.monotonic() > end):
                run.send_signal(signal.SIGTERM)
                asked = True
            time.sleep(POLL)
    if run.returncode not in (0, 128 + signal.SIGTERM):
        raise RuntimeError(f"the run ended with {run.returncode}:\n{(folder / 'log.txt').read_text()[-2000:]}")
    return run.returncode == 0
