"""What a soak says of memory, files, threads and step times that are known."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from benchmarks.soak.plot import plot
from benchmarks.soak.verdict import judge, slope, slower
from benchmarks.soak.watch import SEEN, Metrics, Seen, look, read

STEPS, WARM_UP = 200, 100


def seen(
    memory: Callable[[int], float] = lambda _: 700.0,
    files: Callable[[int], int] = lambda _: 5,
    threads: Callable[[int], int] = lambda _: 4,
    seconds: Callable[[int], float] = lambda step: 0.3 + 0.01 * math.sin(step),
    process: int = 0,
    steps: int = STEPS,
) -> list[Seen]:
    """What a process that has made so many steps looks like."""
    return [
        Seen(process, step, seconds(step), 0.5 * step, memory(step), files(step), threads(step))
        for step in range(steps)
    ]


def test_flat_is_flat_whatever_the_warm_up_was_and_for_a_moment_is_no_growth() -> None:
    rows = seen(
        memory=lambda step: 700 - 5 * max(0, WARM_UP - step) + step % 2,
        files=lambda step: 5 + (step % 3 > 0),
        seconds=lambda step: 5.0 if step in (150, 199) else 0.3 + 0.01 * math.sin(step),
    )
    (found,) = judge(rows, WARM_UP)
    assert found.broken() == []
    assert (found.first, found.last, found.level, found.files, found.threads) == (100, 199, 700.5, (5, 5), (4, 4))
    assert found.growth == pytest.approx(0.5 / 700.5)
    assert found.cpu == pytest.approx((0.5, 0.5))
    assert found.slower.low < 0 < found.slower.high
    assert judge(rows, 0)[0].broken() == [
        "process 0: memory has grown by 135.2%"
    ]  # 299 to 701, where 0 steps are left out
    assert plot(rows, [found]).png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (seen(memory=lambda step: 700 + max(0, step - WARM_UP)), "memory has grown by 12.6%"),
        (seen(memory=lambda step: 760 if step == 170 else 700), "memory has grown by 8.6%"),
        (seen(files=lambda step: 5 + step // 50), "files have grown from 7 to 8"),
        (seen(threads=lambda step: 4 + (step >= 180)), "threads have grown from 4 to 5"),
        (seen(seconds=lambda step: 0.3 + 0.001 * max(0, step - WARM_UP) + 0.001 * math.sin(step)), "steps have got"),
    ],
)
def test_each_limit_can_be_broken(rows: list[Seen], said: str) -> None:
    (broken,) = judge(rows, WARM_UP)[0].broken()
    assert broken.startswith(f"process 0: {said}")


def test_each_process_is_judged_by_itself_and_a_short_one_not_at_all() -> None:
    rows = [*seen(), *seen(process=1, memory=lambda _: 900.0), *seen(process=2, steps=150)]
    assert [(found.process, found.level) for found in judge(rows, WARM_UP)] == [(0, 700), (1, 900)]


def test_a_slope_is_that_of_the_line_and_its_interval_holds_it() -> None:
    steps = np.arange(600.0)
    exact = slope(500 + 0.02 * steps)
    assert (exact.value, exact.low, exact.high) == pytest.approx((20, 20, 20))
    rng = np.random.default_rng(0)
    drawn = [slope(0.02 * steps + rng.normal(0, 5, 600)) for _ in range(200)]
    assert 0.91 < np.mean([each.low < 20 < each.high for each in drawn]) < 0.99


def test_the_interval_of_what_is_slower_holds_it() -> None:
    rng = np.random.default_rng(0)
    drawn = [slower(0.3 * rng.lognormal(0, 0.2, 60), 0.36 * rng.lognormal(0, 0.2, 60)) for _ in range(200)]
    assert 0.91 < np.mean([each.low < 0.2 < each.high for each in drawn]) < 0.99


def test_lines_of_a_process_are_those_behind_the_checkpoint_it_goes_on_from(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-000002").mkdir(parents=True)
    path = tmp_path / "metrics.jsonl"
    line = '{{"step": {}}}\n'.format
    path.write_text("".join(map(line, range(4))))
    metrics = Metrics(tmp_path)
    assert metrics.new() == []
    os.utime(path, ns=(0, 0))  # another time, whatever the clock's steps are
    path.write_text("".join(map(line, range(3))) + '{"step"')
    assert metrics.new() == [{"step": 2}]
    with path.open("a") as file:
        file.write(": 3}\n")
    assert (metrics.new(), metrics.new()) == ([{"step": 3}], [])


def test_what_the_system_says_of_a_process_and_its_children() -> None:
    code = (
        "import subprocess, sys, threading, time\n"
        "held, file = bytearray(b'x') * 50_000_000, open(sys.executable)\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "child = subprocess.Popen([sys.executable, '-c', \"x = b'x' * 40_000_000; print(flush=True); input()\"],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(flush=True); input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        found = look(process.pid)
        process.kill()
    assert 100 < found["memory"] < 150
    assert (found["files"], found["threads"]) == (6, 2)  # three streams, the file, and the pipes to the child
    assert found["cpu"] < 60
    with pytest.raises(OSError):
        look(process.pid)


def test_rows_are_written_as_they_are_read(tmp_path: Path) -> None:
    rows = seen(steps=2)
    (tmp_path / SEEN).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows) + '{"process"')
    assert read(tmp_path) == rows
