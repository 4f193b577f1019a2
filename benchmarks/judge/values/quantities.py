"""Numbers with units, percentages, degrees-minutes, temperatures, counted things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number, draw_decimal, draw_integer
from benchmarks.judge.values.units import RADIAN, UNITS, Unit
from mr1.judge.truth import Kind


@dataclass(frozen=True)
class Quantity(Value):
    """A number and its unit."""

    value: Fraction
    unit: Unit
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return (self.value * self.unit.size, self.unit.dimension)

    def paraphrased(self, rng: Random) -> Value:
        if rng.random() < 0.5:
            return self
        others = [self._in(unit) for unit in UNITS.values() if unit.dimension == self.unit.dimension]
        return rng.choice([other for other in others if other.writable] or [self])

    def shortened(self, rng: Random) -> Value:
        return Bare(self) if rng.random() < 0.2 else self.paraphrased(rng)

    def _in(self, unit: Unit) -> Quantity:
        return replace(self, value=self.value * self.unit.size / unit.size, unit=unit)

    @property
    def writable(self) -> bool:
        """Whether the value is a short decimal."""
        return (self.value * 10**6).denominator == 1 and abs(self.value) < 10**9

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(
            ("unit of its kind", "other unit", "power of the unit", "number", "bare number", "converted")
        )
        units = [unit for unit in UNITS.values() if {unit.name, self.unit.name} != {"m", "min"}]  # 5 m may be minutes
        if change == "unit of its kind":
            units = [unit for unit in units if unit.dimension == self.unit.dimension and unit != self.unit]
            return (change, replace(self, unit=rng.choice(units))) if units else (change, self)
        if change == "power of the unit":
            if self.unit.dimension == "angle":
                return "radians", replace(self, unit=RADIAN)
            units = [
                each for each in units if each.name.rstrip("23") == self.unit.name.rstrip("23") and each != self.unit
            ]
            return (change, replace(self, unit=rng.choice(units))) if units else (change, self)
        if change == "other unit":
            return change, replace(self, unit=rng.choice(units))
        _, number = Number(self.value, places_of(self.value)).mutated(rng)
        other = Quantity(number.meaning, self.unit)
        if change == "bare number":
            return change, Bare(other)
        if change == "converted":
            same = [unit for unit in units if unit.dimension == self.unit.dimension]
            others = [each for each in map(other._in, same) if each.writable]
            return change, rng.choice(others or [other])
        return change, other


def places_of(value: Fraction) -> int:
    """Digits behind the point of a terminating decimal."""
    places = 0
    while (value * 10**places).denominator > 1:
        places += 1
    return places


@dataclass(frozen=True)
class Bare(Value):
    """A quantity's number without its unit: it is taken in the truth's."""

    quantity: Quantity
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.quantity.meaning

    def mutated(self, rng: Random) -> tuple[str, Value]:
        return self.quantity.mutated(rng)


def draw_quantity(rng: Random) -> Quantity:
    units = list(UNITS.values())
    dimension = rng.choice(sorted({unit.dimension for unit in units}))
    unit = rng.choice([unit for unit in units if unit.dimension == dimension])
    number = draw_decimal(rng) if rng.random() < 0.4 else draw_integer(rng)
    while number.value <= 0 or number.places > 2 or number.value > 99999:
        number = draw_decimal(rng) if rng.random() < 0.4 else draw_integer(rng)
    return Quantity(number.value, unit)


@dataclass(frozen=True)
class Percent(Value):
    """A percentage; its number of hundredths."""

    value: Fraction
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value / 100

    def paraphrased(self, rng: Random) -> Value:
        return Number(self.value / 100, places_of(self.value / 100)) if rng.random() < 0.2 else self

    def shortened(self, rng: Random) -> Value:
        return Hundredths(self.value) if rng.random() < 0.3 else self.paraphrased(rng)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change, number = Number(self.value, places_of(self.value)).mutated(rng)
        if number.meaning in (self.value / 100, self.value * 100):
            return change, self  # a bare number may be either
        return change, Hundredths(number.meaning) if rng.random() < 0.2 else Percent(number.meaning)


@dataclass(frozen=True)
class Hundredths(Value):
    """A bare number where the truth is in percent: it is taken for a number of hundredths, or for the share itself."""

    value: Fraction
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value / 100


def draw_percent(rng: Random) -> Percent:
    """From 0.1 % to 400 %."""
    if rng.random() < 0.4:
        return Percent(Fraction(rng.randrange(1, 1000), 10))
    hundredths = Fraction(rng.randrange(1, 10_000), 100)
    return Percent(Fraction(rng.choice((rng.randrange(1, 101), rng.randrange(1, 401), hundredths))))


@dataclass(frozen=True)
class Share(Value):
    """A decimal, of which a percentage is another notation."""

    value: Fraction
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return self.value

    def paraphrased(self, rng: Random) -> Value:
        return Percent(self.value * 100) if rng.random() < 0.6 else Number(self.value, places_of(self.value))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.3:
            return "percent sign", Percent(self.value)
        change, number = Number(self.value, places_of(self.value)).mutated(rng)
        return change, Percent(number.meaning * 100) if rng.random() < 0.6 else number


def draw_share(rng: Random) -> Share:
    return Share(Fraction(rng.randrange(1, 400), rng.choice((100, 100, 1000))))


@dataclass(frozen=True)
class Sexagesimal(Value):
    """An angle in whole degrees, minutes and seconds."""

    seconds: int
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return (Fraction(self.seconds, 3600), "angle")

    @property
    def parts(self) -> tuple[int, int, int]:
        minutes, seconds = divmod(self.seconds, 60)
        return (*divmod(minutes, 60), seconds)

    def paraphrased(self, rng: Random) -> Value:
        decimal = Quantity(Fraction(self.seconds, 3600), UNITS["degree"])
        return decimal if rng.random() < 0.3 and decimal.writable else self

    def mutated(self, rng: Random) -> tuple[str, Value]:
        degrees, minutes, seconds = self.parts
        change = rng.choice(("degrees", "minutes", "minutes as decimals", "no minutes"))
        if change == "degrees":
            return change, replace(self, seconds=self.seconds + 3600 * rng.choice((1, 2, 10)))
        if change == "minutes":
            return change, replace(self, seconds=abs(self.seconds + 60 * rng.choice((-1, 1, 10, -10))))
        if change == "minutes as decimals":
            return change, Quantity(degrees + Fraction(minutes, 100), UNITS["degree"])
        return change, Quantity(Fraction(degrees + 60 * seconds), UNITS["degree"])


def draw_sexagesimal(rng: Random) -> Sexagesimal:
    minutes = rng.choice((15, 30, 45, rng.randrange(1, 60)))
    return Sexagesimal(3600 * rng.randrange(1, 180) + 60 * minutes + rng.choice((0, 0, rng.randrange(1, 60))))


@dataclass(frozen=True)
class Temperature(Value):
    """In degrees Celsius or Fahrenheit, or kelvins."""

    value: Fraction
    scale: str
    """C, F or K."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        celsius = {"C": self.value, "F": (self.value - 32) * Fraction(5, 9), "K": self.value - Fraction("273.15")}
        return ("temperature", celsius[self.scale])

    def paraphrased(self, rng: Random) -> Value:
        if rng.random() < 0.8:
            return self
        celsius = self.meaning[1]
        kelvin, fahrenheit = celsius + Fraction("273.15"), celsius * Fraction(9, 5) + 32
        others = [Temperature(celsius, "C"), Temperature(kelvin, "K"), Temperature(fahrenheit, "F")]
        return rng.choice([other for other in others if (other.value * 100).denominator == 1])

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("scale", "sign", "number"))
        if change == "scale":
            return change, replace(self, scale=rng.choice([each for each in "CFK" if each != self.scale]))
        if change == "sign":
            return change, replace(self, value=-self.value) if self.scale != "K" else self
        return change, replace(self, value=self.value + rng.choice((1, 2, 10, Fraction(1, 2))))


