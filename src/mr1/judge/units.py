"""Units of measurement. What a unit is called and how large it is, pint knows; which of its units an answer may have is
said in `unit_names`, and how they are put together here: pint takes nearly any short word for a unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from mr1.judge.unit_names import ALLOWED, CAPITALS, CHINESE_PREFIXES, MONEY, MONEY_OF, NO_UNITS, PRODUCTS, WORDS

Conversion = tuple[Fraction, Fraction]
"""Factor and offset."""
UNCHANGED: Conversion = Fraction(1), Fraction(0)
PERCENT = "percent"
ANGLE = "angle"

_OWN = re.compile(
    "|".join(f"(?P<m{number}>(?<![A-Za-z])(?:{names})(?![A-Za-z]))" for number, names in enumerate(MONEY.values()))
    + r"|(?P<percent>%|(?<![A-Za-z])(?:percent|per cent|pct)(?![A-Za-z])(?!\s*points?))"
    + r"|(?P<permille>‰)"
    + r"|(?P<degree>(?:°|(?<![A-Za-z])degrees?|(?<![A-Za-z])deg)\s*"
    r"(?P<scale>C|F|K|[Cc]elsius|[Ff]ahrenheit|[Cc]entigrade)(?![A-Za-z]))"
)
_BEGINS = re.compile(r"[^\W\d_]|[%‰°'\"$¢€£¥₹₩₽]")
_NAME = re.compile(r"[A-Za-zµΩÅ]+|°|[\u4e00-\u9fff]{1,4}|''|'|\"")
_POWER = re.compile(r"\s*+\^\s*+\{?\s*+(-?[1-9])\s*+\}?\^?|([23])(?![\dA-Za-z])|\s+(squared|cubed)(?![A-Za-z])")
_JOIN = re.compile(r"\s*(?:(/)|(\*|-(?=[A-Za-z]))|(per)\s+|(每)|(an?)\s(?=\s*[A-Za-z]))\s*")
_BLANK = re.compile(r"\s+(?=[A-Za-zµΩ]{1,3}(?![A-Za-z]))()()")
_SYMBOL = re.compile(r"[A-Za-zµΩ]{1,3}(?:\^\{-?\d\})?")
_QUOTIENT = re.compile(r"\\frac\s*+\{\s*+([^{}]+?)(?<!\s)\s*+\}\s*+\{\s*+([^{}]+?(?:\^\{-?\d\})?)(?<!\s)\s*+\}")
_PREFIX = re.compile(r"(?:(square|sq\.?)\s+|(平方))|(?:(cubic|cu\.?)\s+|(立方))")
_NAUTICAL = re.compile(
    r"nautical\s+miles?|light[\s-]+years?|pounds?\s+per\s+square\s+inch|fluid\s+ounces?|fl\.?\s*oz|metric\s+tons?"
)
_SCALES = {"c": "degree_Celsius", "f": "degree_Fahrenheit", "k": "kelvin"}
_YEN_SIGN = (("money:¥", 1),)


@dataclass(frozen=True)
class Unit:
    """A unit, or a product of powers of units."""

    dimension: tuple[tuple[str, int], ...]
    """What it measures: base dimensions with their powers, sorted."""
    size: Fraction
    """In the dimension's base units."""
    offset: Fraction = Fraction(0)
    """Of a temperature: its zero in kelvin."""
    name: str = ""
    """As it was written."""

    @property
    def is_percent(self) -> bool:
        """Whether it is a share, and no measure."""
        return self.dimension == ((PERCENT, 1),)

    def same(self, other: Unit) -> bool:
        """Whether both measure the same thing. The sign ¥ is that of yuan and of yen."""
        if self.dimension == other.dimension:
            return True
        moneys = {self.dimension, other.dimension}
        return _YEN_SIGN in moneys and not moneys.isdisjoint({(("money:CNY", 1),), (("money:JPY", 1),)})

    def to(self, other: Unit) -> Conversion:
        """From this unit to another of the same thing."""
        if self.size == other.size and self.offset == other.offset:
            return UNCHANGED
        return self.size / other.size, (self.offset - other.offset) / other.size


