"""Numbers written as what is to be computed: sums and products, powers, roots, logarithms, factorials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number, Rounded, off_in_last_place
from mr1.judge.truth import Kind, Truth


@dataclass(frozen=True)
class Computed(Value):
    """An operation on integers whose result is an integer."""

    operation: str
    """sum, product, difference, power, root, log, factorial, mixed: a * b - c."""
    operands: tuple[int, ...]
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        first, *rest = self.operands
        match self.operation:
            case "sum":
                return Fraction(sum(self.operands))
            case "product":
                return Fraction(math.prod(self.operands))
            case "difference":
                return Fraction(first - rest[0])
            case "power":
                return Fraction(first ** rest[0])
            case "root":
                return Fraction(first)
            case "log":
                return Fraction(rest[0])
            case "factorial":
                return Fraction(math.factorial(first))
            case "mixed":
                return Fraction(first * rest[0] - rest[1])
        raise ValueError(self.operation)

    def truth(self, write: Callable[[Value], str]) -> Truth:
        text = write(self)
        return Truth((str(self.meaning) if "=" in text else text,), kind=self.kind)

    def paraphrased(self, rng: Random) -> Value:
        return Number(self.meaning) if rng.random() < 0.5 else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        first, *rest = self.operands
        if self.operation == "power" and rng.random() < 0.4:
            return "superscript lost", Number(Fraction(int(f"{first}{rest[0]}")))
        if rng.random() < 0.4:
            change, number = Number(self.meaning).mutated(rng)
            return f"result: {change}", number
        at = rng.randrange(len(self.operands))
        operands = tuple(each + (index == at) for index, each in enumerate(self.operands))
        return "operand", replace(self, operands=operands)


def draw_computed(rng: Random) -> Computed:
    """Results below ten million."""
    operation = rng.choice(("sum", "product", "difference", "power", "root", "log", "factorial", "mixed"))
    if operation == "power":
        return Computed(
            operation, rng.choice(((2, rng.randrange(3, 21)), (10, rng.randrange(2, 7)), (rng.randrange(3, 13), 3)))
        )
    if operation == "root":
        return Computed(operation, (rng.randrange(2, 40),))
    if operation == "log":
        return Computed(operation, (rng.choice((2, 3, 5, 10)), rng.randrange(2, 6)))
    if operation == "factorial":
        return Computed(operation, (rng.randrange(3, 9),))
    return Computed(operation, tuple(rng.randrange(2, 60) for _ in range(3 if operation == "mixed" else 2)))


PRIMES = (2, 3, 5, 7, 11, 13)


@dataclass(frozen=True)
class Log(Value):
    """times * log to a prime base of another prime; base 0 is e. No two of them are equal."""

    times: int
    base: int
    argument: int
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("log", self.times, self.base, self.argument)

    @property
    def number(self) -> Decimal:
        """To 30 digits."""
        context = Context(prec=30)
        below = context.ln(Decimal(self.base)) if self.base else Decimal(1)
        return context.multiply(self.times, context.divide(context.ln(Decimal(self.argument)), below))

    def paraphrased(self, rng: Random) -> Value:
        places = rng.randrange(3, 6)
        rounded = Fraction(self.number.quantize(Decimal(1).scaleb(-places)))
        return Rounded(rounded, places, self.meaning) if rng.random() < 0.25 and rounded * 10**places >= 100 else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("argument", "base", "factor", "upside down", "last place"))
        if change == "last place":
            places = rng.randrange(3, 6)
            return change, off_in_last_place(Fraction(self.number.quantize(Decimal(1).scaleb(-places))), places, rng)
        if change == "argument":
            return change, replace(self, argument=rng.choice([each for each in PRIMES if each != self.base]))
        if change == "base":
            return change, replace(self, base=rng.choice([each for each in (0, *PRIMES) if each != self.argument]))
        if change == "upside down" and self.base:
            return change, replace(self, base=self.argument, argument=self.base)
        return "factor", replace(self, times=self.times + rng.randrange(1, 4))


def draw_log(rng: Random) -> Log:
    base, argument = rng.sample((0, *PRIMES), 2)
    base, argument = (base, argument) if argument else (argument, base)
    return Log(rng.choice((1, 1, rng.randrange(2, 10))), base, argument)


DRAWS: dict[str, Callable[[Random], Value]] = {"computed": draw_computed, "logarithm": draw_log}
