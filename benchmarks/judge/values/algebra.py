"""Expressions, equations and inequalities with unknowns. Polynomials are compared by their coefficients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from mr1.judge.truth import Kind

Powers = tuple[tuple[str, int], ...]
"""Letters in order of the alphabet, each with its exponent."""
Terms = tuple[tuple[Powers, int], ...]
"""A polynomial as a sum, in the order in which it is written; () is the constant's powers."""


def total(terms: Iterable[tuple[Powers, int]]) -> Counter[Powers]:
    """The coefficients, without zeros."""
    sums: Counter[Powers] = Counter()
    for powers, factor in terms:
        sums[powers] += factor
    return Counter({powers: factor for powers, factor in sums.items() if factor})


def product(factors: Iterable[Terms]) -> Counter[Powers]:
    """The coefficients of a product of sums."""
    result: Counter[Powers] = Counter({(): 1})
    for factor in factors:
        parts = []
        for powers, one in result.items():
            for others, other in factor:
                exponents = Counter(dict(powers))
                exponents.update(dict(others))
                parts.append((tuple(sorted(exponents.items())), one * other))
        result = total(parts)
    return result


def in_order(coefficients: Counter[Powers]) -> Terms:
    """Highest degree first, then by letters."""
    return tuple(sorted(coefficients.items(), key=lambda term: (-sum(power for _, power in term[0]), term[0])))


@dataclass(frozen=True)
class Expression(Value):
    """A product of sums; one factor is a plain sum."""

    factors: tuple[Terms, ...]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("expression", frozenset(product(self.factors).items()))

    def paraphrased(self, rng: Random) -> Value:
        if len(self.factors) == 1:
            return replace(self, factors=(tuple(rng.sample(self.factors[0], len(self.factors[0]))),))
        if rng.random() < 0.5:
            return replace(self, factors=(in_order(product(self.factors)),))
        return replace(self, factors=tuple(rng.sample(self.factors, len(self.factors))))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        at = rng.randrange(len(self.factors))
        change, factor = mutated_terms(self.factors[at], rng)
        return change, replace(self, factors=(*self.factors[:at], factor, *self.factors[at + 1 :]))


def mutated_terms(terms: Terms, rng: Random) -> tuple[str, Terms]:
    """A sum with one thing changed; it keeps at least one term with a letter."""
    changed = list(terms)
    at = rng.randrange(len(changed))
    powers, factor = changed[at]
    change = rng.choice(("coefficient", "sign", "exponent", "letter", "term lost"))
    if change == "exponent" and powers:
        letter = rng.choice(powers)[0]
        changed[at] = (tuple((each, old + (each == letter)) for each, old in powers), factor)
    elif change == "letter" and powers:
        old = rng.choice(powers)[0]
        new = rng.choice([each for each in "xyzabnt" if each not in dict(powers)])
        changed[at] = (tuple(sorted((new if each == old else each, power) for each, power in powers)), factor)
    elif change == "term lost" and len(changed) > 1 and any(each for each, _ in changed[:at] + changed[at + 1 :]):
        del changed[at]
    elif change == "sign":
        changed[at] = (powers, -factor)
    else:
        change = "coefficient"
        changed[at] = (powers, factor + rng.choice((1, 2, 3)) * (1 if factor > 0 else -1))
    return change, tuple(changed)


def _coefficient(rng: Random) -> int:
    return rng.choice((1, rng.randrange(1, 13), -rng.randrange(1, 10)))


def _draw_sum(rng: Random) -> Terms:
    """Two to four terms in one letter or two."""
    letters = rng.choice(("x", "x", "xy", "ab", "n", "a", "t"))
    found: dict[Powers, int] = {}
    for _ in range(rng.randrange(2, 5)):
        powers = tuple((letter, power) for letter in letters if (power := rng.choice((0, 1, 1, 2, 3))))
        found[powers] = _coefficient(rng)
    terms = in_order(Counter(found))
    return terms if len(terms) > 1 and terms[0][0] else _draw_sum(rng)


def _draw_linear(letter: str, rng: Random) -> Terms:
    return ((((letter, 1),), rng.choice((1, 1, rng.randrange(1, 6)))), ((), rng.choice((-1, 1)) * rng.randrange(1, 13)))


def draw_expression(rng: Random) -> Expression:
    """A sum, or a product of two linear factors."""
    if rng.random() < 0.6:
        return Expression((_draw_sum(rng),), rng.choice((None, Kind.EXPRESSION)))
    letter = rng.choice("xan")
    return Expression((_draw_linear(letter, rng), _draw_linear(letter, rng)), rng.choice((None, Kind.EXPRESSION)))