def percent(size: Fraction, name: str) -> Unit:
    """A hundredth, or a thousandth."""
    return Unit(((PERCENT, 1),), size, name=name)


def unit_at(text: str, start: int = 0) -> tuple[Unit, int] | None:
    """The unit that begins in a text at `start`, and where it ends; None where none does.

    Products, quotients and powers are one unit: `km/h`, `kg m^{-2}`, `square metres`, `米/秒`, `metres per second`.
    """
    quotient = _QUOTIENT.match(text, start) if text.startswith("\\", start) else None
    if quotient and (told := unit_at(f"{quotient[1]}/{quotient[2]}")):
        over = len(quotient[1]) + len(quotient[2]) + 1
        return (told[0], quotient.end()) if told[1] == over else None
    if not _BEGINS.match(text, start):
        return None
    # By what follows, since units come again behind other values; of what comes before, a letter may forbid some.
    glued = start > 0 and text[start - 1].isalpha()
    found = _unit(text[start - glued :], int(glued))
    return found and (found[0], found[1] + start - glued)


@lru_cache(maxsize=4096)
def _unit(text: str, start: int) -> tuple[Unit, int] | None:
    found = _factor(text, start)
    if found is None:
        return None
    dimension, size, offset, end = found
    while not offset:
        join = _JOIN.match(text, end)
        if join is None and _SYMBOL.fullmatch(text, start, end):  # "N m": a blank joins symbols, never words.
            join = _BLANK.match(text, end)
        more = _factor(text, join.end()) if join else None
        if join is None or more is None or more[2]:
            break
        if join.lastindex == 5 and more[0] != (("time", 1),):  # 15 dollars an hour
            break
        sign = 1 if join[2] or not join[0].strip() else -1
        dimension = _product(dimension, more[0], sign)
        size = size * more[1] if sign > 0 else size / more[1]
        end = more[3]
    if not dimension:
        return None
    return Unit(dimension, size, offset, text[start:end].strip()), end


def _factor(text: str, start: int) -> tuple[tuple[tuple[str, int], ...], Fraction, Fraction, int] | None:
    """One named unit with its power: dimension, size, offset, end."""
    if own := _OWN.match(text, start):
        return _own(own)
    power, begin = 1, start
    if prefix := _PREFIX.match(text, start):
        power, begin = (2 if prefix[1] or prefix[2] else 3), prefix.end()
    named = _NAUTICAL.match(text, begin)
    if named:
        name, end = re.sub(r"[\s.-]+", "_", named[0]).replace("fl_oz", "fluid_ounce"), named.end()
        if "per_square_inch" in name:
            name = "psi"
        known = _lookup(name)
    else:
        found = _NAME.match(text, begin)
        if found is None:
            return None
        known, end = _longest(found[0], begin)
    if known is None:
        return None
    raised = _POWER.match(text, end)
    if raised and raised[2] and known[0] != (("length", 1),):  # m2, but not N3
        raised = None
    if raised:
        power *= int(raised[1] or raised[2] or (2 if raised[3] == "squared" else 3))
        end = raised.end()
    elif end < len(text) and (text[end].isalpha() and text[end].isascii() and text[end - 1].isascii()):
        return None
    dimension, size, offset = known
    if offset and power != 1:
        return None
    return tuple((name, each * power) for name, each in dimension), size**power, offset, end


def _own(found: re.Match[str]) -> tuple[tuple[tuple[str, int], ...], Fraction, Fraction, int]:
    if found["percent"]:
        return ((PERCENT, 1),), Fraction(1, 100), Fraction(0), found.end()
    if found["permille"]:
        return ((PERCENT, 1),), Fraction(1, 1000), Fraction(0), found.end()
    if found["degree"]:
        known = _lookup(_SCALES[found["scale"][0].lower() if found["scale"] != "centigrade" else "c"])
        assert known is not None
        return (*known, found.end())
    name = next(name for number, name in enumerate(MONEY) if found[f"m{number}"])
    money, size = MONEY_OF.get(name, (name, Fraction(1)))
    return ((f"money:{money}", 1),), size, Fraction(0), found.end()


