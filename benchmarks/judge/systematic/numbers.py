"""Notations of numbers."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from num2words import num2words

from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.numbers import (
    Based,
    Closed,
    Multiplied,
    Number,
    Ordinal,
    Quotient,
    Rounded,
    Spelled,
)

_UP = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_DOWN = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
VULGAR = {Fraction(1, 2): "½", Fraction(1, 3): "⅓", Fraction(2, 3): "⅔", Fraction(1, 4): "¼", Fraction(3, 4): "¾"}
VULGAR |= {Fraction(1, 5): "⅕", Fraction(2, 5): "⅖", Fraction(3, 5): "⅗", Fraction(4, 5): "⅘", Fraction(1, 6): "⅙"}
VULGAR |= {Fraction(5, 6): "⅚", Fraction(1, 8): "⅛", Fraction(3, 8): "⅜", Fraction(5, 8): "⅝", Fraction(7, 8): "⅞"}


def grouped(digits: str, separator: str) -> str:
    """A decimal with a separator between thousands."""
    sign = "-" if digits.startswith("-") else ""
    whole, point, rest = digits.removeprefix("-").partition(".")
    return sign + f"{int(whole):,}".replace(",", separator) + point + rest


@forms.register
def _(value: Number, rng: Random) -> list[Form]:
    digits = plain(value.value, max(value.places, 0))
    found = math(digits, digits)
    if value.value < 0:
        found += math(digits.replace("-", "−"), f"- {digits[1:]}") + text(
            f"minus {digits[1:]}", f"negative {digits[1:]}"
        )
    if value.places == 0:
        found += math(digits + ".0")
    if value.places:
        found += math(digits + "0")
    if abs(value.value) >= 1000:
        found += math(*(grouped(digits, separator) for separator in (",", "{,}", ",\\!", "\\,")))
        found += text(grouped(digits, ","), grouped(digits, "\u202f"))
        found += _scientific(value.value)
    if 0 < abs(value.value) < Fraction(1, 10):
        found += _scientific(value.value)
    if 0 < abs(value.value) < 1:
        found += math(digits.replace("0.", ".", 1))
    if value.value > 0:
        found += math(f"+{digits}")
    if 0 <= value.value < 100 and not value.places:
        found += text(
            num2words(int(value.value)), digits.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
        )
    return found


def _scientific(value: Fraction) -> list[Form]:
    digits = plain(abs(value))
    exponent = len(digits.partition(".")[0]) - 1
    while abs(value) < Fraction(10) ** exponent:
        exponent -= 1
    mantissa = plain(value / Fraction(10) ** exponent)
    return [
        *math(f"{mantissa} \\times 10^{{{exponent}}}", f"{mantissa}\\cdot10^{{{exponent}}}"),
        *text(
            f"{mantissa} × 10{str(exponent).translate(_UP)}", f"{mantissa}e{exponent}", f"{mantissa}E{exponent:+03d}"
        ),
        *text(f"{mantissa} x 10^{exponent}", f"{mantissa}*10^{exponent}", f"{mantissa}*10^({exponent})"),
    ]


@forms.register
def _(value: Rounded, rng: Random) -> list[Form]:
    digits = plain(value.value, value.places)
    return [*math(digits, f"\\approx {digits}"), *text(f"≈ {digits}", f"about {digits}", f"approximately {digits}")]


@forms.register
def _(value: Quotient, rng: Random) -> list[Form]:
    sign = "-" if value.value < 0 else ""
    size = abs(value.value)
    above, below = size.numerator, size.denominator
    times = rng.randrange(2, 6)
    found = [
        *math(*(f"{sign}\\{command}{{{above}}}{{{below}}}" for command in ("frac", "dfrac", "tfrac"))),
        *math(f"{sign}\\frac{{{times * above}}}{{{times * below}}}", f"{sign}{above}/{below}"),
        *text(f"{sign}{above}/{below}", f"{sign}{above} / {below}"),
    ]
    if not sign:
        found += math(f"{{{above} \\over {below}}}")
    if above < 10 and below < 10:
        found += math(f"{sign}\\frac{above}{below}", f"{sign}\\frac {above} {below}")
    whole, part = divmod(size, 1)
    if whole:
        found += math(f"{sign}{whole}\\frac{{{part.numerator}}}{{{part.denominator}}}")
        found += text(f"{sign}{whole} {part.numerator}/{part.denominator}")
    if part in VULGAR:
        found += text(f"{sign}{whole or ''}{VULGAR[part]}")
    return found + _decimals(value.value)


def _decimals(value: Fraction) -> list[Form]:
    """A decimal that ends, or one that repeats with at most six digits."""
    try:
        digits = plain(value)
        return math(digits) if len(digits) < 9 else []
    except ValueError:
        pass
    sign, size = "-" if value < 0 else "", abs(value)
    whole, rest = divmod(size.numerator, size.denominator)
    digits, seen = "", {}
    while rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, size.denominator)
        digits += str(digit)
    start, period = digits[: seen[rest]], digits[seen[rest] :]
    if len(digits) > 6:
        return []
    dotted = f"\\dot{{{period[0]}}}{period[1:-1]}" + (f"\\dot{{{period[-1]}}}" if len(period) > 1 else "")
    return math(f"{sign}{whole}.{start}\\overline{{{period}}}", f"{sign}{whole}.{start}{dotted}")


@forms.register
def _(value: Closed, rng: Random) -> list[Form]:
    found = []
    roots = ("\\pi", "π", "pi") if not value.radicand else ()
    if value.radicand:
        roots = (f"\\sqrt{{{value.radicand}}}", f"√{value.radicand}", f"sqrt({value.radicand})")
    for latex, (root, star) in enumerate(zip(roots, ("", "", "*"), strict=True)):
        size = abs(value.times)
        term = root if size == 1 else f"{size}{star}{root}"
        sign = "-" if value.times < 0 else ""
        above = f"{value.whole}{sign or '+'}{term}" if value.whole else sign + term
        make = math if latex == 0 else text
        if value.below == 1:
            found += make(above)
            if value.whole:
                found += make(f"{sign}{term} {'+' if value.whole > 0 else '-'} {abs(value.whole)}")
        elif latex == 0:
            found += make(f"\\frac{{{above}}}{{{value.below}}}", f"\\dfrac{{{above}}}{{{value.below}}}")
        else:
            found += make(f"({above})/{value.below}")
    if value.radicand and not value.whole and value.below == 1:
        sign = "-" if value.times < 0 else ""
        found += math(f"{sign}\\sqrt{{{value.times**2 * value.radicand}}}") + text(
            f"{sign}√{value.times**2 * value.radicand}"
        )
    return found


@forms.register
def _(value: Multiplied, rng: Random) -> list[Form]:
    if value.digits:
        return forms(Number(value.meaning), rng)
    digits = plain(value.times)
    if not value.multiplier.isascii():
        return text(f"{digits}{value.multiplier}", f"{digits} {value.multiplier}")
    found = text(f"{digits} {value.multiplier}", f"{digits} {value.multiplier.capitalize()}")
    found += math(f"{digits} \\text{{ {value.multiplier}}}", f"{digits}\\,\\text{{{value.multiplier}}}")
    if value.times.denominator == 1 and value.times < 100:
        found += text(f"{num2words(int(value.times))} {value.multiplier}")
    return found


@forms.register
def _(value: Spelled, rng: Random) -> list[Form]:
    words = num2words(value.value)
    return text(words, words.replace(",", ""), words.replace(",", "").replace(" and ", " "), words.capitalize())


@forms.register
def _(value: Ordinal, rng: Random) -> list[Form]:
    if value.bare:
        return math(str(value.value))
    found = text(num2words(value.value, to="ordinal_num"), num2words(value.value, to="ordinal_num"))
    found += math(f"{value.value}^{{\\text{{{num2words(value.value, to='ordinal_num')[-2:]}}}}}")
    if value.value < 100:
        found += text(f"第{value.value}") + ([] if value.figures else text(num2words(value.value, to="ordinal")))
    return found


@forms.register
def _(value: Based, rng: Random) -> list[Form]:
    digits, base = value.digits, value.base
    found = math(f"{digits}_{{{base}}}", f"{digits}_{{{base}}}", f"({digits})_{{{base}}}")
    found += math(f"{digits}_{base}") if base < 10 else []
    found += text(f"{digits}{str(base).translate(_DOWN)}", f"{digits} (base {base})", f"{digits} in base {base}")
    if base in (2, 8, 16):
        found += text({2: "0b", 8: "0o", 16: "0x"}[base] + digits)
    return found
