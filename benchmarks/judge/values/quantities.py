"""Numbers with units, percentages, degrees-minutes, temperatures, counted things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number, draw_decimal, draw_integer
from mr1.judge.truth import Kind


@dataclass(frozen=True)
class Unit:
    """A unit, and the names it has."""

    name: str
    dimension: str
    size: Fraction
    """In the dimension's first unit."""
    symbol: str
    latex: str
    """Inside \\text; exponents outside."""
    words: tuple[str, ...]
    """Plurals."""
    chinese: str = ""


_TABLE = r"""
length    | km        | 1000       | km       | \text{km}              | kilometers kilometres    | 公里
length    | m         | 1          | m        | \text{m}               | meters metres            | 米
length    | cm        | 1/100      | cm       | \text{cm}              | centimeters centimetres  | 厘米
length    | dm        | 1/10       | dm       | \text{dm}              | decimeters decimetres    | 分米
length    | µm        | 1/1000000  | μm       | \mu\text{m}            | micrometers micrometres  | 微米
length    | mm        | 1/1000     | mm       | \text{mm}              | millimeters millimetres  | 毫米
length    | inch      | 254/10000  | in       | \text{in}              | inches                   |
length    | foot      | 3048/10000 | ft       | \text{ft}              | feet                     |
length    | yard      | 9144/10000 | yd       | \text{yd}              | yards                    |
length    | mile      | 1609344/1000 | mi     | \text{mi}              | miles                    | 英里
area      | km2       | 1000000    | km²      | \text{km}^2            | square_kilometers        | 平方公里
area      | m2        | 1          | m²       | \text{m}^2             | square_meters square_metres | 平方米
area      | cm2       | 1/10000    | cm²      | \text{cm}^{2}          | square_centimeters       | 平方厘米
area      | mm2       | 1/1000000  | mm²      | \text{mm}^2            | square_millimeters       | 平方毫米
area      | ft2       | 9290304/100000000 | ft² | \text{ft}^2           | square_feet              |
area      | hectare   | 10000      | ha       | \text{ha}              | hectares                 | 公顷
volume    | m3        | 1          | m³       | \text{m}^3             | cubic_meters cubic_metres | 立方米
volume    | cm3       | 1/1000000  | cm³      | \text{cm}^{3}          | cubic_centimeters        | 立方厘米
volume    | L         | 1/1000     | L        | \text{L}               | liters litres            | 升
volume    | dm3       | 1/1000     | dm³      | \text{dm}^3            | cubic_decimeters         | 立方分米
volume    | mL        | 1/1000000  | mL       | \text{mL}              | milliliters millilitres  | 毫升
mass      | t         | 1000       | t        | \text{t}               | tonnes                   | 吨
mass      | kg        | 1          | kg       | \text{kg}              | kilograms                | 千克
mass      | g         | 1/1000     | g        | \text{g}               | grams                    | 克
mass      | mg        | 1/1000000  | mg       | \text{mg}              | milligrams               | 毫克
mass      | lb        | 45359237/100000000 | lb | \text{lb}            | pounds                   | 磅
mass      | oz        | 45359237/1600000000 | oz | \text{oz}           | ounces                   | 盎司
time      | day       | 86400      | d        | \text{days}            | days                     | 天
time      | h         | 3600       | h        | \text{h}               | hours                    | 小时
time      | min       | 60         | min      | \text{min}             | minutes                  | 分钟
time      | s         | 1          | s        | \text{s}               | seconds                  | 秒
time      | ms        | 1/1000     | ms       | \text{ms}              | milliseconds             | 毫秒
frequency | Hz        | 1          | Hz       | \text{Hz}              | hertz                    | 赫兹
frequency | kHz       | 1000       | kHz      | \text{kHz}             | kilohertz                | 千赫
frequency | MHz       | 1000000    | MHz      | \text{MHz}             | megahertz                | 兆赫
speed     | km/h      | 5/18       | km/h     | \text{km/h}            | kilometers_per_hour | 千米/时
speed     | m/s       | 1          | m/s      | \text{m/s}             | meters_per_second metres_per_second | 米/秒
speed     | mph       | 1609344/3600000 | mph | \text{mph}             | miles_per_hour           |
speed     | cm/s      | 1/100      | cm/s     | \text{cm/s}            | centimeters_per_second   | 厘米/秒
flow      | L/min     | 1          | L/min    | \text{L/min}           | liters_per_minute litres_per_minute |
flow      | L/s       | 60         | L/s      | \text{L/s}             | liters_per_second        |
acceleration | m/s2   | 1          | m/s²     | \text{m/s}^2           | meters_per_second_squared |
density   | g/cm3     | 1000       | g/cm³    | \text{g/cm}^3          | grams_per_cubic_centimeter | 克/立方厘米
density   | g/mL      | 1000       | g/mL     | \text{g/mL}            | grams_per_milliliter     | 克/毫升
density   | kg/m3     | 1          | kg/m³    | \text{kg/m}^3          | kilograms_per_cubic_meter | 千克/立方米
energy    | J         | 1          | J        | \text{J}               | joules                   | 焦耳
energy    | kJ        | 1000       | kJ       | \text{kJ}              | kilojoules               | 千焦
energy    | kWh       | 3600000    | kWh      | \text{kWh}             | kilowatt-hours           | 千瓦时
power     | W         | 1          | W        | \text{W}               | watts                    | 瓦
power     | kW        | 1000       | kW       | \text{kW}              | kilowatts                | 千瓦
power     | MW        | 1000000    | MW       | \text{MW}              | megawatts                | 兆瓦
power     | mW        | 1/1000     | mW       | \text{mW}              | milliwatts               | 毫瓦
pressure  | Pa        | 1          | Pa       | \text{Pa}              | pascals                  | 帕
pressure  | kPa       | 1000       | kPa      | \text{kPa}             | kilopascals              | 千帕
force     | N         | 1          | N        | \text{N}               | newtons                  | 牛
force     | kN        | 1000       | kN       | \text{kN}              | kilonewtons              | 千牛
voltage   | V         | 1          | V        | \text{V}               | volts                    | 伏
voltage   | mV        | 1/1000     | mV       | \text{mV}              | millivolts               | 毫伏
current   | A         | 1          | A        | \text{A}               | amperes                  | 安培
current   | mA        | 1/1000     | mA       | \text{mA}              | milliamperes             | 毫安
resistance| ohm       | 1          | Ω        | \Omega                 | ohms                     | 欧姆
resistance| kohm      | 1000       | kΩ       | \text{k}\Omega         | kilohms                  | 千欧
angle     | degree    | 1          | °        | ^\circ                 | degrees                  | 度
"""


def _read_table() -> dict[str, Unit]:
    units = {}
    for line in _TABLE.strip().splitlines():
        dimension, name, size, symbol, latex, words, chinese = (cell.strip() for cell in line.split("|"))
        plurals = tuple(word.replace("_", " ") for word in words.split())
        units[name] = Unit(name, dimension, Fraction(size), symbol, latex, plurals, chinese)
    return units


UNITS = _read_table()
RADIAN = Unit("radian", "radian", Fraction(1), "rad", r"\text{rad}", ("radians",), "弧度")
"""Of a dimension of its own: a rational number of radians is no rational number of degrees."""


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


CURRENCIES = {"dollar": ("$", "dollars", "USD"), "euro": ("€", "euros", "EUR"), "yuan": ("¥", "yuan", "CNY")}
CURRENCIES |= {"pound": ("£", "pounds sterling", "GBP"), "rupee": ("₹", "rupees", "INR")}
"""Sign, plural, code."""


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
