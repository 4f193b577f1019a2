"""Further shapes: parts of dates, ranges with a unit, unions, solutions, points, lists of words, functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number
from benchmarks.judge.values.several import Interval
from benchmarks.judge.values.units import UNITS, Unit
from benchmarks.judge.values.words import COLOURS, SHAPES
from mr1.judge.truth import Kind


@dataclass(frozen=True)
class Month(Value):
    """A month of a year, or a day without its year."""

    month: int
    year: int = 0
    day: int = 0
    """One of year and day is 0."""
    kind: Kind | None = Kind.DATE

    @property
    def meaning(self) -> Any:
        return ("month", self.month, self.year, self.day)

    @property
    def first(self) -> date:
        """A date in it, for its names."""
        return date(self.year or 2000, self.month, self.day or 1)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5:
            return "month", replace(self, month=rng.randrange(1, 13))
        if self.year:
            return "year", replace(self, year=self.year + rng.choice((-10, -1, 1, 10)))
        return "day", replace(self, day=rng.randrange(1, 29))


def draw_month(rng: Random) -> Month:
    if rng.random() < 0.5:
        return Month(rng.randrange(1, 13), year=rng.randrange(1850, 2060))
    return Month(rng.randrange(1, 13), day=rng.randrange(1, 29))


@dataclass(frozen=True)
class Span(Value):
    """A range with a unit."""

    low: Fraction
    high: Fraction
    unit: Unit
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("span", self.low * self.unit.size, self.high * self.unit.size, self.unit.dimension)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("unit", "lower end", "upper end", "decimal point"))
        if change == "unit":
            return change, replace(self, unit=rng.choice(SPANNED))
        if change == "decimal point":
            return change, replace(self, low=self.low / 10, high=self.high / 10)
        step = rng.choice((1, 5, Fraction(1, 2)))
        low, high = (self.low - step, self.high) if change == "lower end" else (self.low, self.high + step)
        return change, replace(self, low=low, high=high)


SPANNED = [UNITS[name] for name in ("km", "m", "cm", "mm", "kg", "g", "km/h", "m/s", "L", "mL", "day", "h")]


def draw_span(rng: Random) -> Span:
    low = Fraction(rng.randrange(6, 90), rng.choice((1, 1, 2)))
    high = low + Fraction(rng.randrange(11, 60), rng.choice((1, 1, 2)))
    return Span(low, high, rng.choice(SPANNED), rng.choice((None, Kind.RANGE)))


@dataclass(frozen=True)
class Union(Value):
    """Two intervals apart, or what an unknown may be: below one number or above another."""

    left: Interval
    right: Interval
    inequalities: bool = False
    """Whether it is written with an unknown."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("union", self.left.meaning, self.right.meaning, self.inequalities)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("part lost", "left end", "right end", "brackets"))
        left, right = self.left, self.right
        if change == "part lost" and not self.inequalities:
            return change, rng.choice((left, right))
        if change == "left end":
            assert left.high is not None
            return change, replace(self, left=replace(left, high=left.high - rng.choice((1, 2, 10))))
        if change == "right end":
            assert right.low is not None
            return change, replace(self, right=replace(right, low=right.low + rng.choice((1, 2, 10))))
        left = replace(left, closed=(False, rng.random() < 0.5))
        return "brackets", replace(self, left=left, right=replace(right, closed=(rng.random() < 0.5, False)))


def draw_union(rng: Random) -> Union:
    end = rng.randrange(-20, 20)
    left = Interval(None, Fraction(end), (False, rng.random() < 0.5))
    right = Interval(Fraction(end + rng.randrange(1, 30)), None, (rng.random() < 0.5, False))
    inequalities = rng.random() < 0.5
    return Union(left, right, inequalities, Kind.INEQUALITY if inequalities else Kind.INTERVAL)


@dataclass(frozen=True)
class Solutions(Value):
    """The two solutions of an equation."""

    one: Fraction
    other: Fraction
    letter: str
    kind: Kind | None = Kind.SET

    @property
    def meaning(self) -> Any:
        return ("solutions", frozenset((self.one, self.other)))

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, one=self.other, other=self.one)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("sign", "both signs", "number", "one lost"))
        if change == "one lost":
            return change, Number(self.one)
        if change == "number":
            return change, replace(self, one=self.one + rng.choice((-2, -1, 1, 2)))
        return change, replace(self, one=-self.one, other=-self.other if change == "both signs" else self.other)


def draw_solutions(rng: Random) -> Solutions:
    """A third of them a number and its negative."""
    one = Fraction(rng.randrange(1, 30))
    other = -one if rng.random() < 0.35 else one + rng.choice((-1, 1)) * rng.randrange(1, 40)
    return Solutions(one, Fraction(other), rng.choice("xyt"))