@dataclass(frozen=True)
class Equation(Value):
    """Of two sums."""

    left: Terms
    right: Terms
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        difference = total([*self.left, *((powers, -factor) for powers, factor in self.right)])
        if not difference:
            return ("equation", "always")
        first = in_order(difference)[0][1]
        return ("equation", frozenset((powers, Fraction(factor, first)) for powers, factor in difference.items()))

    def paraphrased(self, rng: Random) -> Value:
        choice = rng.random()
        if choice < 0.3:
            return self
        if choice < 0.5:
            return replace(self, left=self.right, right=self.left)
        if choice < 0.7:
            return replace(self, right=tuple(rng.sample(self.right, len(self.right))))
        difference = total([*self.left, *((powers, -factor) for powers, factor in self.right)])
        scale = rng.choice((1, -1, 2, 3))
        terms = [(powers, factor * scale) for powers, factor in in_order(difference)]
        constant = [(powers, -factor) for powers, factor in terms if not powers]
        if constant and rng.random() < 0.5:
            return replace(self, left=tuple(term for term in terms if term[0]), right=tuple(constant))
        return replace(self, left=tuple(terms), right=(((), 0),))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5 and any(powers for powers, _ in self.right):
            change, right = mutated_terms(self.right, rng)
            return change, replace(self, right=right)
        if any(powers for powers, _ in self.left) and len(self.left) > 1:
            change, left = mutated_terms(self.left, rng)
            return change, replace(self, left=left)
        return "constant", replace(
            self, right=in_order(total([*self.right, ((), rng.choice((1, 2, 10)))])) or (((), 0),)
        )


def draw_equation(rng: Random) -> Equation:
    """A line or a parabola solved for y, a line in general form, or a circle."""
    kind = rng.choice((None, Kind.EQUATION))
    x, y, one = (("x", 1),), (("y", 1),), ()
    shape = rng.random()
    if shape < 0.35:
        return Equation(((y, 1),), ((x, _coefficient(rng)), (one, _coefficient(rng))), kind)
    if shape < 0.55:
        terms = (((("x", 2),), _coefficient(rng)), (x, _coefficient(rng)), (one, _coefficient(rng)))
        return Equation(((y, 1),), terms, kind)
    if shape < 0.8:
        return Equation(((x, _coefficient(rng)), (y, _coefficient(rng))), ((one, rng.randrange(1, 40)),), kind)
    return Equation((((("x", 2),), 1), ((("y", 2),), rng.choice((1, 4, 9)))), ((one, rng.randrange(1, 50)),), kind)


@dataclass(frozen=True)
class Solved(Value):
    """An unknown's value."""

    letter: str
    value: Fraction
    bare: bool = False
    """Whether it is written without the letter."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, bare=rng.random() < 0.4)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("value", "sign"))
        value = -self.value if change == "sign" else self.value + rng.choice((-10, -2, -1, 1, 2, 10))
        return change, replace(self, value=value)


def draw_solved(rng: Random) -> Solved:
    return Solved(rng.choice("xyntkaR"), Fraction(rng.randrange(-50, 200), rng.choice((1, 1, 1, 2, 3, 7))))


@dataclass(frozen=True)
class Inequality(Value):
    """What an unknown is above, below, or between; None where there is no such end."""

    letter: str
    low: Fraction | None
    high: Fraction | None
    closed: tuple[bool, bool]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("inequality", self.letter, self.low, self.high, self.closed)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("direction", "strictness", "bound", "letter"))
        low, high, closed = self.low, self.high, self.closed
        if change == "direction" and (low is None or high is None):
            low, high, closed = high, low, (closed[1], closed[0])
        elif change == "strictness":
            closed = (low is not None and rng.random() < 0.5, high is not None and rng.random() < 0.5)
        elif change == "letter":
            return change, replace(self, letter=rng.choice([each for each in "xyamt" if each != self.letter]))
        elif low is not None:
            low -= rng.choice((1, 2, 10))
        elif high is not None:
            high += rng.choice((1, 2, 10))
        return change, replace(self, low=low, high=high, closed=closed)


def draw_inequality(rng: Random) -> Inequality:
    start = Fraction(rng.randrange(-30, 60), rng.choice((1, 1, 1, 2, 3)))
    end = start + rng.randrange(1, 40)
    low, high = rng.choice(((start, None), (None, end), (start, end)))
    closed = (low is not None and rng.random() < 0.5, high is not None and rng.random() < 0.5)
    return Inequality(rng.choice("xyamt"), low, high, closed, rng.choice((None, Kind.INEQUALITY)))


DRAWS: dict[str, Callable[[Random], Value]] = {
    "expression": draw_expression,
    "equation": draw_equation,
    "solved": draw_solved,
    "inequality": draw_inequality,
}
