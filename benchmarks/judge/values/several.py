"""Values of several entries: ratios, scores, ranges, intervals, tuples, sets, lists, matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Closed, Number, Quotient, as_value, draw_closed, draw_decimal, draw_quotient
from mr1.judge.truth import Kind

Entry = Number | Quotient | Closed
ENDS = tuple[bool, bool]


def draw_entry(rng: Random, easy: float = 0.7) -> Entry:
    """Mostly small integers."""
    if rng.random() < easy:
        return Number(Fraction(rng.randrange(-20, 100)))
    return rng.choice((draw_decimal, draw_quotient, draw_closed))(rng)


def other_entry(entry: Entry, rng: Random) -> Entry:
    """One of another meaning, as far away as from rounding."""
    if isinstance(entry, Closed):
        return replace(entry, times=-entry.times) if rng.random() < 0.3 else replace(entry, times=entry.times + 40)
    off = rng.choice((-10, -2, -1, 1, 2, 10))
    if isinstance(entry, Number):
        return replace(entry, value=-entry.value if rng.random() < 0.3 and entry.value else entry.value + off)
    return as_value(-entry.value if rng.random() < 0.3 else entry.value + off)


@dataclass(frozen=True)
class Ratio(Value):
    """Two or three numbers without a common divisor."""

    terms: tuple[int, ...]
    kind: Kind | None = Kind.RATIO

    @property
    def meaning(self) -> Any:
        return ("ratio", tuple(Fraction(each, self.terms[0]) for each in self.terms))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        terms = list(self.terms)
        if rng.random() < 0.4:
            return "order", replace(self, terms=tuple(reversed(terms)))
        terms[rng.randrange(len(terms))] += rng.randrange(1, 4)
        return "number", replace(self, terms=tuple(terms))


def draw_ratio(rng: Random) -> Ratio:
    while True:
        terms = tuple(rng.randrange(1, 60) for _ in range(rng.choice((2, 2, 3))))
        if gcd(*terms) == 1:
            return Ratio(terms)


@dataclass(frozen=True)
class Score(Value):
    """Of a game, in order."""

    home: int
    away: int
    kind: Kind | None = Kind.SCORE

    @property
    def meaning(self) -> Any:
        return ("score", self.home, self.away)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("order", "number", "difference"))
        if change == "difference":
            return change, Number(Fraction(self.home - self.away))
        if change == "order":
            return change, replace(self, home=self.away, away=self.home)
        return change, replace(self, home=self.home + 1, away=self.away + rng.randrange(2))


def draw_score(rng: Random) -> Score:
    top = rng.choice((7, 130))
    return Score(rng.randrange(top), rng.randrange(top))


@dataclass(frozen=True)
class Range(Value):
    """From one number to a larger one."""

    low: Fraction
    high: Fraction
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("range", self.low, self.high)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("lower end", "upper end", "both ends", "one end alone", "difference"))
        width = self.high - self.low
        if change == "one end alone":
            return change, Number(rng.choice((self.low, self.high)))
        if change == "difference":
            return change, Number(rng.choice((width, -width)))
        step = rng.choice((1, 2, 5, 10))
        low = self.low + step * (change in ("lower end", "both ends"))
        high = self.high + step * (change in ("upper end", "both ends"))
        return change, replace(self, low=low, high=high)


def draw_range(rng: Random) -> Range:
    """Also of years. The ends are positive integers, wider apart than any change of one end."""
    low = rng.choice((rng.randrange(1, 100), rng.randrange(1, 1000), rng.randrange(1900, 2020)))
    return Range(Fraction(low), Fraction(low + rng.randrange(11, 60)), rng.choice((None, Kind.RANGE)))


@dataclass(frozen=True)
class Interval(Value):
    """None is an end at infinity, which is open."""

    low: Fraction | None
    high: Fraction | None
    closed: ENDS
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("interval", self.low, self.high, self.closed)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("bracket", "end", "infinity", "sign"))
        low, high, closed = self.low, self.high, self.closed
        if change == "bracket":
            closed = rng.choice(((True, False), (False, True), (True, True), (False, False)))
        elif change == "infinity":
            low, high = rng.choice(((None, high), (low, None)))
        elif change == "sign" and low is not None and high is not None:
            low, high = -high, -low
        elif low is not None:
            low -= rng.choice((1, 2, 10))
        elif high is not None:
            high += rng.choice((1, 2, 10))
        return change, replace(
            self, low=low, high=high, closed=(closed[0] and low is not None, closed[1] and high is not None)
        )


def draw_interval(rng: Random) -> Interval:
    """One of both open ends has its kind stated: (1, 2) may be a point."""
    start = Fraction(rng.randrange(-30, 30), rng.choice((1, 1, 1, 2)))
    end = start + Fraction(rng.randrange(1, 40), rng.choice((1, 1, 1, 2)))
    shape = rng.random()
    low = None if shape < 0.15 else start
    high = None if 0.15 <= shape < 0.3 else end
    closed = (low is not None and rng.random() < 0.5, high is not None and rng.random() < 0.5)
    plain = any(closed) or low is None or high is None
    return Interval(low, high, closed, None if plain and rng.random() < 0.5 else Kind.INTERVAL)


@dataclass(frozen=True)
class Ordered(Value):
    """Coordinates, a point, a vector: the order counts."""

    entries: tuple[Entry, ...]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("tuple", *(each.meaning for each in self.entries))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("order", "entry", "entry", "entry more", "entry fewer"))
        return change, replace(self, entries=_changed(self.entries, change, rng))


def _changed(entries: tuple[Entry, ...], change: str, rng: Random) -> tuple[Entry, ...]:
    changed = list(entries)
    at = rng.randrange(len(changed))
    if change == "order":
        other = rng.choice([index for index in range(len(changed)) if index != at])
        changed[at], changed[other] = changed[other], changed[at]
    elif change == "entry":
        changed[at] = other_entry(changed[at], rng)
    elif change == "entry more":
        changed.insert(at, draw_entry(rng))
    elif len(changed) > 2:
        del changed[at]
    return tuple(changed)


def draw_tuple(rng: Random) -> Ordered:
    """Pairs mostly. Two of integers in order may be an interval, so that its kind is stated."""
    entries = tuple(draw_entry(rng) for _ in range(rng.choice((2, 2, 2, 3, 3, 4))))
    return Ordered(entries, Kind.TUPLE if len(entries) == 2 else rng.choice((None, Kind.TUPLE)))


@dataclass(frozen=True)
class Unordered(Value):
    """Different values whose order doesn't count; `kind` tells a set from a list."""

    entries: tuple[Entry, ...]
    kind: Kind | None = Kind.SET

    @property
    def meaning(self) -> Any:
        return ("set", frozenset(each.meaning for each in self.entries))

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, entries=tuple(rng.sample(self.entries, len(self.entries))))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("entry", "entry", "entry more", "entry fewer"))
        entries = _changed(self.entries, change, rng)
        different = len({each.meaning for each in entries}) == len(entries)
        return change, replace(self, entries=entries) if different else self