@dataclass(frozen=True)
class Points(Value):
    """Two or three points, in any order."""

    points: tuple[tuple[int, int], ...]
    kind: Kind | None = Kind.SET

    @property
    def meaning(self) -> Any:
        return ("points", frozenset(self.points))

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, points=tuple(rng.sample(self.points, len(self.points))))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        points = list(self.points)
        at = rng.randrange(len(points))
        x, y = points[at]
        change = rng.choice(("order in a point", "coordinate", "point lost", "coordinates exchanged"))
        if change == "order in a point":
            points[at] = (y, x)
        elif change == "coordinate":
            points[at] = (x + rng.choice((-2, -1, 1)), y)
        elif change == "coordinates exchanged":
            other = points[at - 1]
            points[at], points[at - 1] = (x, other[1]), (other[0], y)
        else:
            change = "point more"
            points.append((x + 1, y + 2))
        return change, replace(self, points=tuple(points)) if len(set(points)) == len(points) else self


def draw_points(rng: Random) -> Points:
    points: set[tuple[int, int]] = set()
    count = rng.choice((2, 2, 3))
    while len(points) < count:
        points.add((rng.randrange(-9, 10), rng.randrange(-9, 10)))
    return Points(tuple(sorted(points)))


@dataclass(frozen=True)
class Named(Value):
    """Several words, in any order, or in one where the kind is a tuple."""

    words: tuple[str, ...]
    kind: Kind | None = Kind.LIST

    @property
    def meaning(self) -> Any:
        return ("named", self.words if self.kind is Kind.TUPLE else frozenset(self.words))

    def paraphrased(self, rng: Random) -> Value:
        return self if self.kind is Kind.TUPLE else replace(self, words=tuple(rng.sample(self.words, len(self.words))))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        words = list(self.words)
        at = rng.randrange(len(words))
        change = rng.choice(("word", "word more", "word fewer", "order"))
        others = [each for each in (*COLOURS, *SHAPES) if each not in words]
        if change == "word":
            words[at] = rng.choice(others)
        elif change == "word more":
            words.insert(at, rng.choice(others))
        elif change == "word fewer" and len(words) > 2:
            del words[at]
        else:
            words.reverse()
        return change, replace(self, words=tuple(words))


def draw_named(rng: Random) -> Named:
    known = rng.choice((COLOURS, SHAPES))
    return Named(tuple(rng.sample(known, rng.randrange(2, 5))), rng.choice((Kind.LIST, Kind.LIST, Kind.TUPLE)))


@dataclass(frozen=True)
class Function(Value):
    """times * f(inner * x) + constant; no two of them are equal."""

    times: int
    name: str
    inner: int
    constant: int
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("function", self.times, self.name, self.inner, self.constant)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("factor", "function", "argument", "constant", "sign"))
        if change == "factor":
            return change, replace(self, times=self.times + 1)
        if change == "function":
            return change, replace(self, name=rng.choice([each for each in FUNCTIONS if each != self.name]))
        if change == "argument":
            return change, replace(self, inner=self.inner + rng.choice((1, 2)))
        if change == "constant":
            return change, replace(self, constant=self.constant + rng.choice((1, 2)))
        return change, replace(self, times=-self.times)


FUNCTIONS = ("sin", "cos", "exp", "sqrt")


def draw_function(rng: Random) -> Function:
    """Constants are positive, so that a changed one is none of a factor's. No logarithm: ln 2x is ln x and a number."""
    times, inner = rng.choice((1, rng.randrange(2, 9))), rng.choice((2, 3, 5, 7))
    return Function(times, rng.choice(FUNCTIONS), inner, rng.randrange(1, 12), rng.choice((None, Kind.EXPRESSION)))


@dataclass(frozen=True)
class TrueFalse(Value):
    true: bool
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("true", self.true)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        return "negation", replace(self, true=not self.true)


@dataclass(frozen=True)
class Unequal(Value):
    """What an unknown is not, or is."""

    letter: str
    value: Fraction
    equal: bool = False
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("unequal", self.letter, self.value, self.equal)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("negation", "number", "sign"))
        if change == "negation":
            return change, replace(self, equal=True)
        value = -self.value if change == "sign" else self.value + rng.choice((-2, -1, 1, 2))
        return change, replace(self, value=value)


DRAWS: dict[str, Callable[[Random], Value]] = {
    "part of a date": draw_month,
    "range with unit": draw_span,
    "union": draw_union,
    "solutions": draw_solutions,
    "points": draw_points,
    "words in a list": draw_named,
    "function": draw_function,
    "true/false": lambda rng: TrueFalse(rng.random() < 0.5),
    "unequal": lambda rng: Unequal(rng.choice("xyat"), Fraction(rng.randrange(-20, 40)), kind=Kind.INEQUALITY),
}
