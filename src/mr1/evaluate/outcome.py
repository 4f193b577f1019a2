"""What a model wrote to the samples of one task, and the figures that follow from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from mr1.evaluate.intervals import accuracy_interval
from mr1.judge.verdict import Verdict
from mr1.tables import make_table
from mr1.tasks.base import Baseline

KINDS = ("subject", "difficulty")
"""What a sample's `meta` may tell of its kind; accuracy is given for each value."""

TEXT, MARK = pa.string(), pa.bool_()
COLUMNS = {
    "task": TEXT,
    "split": TEXT,
    "id": TEXT,
    "attempt": pa.int64(),
    "question": TEXT,
    "answer": TEXT,
    "completion": TEXT,
    "correct": MARK,
    "verdict": TEXT,
    "well_formed": MARK,
    "truncated": MARK,
    "subject": TEXT,
    "difficulty": TEXT,
    "judged": TEXT,
}
"""Of an evaluation's table, beside the images."""


@dataclass(frozen=True)
class Outcome:
    """One completion and its judgement."""

    id: str
    attempt: int
    """Which of the sample's completions, counted from 0."""
    question: str
    answer: str
    """The truth."""
    completion: str
    verdict: Verdict
    well_formed: bool
    truncated: bool
    subject: str | None
    difficulty: str | None
    judged: str = ""
    """How its answer and the truth were read, and what decided; empty for other rules than strict."""
    images: Sequence[dict[str, Any]] = ()
    """As `tables.encode_images` gives them, for the table alone: empty where the outcome is kept for its figures."""

    @property
    def correct(self) -> bool:
        """Whether it counts as right: every verdict but RIGHT is wrong."""
        return self.verdict is Verdict.RIGHT


@dataclass
class Evaluation:
    """A model's outcomes on one task; the attempts at a sample stand next to each other."""

    task: str
    split: str
    outcomes: list[Outcome]
    unusable: int = 0
    """Samples that were left out because they can't be used."""
    known: Baseline | None = None
    """What the task tells of its split."""

    @property
    def baseline(self) -> Baseline:
        """What is right without a look at the images; where the task can't tell, by the likeliest of these answers."""
        answers = Counter(sample[0].answer for sample in self._by_sample())
        return self.known or Baseline("most frequent answer", max(answers.values()) / answers.total())

    @property
    def accuracy(self) -> float:
        """The share of right answers; with several attempts at each sample, mean@k."""
        return _mean([outcome.correct for outcome in self.outcomes])

    def summary(self) -> dict[str, Any]:
        """The figures.

        Returns:
            `accuracy` with its 95 % interval `low` to `high` (see `interval`), `n` samples, `unusable` ones that were
            left out, the `baseline` to compare the accuracy with (`name` and `share`), `format_rate`, the numbers of
            `missing` answers, `truncated` completions and `undecided` ones by verdict; with k > 1 attempts, `attempts`
            and `pass@1`, `pass@2`, `pass@4`, ..., `pass@k`; `by_subject` and `by_difficulty` where samples tell.
        """
        samples = self._by_sample()
        attempts = len(samples[0])
        verdicts = Counter(outcome.verdict for outcome in self.outcomes)
        low, high = interval(samples)
        result: dict[str, Any] = {
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "n": len(samples),
            "unusable": self.unusable,
            "baseline": asdict(self.baseline),
            "format_rate": _mean([outcome.well_formed for outcome in self.outcomes]),
            "missing": verdicts[Verdict.MISSING],
            "truncated": sum(outcome.truncated for outcome in self.outcomes),
            "undecided": {v.value: verdicts[v] for v in Verdict if not v.decided and verdicts[v]},
        }
        if attempts > 1:
            counts = [sum(outcome.correct for outcome in sample) for sample in samples]
            result["attempts"] = attempts
            for k in sorted({min(2**power, attempts) for power in range(attempts.bit_length() + 1)}):
                result[f"pass@{k}"] = _mean([pass_at(k, attempts, count) for count in counts])
        for kind in KINDS:
            if parts := self._by_kind(samples, lambda outcome, kind=kind: getattr(outcome, kind)):  # type: ignore[misc]
                result[f"by_{kind}"] = parts
        return result

    def table(self) -> pa.Table:
        """A row for each completion, with its images."""
        rows = [
            {
                "task": self.task,
                "split": self.split,
                "id": outcome.id,
                "attempt": outcome.attempt,
                "images": outcome.images,
                "question": outcome.question,
                "answer": outcome.answer,
                "completion": outcome.completion,
                "correct": outcome.correct,
                "verdict": outcome.verdict.value,
                "well_formed": outcome.well_formed,
                "truncated": outcome.truncated,
                "subject": outcome.subject,
                "difficulty": outcome.difficulty,
                "judged": outcome.judged,
            }
            for outcome in self.outcomes
        ]
        return make_table(rows, COLUMNS)

    @classmethod
    def from_table(cls, table: pa.Table, unusable: int = 0, known: Baseline | None = None) -> Evaluation:
        """What `table` gave, without the images, which may be left out of it; the rest as in the evaluation itself."""
        rows = table.select([name for name in COLUMNS if name != "correct"]).to_pylist()
        task, split = rows[0]["task"], rows[0]["split"]
        outcomes = []
        for row in rows:
            fields = {name: value for name, value in row.items() if name not in ("task", "split", "verdict")}
            outcomes.append(Outcome(verdict=Verdict(row["verdict"]), **fields))
        return cls(task, split, outcomes, unusable, known)

    def _by_sample(self) -> list[list[Outcome]]:
        samples: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            samples.setdefault(outcome.id, []).append(outcome)
        return [*samples.values()]

    @staticmethod
    def _by_kind(
        samples: Sequence[list[Outcome]], kind_of: Callable[[Outcome], str | None]
    ) -> dict[str, dict[str, Any]]:
        """Accuracy and its interval for each kind, in the kinds' order; samples that don't tell are left out."""
        kinds: dict[str, list[list[Outcome]]] = {}
        for sample in samples:
            if (kind := kind_of(sample[0])) is not None:
                kinds.setdefault(kind, []).append(sample)
        result = {}
        for kind in sorted(kinds, key=_natural):
            low, high = interval(kinds[kind])
            accuracy = _mean([outcome.correct for sample in kinds[kind] for outcome in sample])
            result[kind] = {"accuracy": accuracy, "low": low, "high": high, "n": len(kinds[kind])}
        return result


def interval(samples: Sequence[Sequence[Outcome]]) -> tuple[float, float]:
    """The 95 % interval of an accuracy over samples with the same number of attempts each; see `accuracy_interval`."""
    counts = [0] * (len(samples[0]) + 1)
    for sample in samples:
        counts[sum(outcome.correct for outcome in sample)] += 1
    return accuracy_interval(counts)


def pass_at(k: int, attempts: int, correct: int) -> float:
    """The chance that at least one of k attempts, drawn without replacement from these, is right.

    Args:
        k: 1 to `attempts`.
        attempts: n, how many there are.
        correct: c, how many of them are right.

    Source: Chen et al., Evaluating large language models trained on code (arXiv 2107.03374), Eq. 1:
    1 - C(n - c, k) / C(n, k).
    """
    return 1.0 - math.comb(attempts - correct, k) / math.comb(attempts, k)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _natural(kind: str) -> tuple[bool, float, str]:
    """Numbers by their value, before words."""
    try:
        return False, float(kind), kind
    except ValueError:
        return True, 0.0, kind
