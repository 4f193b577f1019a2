"""Plain numbers in a text: decimals, fractions, and numbers written as words."""

from __future__ import annotations

import re
from fractions import Fraction

_NUMBER = r"[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)"
_DECIMAL = re.compile(rf"({_NUMBER})(?:[eE]([+-]?\d{{1,3}}))?")
_QUOTIENT = re.compile(rf"({_NUMBER})\s*[/:]\s*({_NUMBER})")
_FRAC = re.compile(rf"([+-]?)\s*\\frac\s*\{{\s*({_NUMBER})\s*\}}\s*\{{\s*({_NUMBER})\s*\}}")
_MIXED = re.compile(r"([+-]?)\s*(\d+)\s*(?:\\frac\s*\{(\d+)\}\s*\{(\d+)\}|\s(\d+)/(\d+))")

_ONES_WORDS = "one two three four five six seven eight nine"
_TEENS_WORDS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = {word: value for value, word in enumerate(_ONES_WORDS.split(), start=1)}
_SMALL = {"zero": 0} | _ONES | {word: value for value, word in enumerate(_TEENS_WORDS.split(), start=10)}
_TENS = {word: 10 * value for value, word in enumerate(_TENS_WORDS.split(), start=2)}
_WORDS = re.compile(
    rf"(?<![A-Za-z\\])(?:({'|'.join(_TENS)})(?:[\s-]+({'|'.join(_ONES)}))?|({'|'.join(_SMALL)}))(?![A-Za-z])",
    re.IGNORECASE,
)


def with_digits(text: str) -> str:
    """The text with its number words, zero to ninety-nine, as digits."""

    def digits(found: re.Match[str]) -> str:
        tens, ones, small = (group.lower() if group else "" for group in found.groups())
        return str(_TENS.get(tens, 0) + _ONES.get(ones, 0) + _SMALL.get(small, 0))

    return _WORDS.sub(digits, text)


def read_decimal(text: str) -> tuple[Fraction, int] | None:
    """A decimal and its digits behind the point; None where the text is none. `1,234.50` is one, with 2 digits."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    digits = found[1].replace(",", "")
    return Fraction(f"{digits}e{found[2] or 0}"), len(digits.partition(".")[2])


def read_fraction(text: str) -> Fraction | None:
    """A quotient of two decimals, a ratio (`1:4` is 1/4), or a mixed number; None where the text is none of them."""
    if found := _QUOTIENT.fullmatch(text):
        return _divided(found[1], found[2])
    if found := _FRAC.fullmatch(text):
        return _divided(found[2], found[3], found[1])
    if found := _MIXED.fullmatch(text):
        part = _divided(found[3] or found[5], found[4] or found[6])
        return part and (int(found[2]) + part) * (-1 if found[1] == "-" else 1)
    return None


def _divided(above: str, below: str, sign: str = "") -> Fraction | None:
    numerator, denominator = (Fraction(part.replace(",", "")) for part in (above, below))
    if denominator == 0:
        return None
    return numerator / denominator * (-1 if sign == "-" else 1)