def _longest(name: str, start: int) -> tuple[Any, int]:
    """A name's unit and its end; of Chinese characters, which have no blanks between them, the longest that is one."""
    if not "\u4e00" <= name[0] <= "\u9fff":
        return _lookup(name), start + len(name)
    for length in range(len(name), 0, -1):
        if (name[:length] in WORDS or name[1:length] in WORDS) and (known := _lookup(name[:length])):
            return known, start + length
    return None, start


@lru_cache(maxsize=4096)
def _lookup(name: str) -> tuple[tuple[tuple[str, int], ...], Fraction, Fraction] | None:
    """A single unit's dimension, size and offset; None for a word that is none."""
    if name in ("'", "''", '"'):
        name = "arcminute" if name == "'" else "arcsecond"
    if len(name) > 24 or name in NO_UNITS:
        return None
    name = CAPITALS.get(name, name)
    if name not in WORDS and (prefix := CHINESE_PREFIXES.get(name[0])):
        name = prefix + WORDS.get(name[1:], name[1:])
    name = WORDS.get(name) or WORDS.get(name.lower(), name)
    if name in MONEY:
        return ((f"money:{name}", 1),), Fraction(1), Fraction(0)
    if name in ("jin", "mu"):
        name, scale = ("kilogram", Fraction(1, 2)) if name == "jin" else ("meter**2", Fraction(2000, 3))
        known = _of_pint(name)
        return known and (known[0], known[1] * scale, known[2])
    return _of_pint(name) or (_of_pint(name.lower()) if len(name) > 3 else None)


def _of_pint(name: str) -> tuple[tuple[tuple[str, int], ...], Fraction, Fraction] | None:
    registry = _registry()
    if name not in PRODUCTS:
        try:
            candidates = registry.parse_unit_name(name)
        except Exception:  # pint raises many things for odd names
            return None
        if not candidates or candidates[0][1] not in ALLOWED:
            return None
    base = candidates[0][1] if name not in PRODUCTS else name
    if base in ("radian", "degree", "arcminute", "arcsecond", "turn"):
        return ((ANGLE, 1),), _angle(base), Fraction(0)
    if base in ("bit", "byte"):
        size = registry.Quantity(Fraction(1), name).to("bit").magnitude
        return (("data", 1),), Fraction(size), Fraction(0)
    units = registry.parse_units(name)
    dimension = tuple(sorted((key.strip("[]"), int(power)) for key, power in units.dimensionality.items()))
    quantity = registry.Quantity
    if base in ("degree_Celsius", "degree_Fahrenheit"):
        zero = Fraction(quantity(Fraction(0), units).to("kelvin").magnitude)
        return dimension, Fraction(quantity(Fraction(1), units).to("kelvin").magnitude) - zero, zero
    return dimension, Fraction(quantity(Fraction(1), units).to_base_units().magnitude), Fraction(0)


def _angle(base: str) -> Fraction:
    """In degrees. A radian is no fraction of a degree; this one is right to 40 digits."""
    if base == "radian":
        return Fraction(180) / Fraction("3.14159265358979323846264338327950288419716939937510")
    sizes = {"degree": Fraction(1), "arcminute": Fraction(1, 60), "arcsecond": Fraction(1, 3600), "turn": Fraction(360)}
    return sizes[base]


def _product(
    first: tuple[tuple[str, int], ...], second: tuple[tuple[str, int], ...], sign: int
) -> tuple[tuple[str, int], ...]:
    powers = dict(first)
    for name, power in second:
        powers[name] = powers.get(name, 0) + sign * power
    return tuple(sorted((name, power) for name, power in powers.items() if power))


@cache
def _registry() -> Any:
    """pint's units with exact sizes. It takes half a second to make, so the first unit makes it."""
    import pint

    return pint.UnitRegistry(non_int_type=Fraction)
