"""Units, their sizes and their names."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


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
