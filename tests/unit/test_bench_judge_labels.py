"""The labels of the judge's pairs, by other means than the generator's.

Texts are read here by pint, sympy, datetime and a few expressions, on the plainer ones of each family's pairs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pint
import pytest
import sympy
from benchmarks.judge.pairs import pairs
from sympy.parsing.sympy_parser import implicit_multiplication_application, parse_expr, standard_transformations

PINT: pint.UnitRegistry[Any] = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
_FURNITURE = re.compile(r"\\boxed|\\text|\\mathrm|\\left|\\right|\\[()\[\],! ]|[$*`{}~\"\n]|(?<=\d),(?=\d{3}(?!\d))")


class UnreadError(Exception):
    """The text is none of the plain ones."""


def bare(text: str) -> str:
    """A text without its furniture, and without the sentence that ends in it."""
    text = _FURNITURE.sub("", text.replace("{,}", "").replace("\\,", " ").replace("−", "-").replace("\u202f", ""))
    text = re.sub(r"^.*(?:answer(?: is)?:?|Answer:|答案[是为：]*|is|takes|weighs)\s*(?=\S)", "", text)
    return text.strip().rstrip(" .。")


def number(text: str) -> Fraction:
    text = text.removeprefix("x = ").removeprefix("= ")
    if not re.fullmatch(r"-?\s?\d+(\.\d+)?(/\d+)?", text):
        raise UnreadError(text)
    above, _, below = text.replace(" ", "").partition("/")
    return Fraction(above) / Fraction(below or 1)


def quantity(text: str) -> pint.Quantity[Any]:
    found = re.fullmatch(r"(-?[\d.]+) ?([A-Za-zΩ]+[A-Za-z/²³^0-9 ]*)?", text)
    if not found:
        raise UnreadError(text)
    unit = found[2] or ""
    if re.search(r"square|cubic|ounce|\bh\b|\boz\b|in$|\bd\b|hectare|tonne|pound|squared", unit):
        raise UnreadError(text)  # pint has other names, or other units, for some
    try:
        return PINT.Quantity(float(found[1]), unit.replace("²", "^2").replace("³", "^3").replace(" per ", "/") or None)
    except (pint.UndefinedUnitError, AssertionError, ValueError, pint.DimensionalityError) as error:
        raise UnreadError(text) from error


def same_quantity(one: pint.Quantity[Any], other: pint.Quantity[Any]) -> bool:
    """`other` is the truth's: a number alone is taken in its unit."""
    if one.unitless:
        one = PINT.Quantity(one.magnitude, other.units)
    if one.dimensionality != other.dimensionality:
        return False
    return bool(abs(one.to(other.units).magnitude - other.magnitude) < 1e-9 * abs(other.magnitude))


def day(text: str) -> date:
    text = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text).replace("the ", "").replace(" of ", " ").replace(".", "")
    text = re.sub(r"^[A-Z][a-z]+day, ", "", text)
    for shape in ("%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%d %b %Y"):
        try:
            return datetime.strptime(text, shape).date()
        except ValueError:
            pass
    raise UnreadError(text)


def expression(text: str) -> sympy.Expr:
    text = re.sub(r"\^(\d)", r"**\1", text.replace("²", "^2").replace("³", "^3").replace("⁴", "^4"))
    if not re.fullmatch(r"[-+*() 0-9abntxyz]+", text):
        raise UnreadError(text)
    spaced = re.sub(r"(?<=[a-z])(?=[a-z])", " ", text)
    return parse_expr(spaced, transformations=(*standard_transformations, implicit_multiplication_application))


def same_equation(one: list[sympy.Expr], other: list[sympy.Expr]) -> bool:
    """Whether the differences of their sides are one but for a factor."""
    if len(one) != 2 or len(other) != 2:
        raise UnreadError
    differences = [sympy.expand(left - right) for left, right in (one, other)]
    return bool(sympy.cancel(differences[0] / differences[1]).is_number)


def letters(text: str) -> frozenset[str]:
    found = re.fullmatch(r"[(\[]?([A-Z])[)\].]?|((?:[A-Z](?:, | and |,|、)?)+)", text.strip())
    if not found:
        raise UnreadError(text)
    return frozenset(re.findall(r"[A-Z]", found[1] or found[2]))


def ordered(text: str) -> tuple[Fraction, ...]:
    found = re.fullmatch(r"\(([^()]+)\)", text)
    if not found:
        raise UnreadError(text)
    return tuple(number(each.strip()) for each in found[1].split(","))


def bounds(text: str) -> tuple[Any, ...]:
    found = re.fullmatch(r"(?:x \\in )?([(\[])(.+), ?(.+)([)\]])", text)
    if not found:
        raise UnreadError(text)
    ends = (each.replace("\\infty", "∞").replace("+", "") for each in (found[2], found[3]))
    return (found[1], *(each if "∞" in each else number(each) for each in ends), found[4])


def rows(text: str) -> tuple[tuple[Fraction, ...], ...]:
    found = re.fullmatch(r"\\begin[pb]matrix(.*)\\end[pb]matrix", text)
    if not found:
        raise UnreadError(text)
    return tuple(tuple(number(each.strip()) for each in row.split("&")) for row in found[1].split("\\\\"))


PAIRS = {"expression": 100, "equation": 100, "matrix": 1000}
"""How many are tried, where it is not 400."""
READERS: dict[str, tuple[Callable[[str], Any], Callable[[Any, Any], bool]]] = {
    "integer": (number, lambda one, other: one == other),
    "decimal": (number, lambda one, other: one == other),
    "quantity": (quantity, same_quantity),
    "date": (day, lambda one, other: one == other),
    "expression": (expression, lambda one, other: sympy.expand(one - other) == 0),
    "choice": (letters, lambda one, other: one == other),
    "choices": (letters, lambda one, other: one == other),
    "tuple": (ordered, lambda one, other: one == other),
    "interval": (bounds, lambda one, other: one == other),
    "equation": (lambda text: [expression(each) for each in text.split("=")], same_equation),
    "matrix": (rows, lambda one, other: one == other),
}


@pytest.mark.parametrize("family", READERS)
def test_labels_are_right(family: str) -> None:
    read, same = READERS[family]
    checked = {True: 0, False: 0}
    for pair in pairs(PAIRS.get(family, 400), 3, [family]):
        try:
            label = same(read(bare(pair.answer)), read(bare(pair.truth.accepted[0])))
        except UnreadError:
            continue
        assert label is pair.right, pair
        checked[label] += 1
    assert min(checked.values()) >= 8, checked
