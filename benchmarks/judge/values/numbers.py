"""Numbers: decimals, fractions, closed forms, words with multipliers, ordinals, numbers in a base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from mr1.judge.truth import Kind


@dataclass(frozen=True)
class Number(Value):
    """A decimal, exact as written."""

    value: Fraction
    places: int = 0
    """Digits behind the point that it needs."""
    counts: bool = False
    """Whether it may be a number of things."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value

    def paraphrased(self, rng: Random) -> Value:
        choice = rng.random()
        if choice < 0.05 and self.value.denominator == 1 and 0 <= self.value < 10**6:
            return Spelled(int(self.value))
        if choice < 0.2 and (self.value / 1000 * 10).denominator == 1 and 1000 <= self.value < 10**12:
            fitting = [word for word, size in MULTIPLIERS.items() if 1 <= self.value / size < 1000 and size > 100]
            short = [word for word in fitting if (self.value / MULTIPLIERS[word] * 100).denominator == 1]
            return Multiplied(self.value / MULTIPLIERS[word], word) if (word := rng.choice(short or [""])) else self
        return self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("digit", "sign", "dropped digit", "more digits", "power of ten", "swapped digits"))
        return change, replace(self, **_changed(self, change, rng))


def _changed(number: Number, change: str, rng: Random) -> dict[str, Any]:
    """Another value and its places, by a change of the digits of the whole number without the point."""
    whole = abs(int(number.value * 10**number.places))
    sign = -1 if number.value < 0 else 1
    digits, places = str(whole).rjust(number.places + 1, "0"), number.places
    at = rng.randrange(len(digits))
    if change == "digit":
        other = rng.choice([each for each in "0123456789" if each != digits[at]])
        digits = digits[:at] + other + digits[at + 1 :]
    elif change == "sign":
        sign = -sign
    elif change == "dropped digit" and len(digits) > places + 1:
        at = rng.randrange(len(digits) - places)
        digits = digits[:at] + digits[at + 1 :]
    elif change == "more digits":
        digits, places = digits + str(rng.randrange(1, 10)), places + rng.randrange(2)
    elif change == "power of ten":
        digits, places = (digits + "0", places) if rng.random() < 0.5 else (digits, places + 1)
    elif change == "swapped digits" and len(digits) > 1:
        at = rng.randrange(len(digits) - 1)
        digits = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
    value = sign * Fraction(int(digits), 10**places)
    while places and (value * 10 ** (places - 1)).denominator == 1:
        places -= 1
    return {"value": value, "places": places}


def draw_integer(rng: Random) -> Number:
    """Small ones as often as large ones; a few are negative."""
    size = 10 ** rng.uniform(0, 6.5)
    value = rng.randrange(0, max(int(size), 10))
    return Number(Fraction(-value if rng.random() < 0.15 else value), counts=True)


