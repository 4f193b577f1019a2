"""The judge on pairs: how often it is wrong, by family, and how fast it is."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.judge.pair import Pair
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
class Result:
    """What was found."""

    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    failures: list[tuple[Pair, Verdict]] = field(default_factory=list)
    seconds: float = 0.0
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
    for pair in tried:
        start = time.perf_counter()
        verdict = judge(pair.answer, pair.truth)
        seconds = time.perf_counter() - start
        result.seconds += seconds
        result.slow += seconds > SLOW
        if seconds > result.slowest:
            result.slowest, result.slowest_pair = seconds, pair
        result.tallies[pair.family].verdicts[pair.right, verdict] += 1
        if (verdict is Verdict.RIGHT) is not pair.right or not verdict.decided:
            result.failures.append((pair, verdict))
    return result