def draw_temperature(rng: Random) -> Temperature:
    scale = rng.choice("CCFK")
    value = Fraction(rng.randrange(10, 2700), 10) if rng.random() < 0.3 else Fraction(rng.randrange(1, 270))
    return Temperature(-value if scale != "K" and rng.random() < 0.2 else value, scale)


@dataclass(frozen=True)
class Money(Value):
    """An amount in a currency, to the hundredth."""

    value: Fraction
    currency: str
    """A key of CURRENCIES."""
    bare: bool = False
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("money", self.value, self.currency)

    def shortened(self, rng: Random) -> Value:
        return replace(self, bare=rng.random() < 0.2)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.4:
            return "currency", replace(self, currency=rng.choice(list(CURRENCIES)))
        change, number = Number(self.value, places_of(self.value)).mutated(rng)
        value = number.meaning if (number.meaning * 100).denominator == 1 else self.value + 1
        return change, replace(self, value=value, bare=rng.random() < 0.2)


CURRENCIES = {"dollar": ("$", "dollars", "USD"), "euro": ("€", "euros", "EUR"), "won": ("₩", "won", "KRW")}
CURRENCIES |= {"pound": ("£", "pounds sterling", "GBP"), "rupee": ("₹", "rupees", "INR")}
"""Sign, plural, code; ¥ is left out, because it is of two."""


def draw_money(rng: Random) -> Money:
    value = Fraction(rng.randrange(2, int(10 ** rng.uniform(1, 6))), rng.choice((1, 1, 100)))
    return Money(value if value > 1 else value + 2, rng.choice(list(CURRENCIES)))


THINGS = (
    "apples",
    "cubes",
    "red cubes",
    "blue cubes",
    "students",
    "large metal spheres",
    "dogs",
    "cars",
    "red",
    "blue",
    "dollars",
    "euros",
    "people",
    "slices of pizza",
)


@dataclass(frozen=True)
class Counted(Value):
    """So many of a thing that is no unit."""

    count: int
    thing: str
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("counted", self.count, self.thing)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        if rng.random() < 0.5:
            return "thing", replace(self, thing=rng.choice(THINGS))
        return "number", replace(self, count=self.count + rng.choice((1, 2, 10, -1)))


def draw_counted(rng: Random) -> Counted:
    return Counted(rng.randrange(2, 200), rng.choice(THINGS))


DRAWS: dict[str, Callable[[Random], Value]] = {
    "quantity": draw_quantity,
    "percentage": draw_percent,
    "share": draw_share,
    "degrees-minutes": draw_sexagesimal,
    "temperature": draw_temperature,
    "money": draw_money,
    "counted things": draw_counted,
}
