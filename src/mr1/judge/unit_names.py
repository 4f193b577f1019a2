"""Which units are read, and what they are called beside pint's own names; `units` puts them together."""

from __future__ import annotations

from fractions import Fraction

ALLOWED = frozenset(
    """meter inch foot yard mile nautical_mile angstrom micron light_year parsec astronomical_unit hectare are acre
    liter gallon quart pint cup fluid_ounce tablespoon teaspoon barrel cubic_centimeter second minute hour day
    week fortnight month year decade century millennium gram metric_ton pound ounce stone ton carat grain
    unified_atomic_mass_unit kelvin degree_Celsius degree_Fahrenheit mile_per_hour kilometer_per_hour knot
    standard_gravity newton pound_force dyne joule calorie watt_hour electron_volt erg british_thermal_unit watt
    horsepower pascal bar atmosphere_standard standard_atmosphere torr millimeter_Hg pound_force_per_square_inch
    hertz revolutions_per_minute ampere coulomb volt ohm farad henry tesla gauss weber siemens ampere_hour mole
    candela lumen lux becquerel curie gray sievert katal diopter molar bit byte radian degree arcminute arcsecond
    turn""".split()
)
"""pint's names of the units that are read, each with its prefixes. Others, such as hands and points, are words."""

WORDS = {
    "米": "meter",
    "公里": "kilometer",
    "千米": "kilometer",
    "分米": "decimeter",
    "厘米": "centimeter",
    "公分": "centimeter",
    "毫米": "millimeter",
    "微米": "micrometer",
    "纳米": "nanometer",
    "海里": "nautical_mile",
    "英里": "mile",
    "英尺": "foot",
    "英寸": "inch",
    "公顷": "hectare",
    "亩": "mu",
    "升": "liter",
    "毫升": "milliliter",
    "秒": "second",
    "秒钟": "second",
    "分": "minute",
    "分钟": "minute",
    "时": "hour",
    "小时": "hour",
    "天": "day",
    "日": "day",
    "周": "week",
    "星期": "week",
    "个星期": "week",
    "个小时": "hour",
    "钟头": "hour",
    "个月": "month",
    "年": "year",
    "克": "gram",
    "千克": "kilogram",
    "公斤": "kilogram",
    "斤": "jin",
    "毫克": "milligram",
    "吨": "metric_ton",
    "磅": "pound",
    "盎司": "ounce",
    "加仑": "gallon",
    "码": "yard",
    "节": "knot",
    "马力": "horsepower",
    "卡": "calorie",
    "千卡": "kilocalorie",
    "摩尔": "mole",
    "字节": "byte",
    "克拉": "carat",
    "摄氏度": "degree_Celsius",
    "华氏度": "degree_Fahrenheit",
    "开尔文": "kelvin",
    "牛": "newton",
    "牛顿": "newton",
    "焦耳": "joule",
    "焦": "joule",
    "瓦": "watt",
    "瓦特": "watt",
    "千瓦": "kilowatt",
    "千瓦时": "kilowatt_hour",
    "瓦时": "watt_hour",
    "帕": "pascal",
    "赫兹": "hertz",
    "安": "ampere",
    "安培": "ampere",
    "伏": "volt",
    "伏特": "volt",
    "欧姆": "ohm",
    "欧": "ohm",
    "赫": "hertz",
    "kilohm": "kiloohm",
    "kilohms": "kiloohm",
    "megohm": "megaohm",
    "megohms": "megaohm",
    "度": "degree",
    "弧度": "radian",
    "元": "CNY",
    "块": "CNY",
    "人民币": "CNY",
    "美元": "USD",
    "欧元": "EUR",
    "英镑": "GBP",
    "日元": "JPY",
    "°": "degree",
    "deg": "degree",
    "degrees": "degree",
    "Ω": "ohm",
    "Å": "angstrom",
    "tonne": "metric_ton",
    "tonnes": "metric_ton",
    "kph": "kilometer_per_hour",
    "kmh": "kilometer_per_hour",
    "kmph": "kilometer_per_hour",
    "cc": "cubic_centimeter",
    "sec": "second",
    "secs": "second",
    "mins": "minute",
    "hrs": "hour",
    "hr": "hour",
    "yrs": "year",
    "yr": "year",
    "lbs": "pound",
    "amp": "ampere",
    "amps": "ampere",
    "in": "inch",
    "feet": "foot",
    "rad": "radian",
    "rads": "radian",
    "rev": "turn",
    "revolution": "turn",
    "revolutions": "turn",
    "rpm": "revolutions_per_minute",
    "celsius": "degree_Celsius",
    "fahrenheit": "degree_Fahrenheit",
    "centigrade": "degree_Celsius",
    "mmHg": "millimeter_Hg",
    "Cal": "kilocalorie",
    "kcal": "kilocalorie",
    "kWh": "kilowatt_hour",
    "mAh": "milliampere_hour",
    "MWh": "megawatt_hour",
    "atm": "standard_atmosphere",
    "mol": "mole",
    "Nm": "newton*meter",
    "tons": "ton",
}
"""Names that pint has not, or has for something rarer."""

CAPITALS = {name: name.lower() for name in ("KG", "Kg", "KM", "Km", "CM", "Cm", "MM", "KM", "ML", "Ml")}
"""Symbols that are written in capitals."""
PRODUCTS = ("meter**2", "newton*meter")
"""What a single name stands for that is no single unit of pint's."""
NO_UNITS = frozenset("a as are at or y u B".split())
"""Short words that pint has units for, and that mean something else in an answer."""

CHINESE_PREFIXES = {"毫": "milli", "微": "micro", "纳": "nano", "千": "kilo", "兆": "mega", "吉": "giga"}
MONEY = {
    "USD": "USD|US dollars?|US\\$|dollars?|bucks?|\\$",
    "cent": "cents?|¢",
    "EUR": "EUR|euros?|€",
    "GBP": "GBP|pounds sterling|£",
    "CNY": "CNY|RMB|yuan",
    "JPY": "JPY|yen",
    "¥": "¥",
    "INR": "INR|rupees?|₹",
    "KRW": "KRW|won|₩",
    "RUB": "RUB|rubles?|roubles?|₽",
}
"""Currencies, as a regular expression each."""
MONEY_OF = {"cent": ("USD", Fraction(1, 100))}
"""A currency's parts: of what, and how much of it."""
