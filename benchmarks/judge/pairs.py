"""Pairs whose label is right by construction.

A value is drawn, and written as the truth. For a right answer the same meaning is written again, for a wrong one the
value is changed first. Whether a changed value means something else is asked of the values, never of a text. What is
too near to tell with certainty is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge import chat, systematic
from benchmarks.judge.pair import Form, Pair, Value
from benchmarks.judge.values import DRAWS
from benchmarks.judge.values.algebra import Equation, Inequality
from benchmarks.judge.values.computed import Computed
from benchmarks.judge.values.more import Named, Points, Solutions, Union
from benchmarks.judge.values.numbers import Closed, Number, Quotient
from benchmarks.judge.values.quantities import Quantity
from benchmarks.judge.values.settings import Accepted, Tolerated
from benchmarks.judge.values.several import Interval, Range, Unordered
from mr1.judge.truth import Truth

WRONG = 0.6
"""The share of answers that are wrong."""
HEDGED = 0.04
"""The share of answers that are taken back, or made one of two."""
SAY_SEVERAL: tuple[type[Value], ...] = (Accepted, Computed, Equation, Inequality, Interval, Range, Tolerated, Unordered)
SAY_SEVERAL += (Named, Points, Solutions, Union)
"""Values of which two together may be one: x < 2 or x < 3."""
BOUNDED = (Closed, Number, Quantity, Quotient)
"""Values that a bound on them doesn't state."""
NEAR = Fraction(1, 100)
"""Two numbers closer than this may be one number by a rule for rounding, where one of them is no decimal."""
PATIENCE = 500
"""Draws without a new pair, after which a family has no more."""


def pairs(count: int, seed: int, families: list[str] | None = None) -> Iterator[Pair]:
    """So many different pairs, the same for the same seed; the families take turns."""
    labels: dict[tuple[str, Truth], bool] = {}
    streams = {name: _different(name, seed, labels) for name in families or DRAWS}
    while streams and count > 0:
        for name in list(streams)[:count]:
            pair = next(streams[name], None)
            if pair is None:
                del streams[name]
            else:
                count -= 1
                yield pair


def _different(family: str, seed: int, labels: dict[tuple[str, Truth], bool]) -> Iterator[Pair]:
    """Pairs of one family that aren't in `labels` yet, until PATIENCE draws have brought no new one."""
    index = idle = 0
    while idle < PATIENCE:
        pair = _pair(family, Random(f"{seed}/{family}/{index}"))
        index, idle = index + 1, idle + 1
        if pair is None:
            continue
        key = pair.answer, pair.truth
        if key not in labels:
            labels[key], idle = pair.right, 0
            yield pair
        assert labels[key] is pair.right, f"{pair} has two labels"


def _pair(family: str, rng: Random) -> Pair | None:
    """One pair; None where the change has by chance not changed the meaning, or not enough."""
    value = DRAWS[family](rng)
    said, change = value, ""
    if rng.random() < WRONG:
        change, said = value.mutated(rng)
        if near(said.meaning, value.meaning) and change != "last place":
            return None
    said = said.paraphrased(rng) if change else said.shortened(rng)
    right = said.meaning == value.meaning
    assert right is (not change), f"{value} and {said} after {change or 'no change'}"
    truth = value.truth(lambda each: _as_truth(each, rng))
    author = rng.choice((systematic, chat))
    form = author.write(said, rng)
    if rng.random() < HEDGED and not isinstance(value, SAY_SEVERAL):
        right, (change, form) = False, _hedged(value, form, author.write(value.paraphrased(rng), rng), right, rng)
    answer = author.frame(form, said, rng)
    return Pair(family, answer, truth, right, author.__name__.rpartition(".")[2], change)


def _hedged(value: Value, said: Form, right: Form, same: bool, rng: Random) -> tuple[str, Form]:
    """An answer that takes a right one back, or says a right one and a wrong one: it states no truth."""
    if isinstance(value, BOUNDED) and rng.random() < 0.4:
        bound = rng.choice(("more than {}", "less than {}", "at least {}", "at most {}", "greater than {}", "up to {}"))
        return "bounded", Form(bound.format(right.text))
    if same or rng.random() < 0.5:
        return "denied", Form(f"not {right.text}")
    return "either", Form(" or ".join(rng.sample((said.text, right.text), 2)))


def near(one: Any, other: Any) -> bool:
    """Whether two meanings are equal, or of one shape with numbers so near that rounding might make them equal."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other or (not (_ends(one) and _ends(other)) and abs(one - other) <= NEAR * abs(one))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


def _ends(value: Fraction) -> bool:
    """Whether it is a decimal. Two decimals are compared exactly."""
    return 10**40 % value.denominator == 0


def _as_truth(value: Value, rng: Random) -> str:
    """The value as a data set gives it: bare, or LaTeX between dollars."""
    form = rng.choice((systematic, chat)).write(value, rng)
    return f"${form.text}$" if form.math and rng.random() < 0.3 else form.text