def draw_decimal(rng: Random) -> Number:
    """One to four digits behind the point, the last one no zero."""
    places = rng.choice((1, 1, 2, 2, 3, 4))
    whole = rng.randrange(int(10 ** rng.uniform(0, 5)) + 1) * 10**places
    value = Fraction(whole + rng.randrange(10**places) // 10 * 10 + rng.randrange(1, 10), 10**places)
    if rng.random() < 0.2:
        places += (more := rng.randrange(1, 4))
        value /= 10**more
    return Number(-value if rng.random() < 0.15 else value, places)


@dataclass(frozen=True)
class Quotient(Value):
    """A fraction in lowest terms, no integer."""

    value: Fraction
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value

    def paraphrased(self, rng: Random) -> Value:
        if _terminates(self.value) or rng.random() < 0.7:
            return self
        places = rng.randrange(3, 7)
        rounded = round_to(self.value, places)
        return Rounded(rounded, places, self.value) if abs(rounded) * 10**places >= 100 else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        above, below = self.value.numerator, self.value.denominator
        change = rng.choice(("numerator", "denominator", "sign", "upside down", "last place"))
        if change == "last place" and not _terminates(self.value):
            places = rng.randrange(3, 6)
            return change, off_in_last_place(round_to(self.value, places), places, rng)
        if change == "numerator":
            above += rng.choice((-3, -2, -1, 1, 2, 3, 10))
        elif change == "denominator":
            below = max(below + rng.choice((-2, -1, 1, 2, 3)), 1)
        elif change == "upside down" and above:
            above, below = below, above
        else:
            change, above = "sign", -above
        return change, as_value(Fraction(above, below))


@dataclass(frozen=True)
class Rounded(Value):
    """A decimal that stands for an exact value: at least three significant digits, properly rounded."""

    value: Fraction
    places: int
    exact: Any
    """The meaning of what it stands for."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.exact

    def mutated(self, rng: Random) -> tuple[str, Value]:
        return "digit", Number(self.value + Fraction(3, 10**self.places), self.places)


def as_value(value: Fraction) -> Number | Quotient:
    """An integer as a number, all else as a quotient."""
    return Number(value) if value.denominator == 1 else Quotient(value)


def draw_quotient(rng: Random) -> Quotient:
    """A denominator below 1,000, small ones more often."""
    while True:
        below = rng.choice((rng.randrange(2, 13), rng.randrange(2, 60), rng.randrange(2, 1000)))
        value = Fraction(rng.randrange(1, 3 * below + 2), below)
        if value.denominator > 1:
            return Quotient(-value if rng.random() < 0.15 else value)


def _terminates(value: Fraction) -> bool:
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    return below == 1


def round_to(value: Fraction, places: int) -> Fraction:
    """Properly rounded to so many digits behind the point."""
    return Fraction(round(value * 10**places), 10**places)


def off_in_last_place(rounded: Fraction, places: int, rng: Random) -> Number:
    """Another decimal, one to eight units off in the last place, which doesn't become a zero."""
    unit = Fraction(1, 10**places)
    other = rounded + rng.choice((-1, 1)) * rng.randrange(1, 9) * unit
    if other / unit % 10 == 0:
        other += unit if other > rounded else -unit
    return Number(other, places)


@dataclass(frozen=True)
class Closed(Value):
    """(whole + times * root) / below, where root is √radicand or π; times and below are no zero."""

    whole: int
    times: int
    radicand: int
    """Square-free and at least 2; 0 for π."""
    below: int = 1
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("closed", Fraction(self.whole, self.below), Fraction(self.times, self.below), self.radicand)

    @property
    def number(self) -> Decimal:
        """To 40 digits."""
        context = Context(prec=40)
        root = context.sqrt(Decimal(self.radicand)) if self.radicand else PI
        return context.divide(context.add(Decimal(self.whole), context.multiply(self.times, root)), self.below)

    def paraphrased(self, rng: Random) -> Value:
        if rng.random() < 0.75:
            return self
        places = rng.randrange(2, 7)
        rounded = self.number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        return Rounded(Fraction(rounded), places, self.meaning) if abs(rounded).scaleb(places) >= 100 else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("whole", "factor", "radicand", "sign", "denominator", "no root", "last place"))
        if change == "last place":
            places = rng.randrange(2, 6)
            rounded = Fraction(self.number.quantize(Decimal(1).scaleb(-places)))
            return change, off_in_last_place(rounded, places, rng)
        if change == "no root":
            return change, as_value(Fraction(self.whole + self.times, self.below))
        if change == "whole":
            return change, replace(self, whole=self.whole + rng.choice((-2, -1, 1, 2)))
        if change == "factor":
            return change, replace(self, times=self.times + (1 if self.times > 0 else -1) * rng.randrange(1, 4))
        if change == "radicand":
            return change, replace(self, radicand=rng.choice([r for r in RADICANDS if r != self.radicand]))
        if change == "denominator":
            return change, replace(self, below=self.below + rng.randrange(1, 3))
        return change, replace(self, times=-self.times)


PI = Decimal("3.141592653589793238462643383279502884197169399375")
RADICANDS = (0, 2, 3, 5, 6, 7, 10, 11, 13, 15, 17, 19)


def draw_closed(rng: Random) -> Closed:
    """Half of them a product only."""
    whole = rng.choice((0, 0, rng.randrange(-12, 13)))
    times = rng.choice((1, rng.randrange(1, 31), -rng.randrange(1, 10)))
    return Closed(whole, times, rng.choice(RADICANDS), rng.choice((1, 1, 1, rng.randrange(2, 10))))


MULTIPLIERS = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MULTIPLIERS |= {"万": 10**4, "亿": 10**8}


