"""What a question's words alone earn: predictors that never look at the image.

They are what an accuracy has to be compared with: a model shows that it sees only by what it earns above them. A split
is described by its `Case`s, each with its probability, so that what a predictor earns is computed and not sampled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Words:
    """All that a predictor is told."""

    question: str
    kind: str
    """What sort of question it is; the same formulas answer all of a kind."""
    answers: tuple[str, ...]
    """What each of the kind's formulas gives; which of them holds, the image alone tells."""


@dataclass(frozen=True)
class Case:
    """Something that a split asks."""

    words: Words
    formula: int
    """The formula that holds."""
    weight: float
    """How likely the split is to ask it; the weights of a split sum to 1."""

    @property
    def answer(self) -> str:
        """The truth."""
        return self.words.answers[self.formula]


T = TypeVar("T")

WORDS_ALONE = "words alone"
"""The name of the best of them, where it stands beside an accuracy."""

Predictor = Callable[[Words], str]


def majority(seen: Sequence[Case]) -> Predictor:
    """The most frequent answer of all that was seen, whatever is asked."""
    weights: defaultdict[str, float] = defaultdict(float)
    for case in seen:
        weights[case.answer] += case.weight
    answer = _likeliest(weights)
    return lambda _: answer


def best_formula(seen: Sequence[Case]) -> Predictor:
    """Of each kind, the formula that was right most often."""
    weights: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for case in seen:
        for formula, answer in enumerate(case.words.answers):
            weights[case.words.kind][formula] += case.weight * (answer == case.answer)
    best = {kind: _likeliest(of_kind) for kind, of_kind in weights.items()}
    return lambda words: words.answers[best[words.kind]]


def memorised(seen: Sequence[Case]) -> Predictor:
    """The most frequent answer that was seen to the same question; to a new one, the best formula's."""
    weights: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for case in seen:
        weights[case.words.question][case.answer] += case.weight
    known, otherwise = {question: _likeliest(answers) for question, answers in weights.items()}, best_formula(seen)
    return lambda words: known[words.question] if words.question in known else otherwise(words)


def excluded(seen: Sequence[Case]) -> Predictor:
    """The first formula that was never seen to hold for the same question; where none or all were, the best one.

    It earns much where the splits share questions but not the images that belong to them.
    """
    held: defaultdict[str, set[int]] = defaultdict(set)
    for case in seen:
        held[case.words.question].add(case.formula)
    otherwise = best_formula(seen)

    def predict(words: Words) -> str:
        left = [answer for formula, answer in enumerate(words.answers) if formula not in held.get(words.question, ())]
        return left[0] if 0 < len(left) < len(words.answers) else otherwise(words)

    return predict


PREDICTORS: dict[str, Callable[[Sequence[Case]], Predictor]] = {
    "majority": majority,
    "best formula": best_formula,
    "memorised": memorised,
    "excluded": excluded,
}
"""Each learns from the cases that it has seen, which are those of the training split."""


def earned(predict: Predictor, cases: Sequence[Case]) -> float:
    """The accuracy of a predictor on a split."""
    return sum(case.weight for case in cases if predict(case.words) == case.answer)


def ceiling(cases: Sequence[Case]) -> float:
    """What no predictor exceeds: each question is given the answer that is likeliest in this very split."""
    weights: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for case in cases:
        weights[case.words.question][case.answer] += case.weight
    return sum(max(answers.values()) for answers in weights.values())


def _likeliest(weights: dict[T, float]) -> T:
    """The key of the greatest weight, up to rounding the first of them."""
    most = max(weights.values())
    return next(key for key, weight in weights.items() if weight >= most * (1 - 1e-9))
