"""Truths with rules of their own: a tolerance, percent or units taken strictly, the case of letters, several texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number, draw_decimal, draw_integer, round_to
from benchmarks.judge.values.quantities import (
    Bare,
    Hundredths,
    Percent,
    Quantity,
    draw_percent,
    draw_quantity,
    places_of,
)
from benchmarks.judge.values.words import COLOURS, NAMES, Words
from mr1.judge.truth import Kind, Tolerance, Truth


@dataclass(frozen=True)
class Tolerated(Value):
    """A positive decimal and how far an answer may be away. What is tried is clearly inside or outside."""

    value: Fraction
    tolerance: Tolerance
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("tolerated", self.value, self.tolerance)

    def truth(self, write: Callable[[Value], str]) -> Truth:
        return Truth((write(Number(self.value, places_of(self.value))),), tolerance=self.tolerance)

    def _off(self, rng: Random, least: float, most: float) -> Fraction:
        """A decimal away by so many times the tolerance."""
        times = round_to(Fraction(rng.uniform(least, most)), 3) * rng.choice((-1, 1))
        if self.tolerance.decimals is None:
            return round_to(self.value * (1 + times * self.tolerance.relative), places_of(self.value) + 3)
        return round_to(self.value + times / 2 / 10**self.tolerance.decimals, self.tolerance.decimals + 3)

    def paraphrased(self, rng: Random) -> Value:
        return Within(self._off(rng, 0, 0.9), self)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        other = self._off(rng, 1.1, 8)
        return "outside", Number(other, places_of(other))


@dataclass(frozen=True)
class Within(Value):
    """A decimal within the tolerance."""

    value: Fraction
    truth_of: Tolerated
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.truth_of.meaning


def draw_tolerated(rng: Random) -> Tolerated:
    """ChartQA's relaxed accuracy, or MathVista's precision: the truth has just as many digits behind the point."""
    if rng.random() < 0.5:
        number = rng.choice((draw_decimal, draw_integer))(rng)
        value = abs(number.value) or Fraction(7)
        return Tolerated(value, Tolerance(relative=Fraction(rng.choice((1, 5, 10)), 100)))
    decimals = rng.choice((0, 1, 2))
    return Tolerated(Fraction(rng.randrange(10, 10_000), 10**decimals), Tolerance(decimals=decimals))


@dataclass(frozen=True)
class StrictPercent(Value):
    """A percentage that a bare number doesn't state."""

    percent: Percent
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.percent.meaning

    def truth(self, write: Callable[[Value], str]) -> Truth:
        return Truth((write(self.percent),), percent="strict")

    def paraphrased(self, rng: Random) -> Value:
        share = self.percent.value / 100
        return Number(share, places_of(share)) if rng.random() < 0.3 else self.percent

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5:
            return "no percent sign", Number(self.percent.value, places_of(self.percent.value))
        change, other = self.percent.mutated(rng)
        return change, Number(other.value, places_of(other.value)) if isinstance(other, Hundredths) else other


@dataclass(frozen=True)
class StrictUnit(Value):
    """A quantity whose unit must be said."""

    quantity: Quantity
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.quantity.meaning

    def truth(self, write: Callable[[Value], str]) -> Truth:
        return Truth((write(self.quantity),), units="required")

    def paraphrased(self, rng: Random) -> Value:
        return self.quantity.paraphrased(rng)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5:
            return "no unit", Number(self.quantity.value, places_of(self.quantity.value))
        change, other = self.quantity.mutated(rng)
        return change, Number(other.quantity.value, places_of(other.quantity.value)) if isinstance(
            other, Bare
        ) else other


@dataclass(frozen=True)
class Cased(Value):
    """Words whose case counts."""

    words: Words
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("cased", self.words.text)

    def truth(self, write: Callable[[Value], str]) -> Truth:
        return Truth((self.words.text,), kind=Kind.TEXT, case=True)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5:
            text = self.words.text
            other = rng.choice((text.upper(), text.lower(), text.swapcase(), text.capitalize()))
            return "case", Cased(replace(self.words, text=other))
        return "another phrase", Cased(replace(self.words, text=rng.choice((*CASED, *COLOURS))))


@dataclass(frozen=True)
class Accepted(Value):
    """Several values of which any is right."""

    values: tuple[Value, ...]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("accepted", tuple(each.meaning for each in self.values))

    def truth(self, write: Callable[[Value], str]) -> Truth:
        return Truth(tuple(map(write, self.values)))

    def paraphrased(self, rng: Random) -> Value:
        return OneOf(rng.choice(self.values).paraphrased(rng), self)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change, other = rng.choice(self.values).mutated(rng)
        right = any(other.meaning == each.meaning for each in self.values)
        return change, self if right else other


@dataclass(frozen=True)
class OneOf(Value):
    """One of several accepted values."""

    value: Value
    truth_of: Accepted
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.truth_of.meaning


CASED = tuple(each for each in NAMES if not each.startswith("the "))
"""An article may be left out, and with it what its case is."""


def draw_accepted(rng: Random) -> Accepted:
    """Numbers, or words, of different meanings."""
    while True:
        values: tuple[Value, ...]
        if rng.random() < 0.5:
            values = tuple(draw_integer(rng) for _ in range(rng.choice((2, 3))))
        else:
            values = tuple(map(Words, rng.sample((*COLOURS, *NAMES), rng.choice((2, 3)))))
        if len({each.meaning for each in values}) == len(values):
            return Accepted(values)


DRAWS: dict[str, Callable[[Random], Value]] = {
    "tolerance": draw_tolerated,
    "percent, strict": lambda rng: StrictPercent(draw_percent(rng)),
    "unit required": lambda rng: StrictUnit(draw_quantity(rng)),
    "case": lambda rng: Cased(Words(rng.choice((*CASED, *COLOURS, "NaCl", "DNA", "pH", "eBay", "iPhone")))),
    "several accepted": draw_accepted,
}
