"""Seconds from the start of a command's process to what its user waits for."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.speed.worker import ROOT

RECIPE = "counting-grpo-d"
PATIENCE = 120.0
"""Seconds until a run that makes no step is given up."""


def help_seconds(times: int = 5) -> float:
    """`mr1 --help` until it has ended; the median."""
    return median(_help() for _ in range(times))


def first_step_seconds(times: int = 2) -> float:
    """`mr1 train` of the demo's recipe, without evaluation, until its first step is recorded; the median."""
    return median(_first_step() for _ in range(times))


def _help() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mr1", "--help"], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def _first_step() -> float:
    with tempfile.TemporaryDirectory(prefix="mr1-speed-") as folder:
        overrides = [f"output={folder}", "name=start", "evaluation.final_samples=0", "evaluation.every=0"]
        metrics = Path(folder) / "start" / "metrics.jsonl"
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "mr1", "train", RECIPE, *overrides],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not (metrics.is_file() and metrics.stat().st_size):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    raise RuntimeError("mr1 train made no step")
                time.sleep(0.01)
            return time.perf_counter() - start
        finally:
            process.kill()
            process.wait()
