"""Units of measurement at the end of an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

PERCENT = "percent"

# Each name stands for so many of its dimension's base unit: metre, second, kilogram, degree.
_LENGTHS = {
    "mm|millimet(?:er|re)s?|毫米": Fraction(1, 1000),
    "cm|centimet(?:er|re)s?|厘米": Fraction(1, 100),
    "dm|decimet(?:er|re)s?|分米": Fraction(1, 10),
    "km|kilomet(?:er|re)s?|千米|公里": Fraction(1000),
    "nautical miles?|海里": Fraction(1852),
    "m|met(?:er|re)s?|米": Fraction(1),
}
_OTHERS = {
    "°|degrees?|deg|度": ("angle", Fraction(1)),
    "%|percent(?:age)?|pct": (PERCENT, Fraction(1, 100)),
    "s|secs?|seconds?|秒": ("time", Fraction(1)),
    "min|minutes?|分钟|分": ("time", Fraction(60)),
    "h|hrs?|hours?|小时": ("time", Fraction(3600)),
    "kg|kilograms?|千克|公斤": ("mass", Fraction(1)),
    "g|grams?|克": ("mass", Fraction(1, 1000)),
}

_POWER = r"\s*\^\s*\{?\s*(?P<power>[23])\s*\}?\^?|(?P<suffix>[23])"
_PREFIX = r"(?P<square>(?:square|sq\.?)\s+|平方)|(?P<cube>cubic\s+|立方)"
_END = re.compile(
    rf"(?<![A-Za-z\\])(?:(?:{_PREFIX})?(?P<length>{'|'.join(_LENGTHS)})(?:{_POWER})?|(?P<other>{'|'.join(_OTHERS)}))$"
)


@dataclass(frozen=True)
class Unit:
    """A unit: what it measures, and its size in the dimension's base unit."""

    dimension: str
    size: Fraction


def split_unit(text: str) -> tuple[str, Unit | None]:
    """Take a unit off a text's end; the text alone and None where it ends in none, or consists of nothing else.

    A unit's letters must not follow another letter (`2ab`), so `8cm`, `8 cm` and `4\\pi cm` end in a unit.
    """
    found = _END.search(text)
    if found is None or not text[: found.start()].strip():
        return text, None
    return text[: found.start()].rstrip(), _unit(found)


def _unit(found: re.Match[str]) -> Unit:
    name = found["length"]
    if name is None:
        return next(Unit(*unit) for names, unit in _OTHERS.items() if re.fullmatch(names, found["other"]))
    size = next(size for names, size in _LENGTHS.items() if re.fullmatch(names, name))
    power = int(found["power"] or found["suffix"] or (2 if found["square"] else 3 if found["cube"] else 1))
    return Unit(("length", "area", "volume")[power - 1], size**power)