def _draw_different(rng: Random) -> tuple[Entry, ...]:
    found: dict[Any, Entry] = {}
    for _ in range(rng.randrange(2, 6)):
        entry = draw_entry(rng, easy=0.8)
        found[entry.meaning] = entry
    while len(found) < 2:
        entry = draw_entry(rng)
        found[entry.meaning] = entry
    return tuple(found.values())


def draw_set(rng: Random) -> Unordered:
    return Unordered(_draw_different(rng), rng.choice((None, Kind.SET)))


def draw_list(rng: Random) -> Unordered:
    """Three or more without brackets."""
    entries = _draw_different(rng)
    while len(entries) < 3:
        entries = _draw_different(rng)
    return Unordered(entries, Kind.LIST)


@dataclass(frozen=True)
class Matrix(Value):
    """Rows of entries."""

    rows: tuple[tuple[Entry, ...], ...]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("matrix", *(tuple(each.meaning for each in row) for row in self.rows))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("entry", "entry", "transposed", "rows swapped", "entries swapped"))
        rows = [list(row) for row in self.rows]
        one, other = (rng.randrange(len(rows)) for _ in range(2))
        column = rng.randrange(len(rows[0]))
        if change == "transposed":
            rows = [list(column) for column in zip(*rows, strict=True)]
        elif change == "rows swapped":
            rows[one], rows[other] = rows[other], rows[one]
        elif change == "entries swapped":
            rows[one][0], rows[other][column] = rows[other][column], rows[one][0]
        else:
            rows[one][column] = other_entry(rows[one][column], rng)
        return change, replace(self, rows=tuple(map(tuple, rows)))


def draw_matrix(rng: Random) -> Matrix:
    """One to three rows and columns, never one entry alone."""
    height, width = rng.choice(((2, 2), (2, 2), (3, 3), (2, 1), (3, 1), (1, 3), (2, 3), (3, 2)))
    return Matrix(tuple(tuple(draw_entry(rng, 0.85) for _ in range(width)) for _ in range(height)))


DRAWS: dict[str, Callable[[Random], Value]] = {
    "ratio": draw_ratio,
    "score": draw_score,
    "range": draw_range,
    "interval": draw_interval,
    "tuple": draw_tuple,
    "set": draw_set,
    "list": draw_list,
    "matrix": draw_matrix,
}
