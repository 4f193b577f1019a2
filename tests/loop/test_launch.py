"""Processes that `mr1 launch` has started: killed, started again, asked to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mr1.cli import app

pytestmark = pytest.mark.loop

SHORT = (
    *("steps=500", "prompts_per_step=2", "rollout.group_size=2", "rollout.max_new_tokens=16"),
    *("evaluation.every=0", "evaluation.final_samples=0", "checkpoint.every=1"),
)


def until(done: Callable[[], bool], launcher: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not done():
        assert launcher.poll() is None, "it has ended"
        assert time.monotonic() < end
        time.sleep(0.1)


def processes_of(launcher: int) -> list[int]:
    tasks = Path(f"/proc/{launcher}/task").glob("*/children")
    return [int(child) for file in tasks for child in file.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes by /proc")
def test_a_killed_process_has_all_start_again_and_a_signal_reaches_all(tmp_path: Path) -> None:
    metrics, said = tmp_path / "run" / "metrics.jsonl", tmp_path / "said"

    def steps() -> list[int]:
        return [json.loads(line)["step"] for line in metrics.read_text().splitlines()] if metrics.exists() else []

    command = ["launch", "--processes", "2", "--restarts", "1", "counting-grpo-d", *SHORT, f"output={tmp_path}"]
    with said.open("wb") as file:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "mr1", *command, "name=run", "--", "--resume"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=file,
            stderr=file,
        )
        until(lambda: len(steps()) >= 2, launcher)
        os.kill(processes_of(launcher.pid)[-1], signal.SIGKILL)
        until(lambda: b"all start again (1 times more)" in said.read_bytes(), launcher)
        before = len(steps())
        until(lambda: len(steps()) > before, launcher)
        launcher.terminate()
        assert launcher.wait(120) == 128 + signal.SIGTERM, said.read_text()[-3000:]
    assert steps() == [*range(len(steps()))]
    assert (tmp_path / "run" / "checkpoints" / f"step-{len(steps()):06d}").is_dir()
    assert said.read_text().count("saved up to step") >= 1


def test_the_command_for_torchrun_is_shown() -> None:
    shown = CliRunner().invoke(app, ["launch", "--processes", "2", "--dry", "my.yaml", "seed=1", "--", "--resume"])
    assert shown.output.rstrip().endswith("--nproc-per-node 2 --standalone -m mr1 train my.yaml seed=1 --resume")
    two = ["launch", "--processes", "8", "--nodes", "2", "--check", "--dry", "my.yaml"]
    assert "give its HOST:PORT" in str(CliRunner().invoke(app, two).exception)
    shown = CliRunner().invoke(app, [*two, "--rendezvous", "a:29500"])
    assert "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint a:29500 -m mr1 check --cluster my.yaml" in shown.output
