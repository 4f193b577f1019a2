"""Notations of what has several entries."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from random import Random

from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form, Value
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.several import Interval, Matrix, Ordered, Range, Ratio, Score, Unordered
from mr1.judge.truth import Kind

DASHES = ("-", "–", " - ", " – ", "—")


@forms.register
def _(value: Ratio, rng: Random) -> list[Form]:
    terms = [str(each) for each in value.terms]
    found = math(":".join(terms), " : ".join(terms), "\\colon ".join(terms)) + text("∶".join(terms), "：".join(terms))
    if len(terms) == 2:
        found += text(" to ".join(terms), "比".join(terms))
    return found


@forms.register
def _(value: Score, rng: Random) -> list[Form]:
    return text(*(f"{value.home}{between}{value.away}" for between in ("-", "–", " - ", ":", " : ", "比", " to ")))


@forms.register
def _(value: Range, rng: Random) -> list[Form]:
    low, high = plain(value.low), plain(value.high)
    found = text(*(low + dash + high for dash in DASHES))
    found += text(
        f"{low} to {high}", f"from {low} to {high}", f"between {low} and {high}", f"{low}~{high}", f"{low}至{high}"
    )
    return found + math(f"{low}\\text{{--}}{high}", f"{low} \\text{{ to }} {high}")


def fraction(value: Fraction) -> str:
    """LaTeX of an end."""
    sign = "-" if value < 0 else ""
    return str(value) if value.denominator == 1 else f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@forms.register
def _(value: Interval, rng: Random) -> list[Form]:
    opening, closing = "(["[value.closed[0]], ")]"[value.closed[1]]
    low = "-\\infty" if value.low is None else fraction(value.low)
    high = "\\infty" if value.high is None else fraction(value.high)
    found = math(f"{opening}{low}, {high}{closing}", f"{opening}{low},{high}{closing}")
    found += math(f"\\left{opening}{low}, {high}\\right{closing}", f"x \\in {opening}{low}, {high}{closing}")
    low = "-∞" if value.low is None else str(value.low)
    high = "∞" if value.high is None else str(value.high)
    return found + text(f"{opening}{low}, {high}{closing}", f"{opening}{low}, {high.replace('∞', '+∞')}{closing}")


def _entries(entries: tuple[Value, ...], rng: Random) -> list[str]:
    """LaTeX of each, without a comma in it."""

    def latex(entry: Value) -> str:
        return rng.choice(
            [
                form.text
                for form in forms(entry, rng)
                if form.math and not form.text.startswith("+") and "," not in form.text and "\\!" not in form.text
            ]
        )

    return [latex(entry) for entry in entries]


def joined_tightly(entries: list[str]) -> str:
    """With commas and no blanks, where no comma can be one between thousands."""
    return (", " if any(re.match(r"\d{3}(?!\d)", each) for each in entries) else ",").join(entries)


@forms.register
def _(value: Ordered, rng: Random) -> list[Form]:
    entries = _entries(value.entries, rng)
    joined = ", ".join(entries)
    tight = joined_tightly(entries)
    found = math(f"({joined})", f"({tight})", f"\\left({joined}\\right)", f"\\left( {joined} \\right)")
    if value.kind is Kind.TUPLE:
        found += math(joined)  # of a list whose order counts
    if not any("\\" in each for each in entries):
        found += text(f"({joined})", f"（{joined}）", f"({tight})")
    return found


@forms.register
def _(value: Unordered, rng: Random) -> list[Form]:
    entries = _entries(value.entries, rng)
    joined = ", ".join(entries)
    plainly = not any("\\" in each for each in entries)
    tight = joined_tightly(entries)
    found = math(joined, tight)
    if plainly:
        found += text(f"{', '.join(entries[:-1])} and {entries[-1]}", joined, "、".join(entries))
        found += text(f"{', '.join(entries[:-1])}, and {entries[-1]}") if len(entries) > 2 else []
    if value.kind is not Kind.LIST:
        found += math(f"\\{{{joined}\\}}", f"\\left\\{{{joined}\\right\\}}", f"\\{{{tight}\\}}")
        found += text(f"{{{joined}}}") if plainly else []
    return found


@forms.register
def _(value: Matrix, rng: Random) -> list[Form]:
    rows = [_entries(row, rng) for row in value.rows]

    def body(column: str, line: str) -> str:
        return line.join(column.join(row) for row in rows)

    wrapped: list[Callable[[str], str]] = [
        lambda inside: f"\\begin{{pmatrix}}{inside}\\end{{pmatrix}}",
        lambda inside: f"\\begin{{bmatrix}} {inside} \\end{{bmatrix}}",
        lambda inside: f"\\left(\\begin{{array}}{{{'c' * len(rows[0])}}}{inside}\\end{{array}}\\right)",
        lambda inside: f"\\left[\\begin{{array}}{{{'r' * len(rows[0])}}} {inside} \\end{{array}}\\right]",
    ]
    return [form for each in wrapped for form in math(each(body(" & ", " \\\\ ")), each(body("&", "\\\\")))]
