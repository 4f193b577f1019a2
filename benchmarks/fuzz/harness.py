"""Batches of inputs in processes of their own: who died, who hung, and the largest memory."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.fuzz.kinds import KINDS

START, INPUT = 300.0, 60.0
"""Seconds by the clock until a process is ready, and for an input."""
BATCH = {"answers": 5000, "chats": 2000, "checkpoints": 1000, "folders": 100, "images": 5000, "recipes": 5000}
"""Inputs that one process reads, by kind; 1000 of the others."""


@dataclass
class Tally:
    """What became of the inputs so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: dict[int, str] = field(default_factory=dict)
    """By the input's number."""
    hangs: list[int] = field(default_factory=list)
    longest: float = 0.0
    """Seconds of a processor."""
    memory: int = 0
    """Bytes, of the largest process."""


def fuzz(kind: str, inputs: int, seed: int, first: int = 0) -> dict[str, Any]:
    """Read so many inputs, from the `first` on."""
    assert kind in KINDS
    tally, number, began = Tally(), first, time.perf_counter()
    while number < first + inputs:
        number += _batch(kind, seed, number, min(BATCH.get(kind, 1000), first + inputs - number), tally)
    return {
        "kind": kind,
        "inputs": inputs,
        "seed": seed,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "crashes": tally.crashes,
        "hangs": tally.hangs,
        "longest_seconds": round(tally.longest, 2),
        "largest_memory_mb": round(tally.memory / 1e6),
        "seconds": round(time.perf_counter() - began),
    }


def _batch(kind: str, seed: int, first: int, count: int, tally: Tally) -> int:
    """Have a process read inputs; returns how many it got done with, one that killed it or hung included."""
    command = [sys.executable, "-m", "benchmarks.fuzz.worker", kind, *map(str, (seed, first, count))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    lines = _lines(process.stdout)
    ready, done, hung = False, 0, False
    try:
        ready = next(lines, None) is not None
        for line in lines:
            outcome, seconds = json.loads(line)
            _count(first + done, outcome, seconds, tally)
            done += 1
    except TimeoutError:
        process.kill()
        hung = True
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    tally.memory = max(tally.memory, usage.ru_maxrss * 1024)
    if not ready:
        raise RuntimeError(f"no process that reads {kind} can be started (exit code {process.returncode})")
    if hung:
        tally.hangs.append(first + done)
    elif done < count:
        tally.crashes[first + done] = f"the process ended with {process.returncode}"
    return done + (done < count)


def _lines(pipe: Any) -> Iterator[bytes]:
    """The lines that come, each in time. Raises TimeoutError for one that doesn't."""
    pending, seconds = b"", START
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(seconds):
                raise TimeoutError
            seconds = INPUT
            read = os.read(pipe.fileno(), 2**16)
            if not read:
                return
            *whole, pending = (pending + read).split(b"\n")
            yield from whole


def _count(number: int, outcome: str, seconds: float, tally: Tally) -> None:
    if outcome.startswith("crash: "):
        tally.crashes[number] = outcome.removeprefix("crash: ")
    else:
        tally.outcomes[outcome] += 1
    tally.longest = max(tally.longest, seconds)
