"""Reward functions in a process of their own: whatever they do, a call comes to an end that says what happened."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mr1.errors import UserError
from mr1.own.apart import Apart
from mr1.own.calling import FailedError

LIMIT = 1.0
"""Seconds."""
BODY = """
import asyncio, collections, itertools, os, signal, subprocess, sys, time
calls = 0
def reward(completions, **_):
    global calls
    calls += 1
    for text in completions:
        if text.startswith("do "):
            eval(text.removeprefix("do "))
    return [float(calls)] * len(completions)
async def waits(completions, **_):
    await asyncio.sleep(3600 if "do wait" in completions else 0)
    return [1.0] * len(completions)
"""
C = "collections.deque(itertools.repeat(0), maxlen=0)"
"""Written in C, and without an end: it never comes back to the interpreter, where a signal's handler would run."""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """The file of a function that does what completions say."""
    (tmp_path / "mine.py").write_text(BODY)
    return f"{tmp_path}/mine.py"


@pytest.fixture
def apart(mine: str) -> Iterator[Apart]:
    made = Apart(f"{mine}:reward", LIMIT)
    yield made
    made.close()


def failure(apart: Apart, text: str) -> str:
    with pytest.raises(FailedError) as failed:
        apart.call({"completions": ["a", text]}, 2)
    return str(failed.value)


def test_what_hangs_or_ends_its_process_is_told_and_the_next_call_has_a_new_one(apart: Apart, mine: str) -> None:
    assert apart.call({"completions": ["a"]}, 1) == [1.0]
    assert apart.call({"completions": ["a", "b"]}, 2) == [2.0, 2.0], "what it keeps is kept"
    for asking in ("SIGTERM", "SIGUSR1"):  # to all processes of a job; a step is finished first
        assert apart.call({"completions": [f"do os.kill(os.getpid(), signal.{asking})"]}, 1)[0]
    start = time.monotonic()
    late = f"took longer than reward_functions.timeout={LIMIT:g} s"
    assert failure(apart, f"do {C}") == f"{late} in {mine}, line 9"
    assert time.monotonic() - start < 30
    assert apart.call({"completions": ["a"]}, 1) == [1.0]
    assert failure(apart, "do os._exit(3)") == "ended its process (exit code 3)"
    assert failure(apart, "do os.kill(os.getpid(), signal.SIGSEGV)") == "ended its process (SIGSEGV)"
    assert failure(apart, "do 1 / 0").startswith("failed in <string>, line 1: ZeroDivisionError")
    assert failure(apart, "do sys.exit(2)").endswith("SystemExit: 2")
    assert apart.call({"completions": ["a"]}, 1) == [3.0]
    with pytest.raises(FailedError, match="can't be given its arguments in a process of its own"):
        apart.call({"completions": ["a"], "column": lambda: None}, 1)
    assert apart.call({"completions": ["a"]}, 1) == [4.0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os\nos._exit(4)\n", r"mine.py:reward can.t be imported .*: it ended its process \(exit code 4\)$"),
        ("import time\ntime.sleep(60)\n", r"mine.py:reward can't be imported in a .*: it took longer than 0.1 s$"),
        ("def rewards(**_): ...\n", "mine.py has no function 'reward'; did you mean 'rewards'"),
    ],
)
def test_what_cant_be_imported_there_is_told(mine: str, monkeypatch: pytest.MonkeyPatch, body: str, said: str) -> None:
    Path(mine).write_text(body)
    if "sleep" in body:
        monkeypatch.setattr("mr1.own.apart.START", 0.1)
    with pytest.raises(UserError, match=said):
        Apart(f"{mine}:reward", LIMIT).call({"completions": ["a"]}, 1)


def test_what_awaits_for_ever_is_ended(mine: str) -> None:
    apart = Apart(f"{mine}:waits", LIMIT)
    assert apart.call({"completions": ["a"]}, 1) == [1.0]
    assert failure(apart, "do wait").startswith("took longer than reward_functions.timeout")
    apart.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stopped_process_and_those_that_it_started_are_ended(
    apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mr1.own.apart.GRACE", 0.1)
    note = tmp_path / "pid"
    started = f"do open('{note}', 'w').write(str(subprocess.Popen(['sleep', '600']).pid))"
    assert apart.call({"completions": [started]}, 1) == [1.0]
    assert failure(apart, "do os.kill(os.getpid(), signal.SIGSTOP)").startswith("took longer")
    deadline = time.monotonic() + 10
    while _alive(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(int(note.read_text()))


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return os.path.exists(stat) and stat.read_text().rpartition(")")[2].split()[0] != "Z"  # noqa: PTH110
