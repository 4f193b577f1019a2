"""What a side measures of each step: seconds by phase, the memory of scoring and update, and, where asked, work counts.

A phase is rollout (images and prompts made ready, completions sampled), reward, score (log-probs without gradient),
update (forward, backward, clipping and the optimizer's step), or other. A phase inside another stops the outer's clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.counts import Counter

PHASES = ("rollout", "reward", "score", "update", "other")


class Meter:
    """One process's clock and scales."""

    def __init__(self) -> None:
        """To be made after the imports and before the model is loaded: memory counts from here."""
        self.gpu = torch.cuda.is_available()
        self.empty = 0 if self.gpu else _status("VmRSS")
        self.counter = Counter(lambda: self.stack[-1])
        self.stack = ["other"]
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.since = 0.0

    def begin(self, counting: bool) -> None:
        """A step starts."""
        self.stack, self.seconds = ["other"], dict.fromkeys(PHASES, 0.0)
        self.counter.switch(counting)
        self.since = self._now()

    def switch(self, phase: str) -> None:
        """From here on the outermost phase is another."""
        self._book()
        self.stack[0] = phase

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """While open, time and work are this phase's."""
        self._book()
        self.stack.append(name)
        try:
            yield
        finally:
            self._book()
            self.stack.pop()

    def watch_memory(self) -> None:
        """From here until the step's end the largest size is kept."""
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> dict[str, int]:
        """Bytes: the largest size since `watch_memory`, and the same beyond what the imports alone take."""
        raw = torch.cuda.max_memory_allocated() if self.gpu else _status("VmHWM")
        return {"raw": raw, "beyond_imports": raw - self.empty}

    def end(self, peak: dict[str, int]) -> dict[str, Any]:
        """The step's figures."""
        self._book()
        result = {"seconds": sum(self.seconds.values()), "phases": self.seconds, "peak": peak}
        return result | ({"counts": self.counter.counts} if self.counter.on else {})

    def _book(self) -> None:
        now = self._now()
        self.seconds[self.stack[-1]] += now - self.since
        self.since = now

    def _now(self) -> float:
        if self.gpu:
            torch.cuda.synchronize()
        return time.perf_counter()


def _status(field: str) -> int:
    """Bytes that the system says of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
