"""The judge on pairs: how often it is wrong, by family, and how fast it is."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.judge.pair import Pair
from mr1.judge import pool
from mr1.judge.verdict import Verdict

Judge = Callable[[str, Any], Verdict]
SLOW = 1.0
"""Seconds that a verdict may take."""


@dataclass
class Tally:
    """One family's pairs, by label and verdict."""

    verdicts: Counter[tuple[bool, Verdict]] = field(default_factory=Counter)

    def count(self, label: bool, *verdicts: Verdict) -> int:
        """Pairs of a label with one of these verdicts; with any where none is given."""
        return sum(
            n for (right, verdict), n in self.verdicts.items() if right is label and verdict in (verdicts or Verdict)
        )

    def row(self) -> dict[str, int]:
        """The figures of the table."""
        right, wrong = self.count(True), self.count(False)
        accepted, refused = self.count(True, Verdict.RIGHT), self.count(True, Verdict.WRONG, Verdict.MISSING)
        fooled, seen = self.count(False, Verdict.RIGHT), self.count(False, Verdict.WRONG, Verdict.MISSING)
        return {
            "right": right,
            "right called right": accepted,
            "right called wrong": refused,
            "right undecided": right - accepted - refused,
            "wrong": wrong,
            "wrong called wrong": seen,
            "wrong called right": fooled,
            "wrong undecided": wrong - seen - fooled,
        }


@dataclass
class Speed:
    """Verdicts and the seconds that they took."""

    verdicts: int = 0
    seconds: float = 0.0
    """By the clock."""
    core: float = 0.0
    """Of a core, in this process: what a busy machine leaves as it is. A worker's are not among them."""

    def add(self, seconds: float, core: float) -> None:
        self.verdicts += 1
        self.seconds += seconds
        self.core += core

    @property
    def rate(self) -> float:
        """Verdicts a second."""
        return self.verdicts / self.seconds if self.seconds else 0.0

    @property
    def rate_of_a_core(self) -> float:
        """Verdicts a second of a core."""
        return self.verdicts / self.core if self.core else 0.0


@dataclass
class Result:
    """What was found."""

    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    changes: dict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    """Verdicts on wrong answers, by what was changed."""
    failures: list[tuple[Pair, Verdict]] = field(default_factory=list)
    plain: Speed = field(default_factory=Speed)
    """Verdicts that no worker was asked for."""
    algebra: Speed = field(default_factory=Speed)
    """Verdicts that a worker was asked for."""
    slowest: float = 0.0
    slowest_pair: Pair | None = None
    slow: int = 0
    """Verdicts that took more than SLOW seconds."""

    def total(self) -> Tally:
        """All families."""
        whole = Tally()
        for each in self.tallies.values():
            whole.verdicts += each.verdicts
        return whole


def measure(judge: Judge, tried: Iterable[Pair]) -> Result:
    """Judge the pairs one after the other."""
    result = Result()
    with _counted() as asked:
        for pair in tried:
            before, start, core = asked[0], time.perf_counter(), time.process_time()
            verdict = judge(pair.answer, pair.truth)
            core, seconds = time.process_time() - core, time.perf_counter() - start
            (result.algebra if asked[0] > before else result.plain).add(seconds, core)
            result.slow += seconds > SLOW
            if seconds > result.slowest:
                result.slowest, result.slowest_pair = seconds, pair
            result.tallies[pair.family].verdicts[pair.right, verdict] += 1
            if not pair.right:
                result.changes[pair.change][verdict] += 1
            if (verdict is Verdict.RIGHT) is not pair.right or not verdict.decided:
                result.failures.append((pair, verdict))
    return result


@contextmanager
def _counted() -> Iterator[list[int]]:
    """How often a worker was asked, in the list's one entry. The pool doesn't count: its worker's method is wrapped."""
    worker = pool._Worker
    ask, count = worker.ask, [0]

    def counting(self: Any, question: bytes) -> bytes:
        count[0] += 1
        return ask(self, question)

    worker.ask = counting  # type: ignore[method-assign]
    try:
        yield count
    finally:
        worker.ask = ask  # type: ignore[method-assign]
