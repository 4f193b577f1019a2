"""Is a completion's answer right? The judge's verdict as a reward."""

from __future__ import annotations

import threading

from mr1.judge import r1v, strict
from mr1.judge.verdict import Verdict
from mr1.types import Sample


class _Count:
    """A number that several threads count up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, number: int) -> None:
        with self._lock:
            self._count += number

    def take(self) -> int:
        """What was counted, and begin anew."""
        with self._lock:
            count, self._count = self._count, 0
        return count


_undecided = _Count()


def accuracy(text: str, sample: Sample) -> float:
    """1.0 if what the last <answer> tag says is the sample's answer, by the rules of `judge.strict`, else 0.0.

    Only the tag's content is judged. R1-V also accepts a completion whose text as a whole parses to the truth; there a
    number of the reasoning can be taken for the answer, which a policy would learn to exploit.
    """
    return _reward(strict.judge(text, sample.truth))


def accuracy_r1v(text: str, sample: Sample) -> float:
    """R1-V's accuracy reward to the letter, for runs that are to compare with it (`judge.r1v.training_reward`)."""
    return _reward(r1v.training_reward(text, sample.truth))


def take_undecided() -> int:
    """How many rewards since the last call were 0 because the judge could not decide; counting begins anew."""
    return _undecided.take()


def _reward(verdict: Verdict) -> float:
    _undecided.add(not verdict.decided)
    return float(verdict is Verdict.RIGHT)