@dataclass(frozen=True)
class Multiplied(Value):
    """A number and a word that multiplies it: 1.5 million, 3万."""

    times: Fraction
    multiplier: str
    digits: bool = False
    """Whether it is written without the word, with all its digits."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.times * MULTIPLIERS[self.multiplier]

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, digits=rng.random() < 0.4)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("multiplier", "no multiplier", "number", "only the multiplier", "power of ten"))
        if change == "multiplier":
            return change, replace(self, multiplier=rng.choice(list(MULTIPLIERS)), digits=False)
        if change == "no multiplier":
            return change, Number(self.times, 1 if self.times.denominator > 1 else 0)
        if change == "number":
            return change, replace(self, times=self.times + rng.choice((1, 2, 10, Fraction(1, 2))))
        if change == "power of ten":
            return change, Number(self.meaning * rng.choice((10, 100, 1000)))
        return change, Number(Fraction(MULTIPLIERS[self.multiplier]))


def draw_multiplied(rng: Random) -> Multiplied:
    """Integers below a thousand, or a digit behind the point."""
    digits, multiplier = rng.random() < 0.3, rng.choice(list(MULTIPLIERS))
    if multiplier == "hundred":
        return Multiplied(Fraction(rng.randrange(2, 10)), multiplier, digits)
    if rng.random() < 0.5:
        return Multiplied(Fraction(rng.randrange(2, 400)), multiplier, digits)
    return Multiplied(Fraction(rng.randrange(11, 1000), 10), multiplier, digits)


@dataclass(frozen=True)
class Spelled(Value):
    """An integer in words, zero to the millions."""

    value: int
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return Fraction(self.value)

    def paraphrased(self, rng: Random) -> Value:
        return Number(Fraction(self.value)) if rng.random() < 0.2 else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change, number = Number(Fraction(self.value)).mutated(rng)
        while number.meaning.denominator > 1 or abs(number.meaning) >= 10**9:
            change, number = Number(Fraction(self.value)).mutated(rng)
        return change, Spelled(int(number.meaning))


def draw_spelled(rng: Random) -> Spelled:
    """Small ones more often."""
    return Spelled(rng.randrange(int(10 ** rng.uniform(1, 6.5))))


@dataclass(frozen=True)
class Ordinal(Value):
    """3rd, third, 第三; or the bare number of a place."""

    value: int
    figures: bool = False
    """Whether it is written in figures only: a number word may be a fraction, a third, beside a bare number."""
    bare: bool = False
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("ordinal", self.value)

    def paraphrased(self, rng: Random) -> Value:
        return replace(self, bare=self.figures and rng.random() < 0.3)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("neighbour", "digit"))
        other = self.value + rng.choice((-1, 1)) if change == "neighbour" else self.value + 10 * rng.randrange(1, 9)
        return change, Ordinal(max(other, 1), self.figures)


def draw_ordinal(rng: Random) -> Ordinal:
    """Half of them in figures."""
    value = rng.choice((rng.randrange(1, 13), rng.randrange(1, 100), rng.randrange(1, 1000)))
    figures = rng.random() < 0.5
    return Ordinal(value, figures, figures and rng.random() < 0.3)


BASES = (2, 3, 4, 5, 6, 7, 8, 9, 12, 16)


@dataclass(frozen=True)
class Based(Value):
    """A number written in a base; the truth is the writing, so the decimal value is neither right nor tried."""

    value: int
    base: int
    kind: Kind | None = Kind.BASE

    @property
    def meaning(self) -> Any:
        return (self.value, self.base)

    @property
    def digits(self) -> str:
        digits, rest = "", self.value
        while rest:
            rest, digit = divmod(rest, self.base)
            digits = "0123456789ABCDEF"[digit] + digits
        return digits

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("digit", "base", "more digits"))
        if change == "base":
            largest = int(max(self.digits), 16)
            bases = [each for each in BASES if each > largest and each != self.base]
            base = rng.choice(bases or [self.base])
            return change, Based(int(self.digits, base), base)
        if change == "more digits":
            return change, Based(self.value * self.base + rng.randrange(self.base), self.base)
        return change, Based(max(self.value + rng.choice((-1, 1)) * self.base ** rng.randrange(3), 1), self.base)


def draw_based(rng: Random) -> Based:
    base = rng.choice((2, 8, 16, *BASES))
    return Based(rng.randrange(base, base**5), base)


DRAWS: dict[str, Callable[[Random], Value]] = {
    "integer": draw_integer,
    "decimal": draw_decimal,
    "fraction": draw_quotient,
    "closed form": draw_closed,
    "multiplier": draw_multiplied,
    "number words": draw_spelled,
    "ordinal": draw_ordinal,
    "base": draw_based,
}
