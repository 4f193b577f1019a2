"""How chat models write what has several entries."""

from __future__ import annotations

import re
from fractions import Fraction
from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form, Value
from benchmarks.judge.values.several import Interval, Matrix, Ordered, Range, Ratio, Score, Unordered
from mr1.judge.truth import Kind


@say.register
def _(value: Ratio, rng: Random) -> Form:
    terms = list(map(str, value.terms))
    return pick(rng, {":".join(terms): 4, " : ".join(terms): 1, " to ".join(terms) if len(terms) == 2 else "": 1})


@say.register
def _(value: Score, rng: Random) -> Form:
    return pick(
        rng, {f"{value.home}-{value.away}": 4, f"{value.home} - {value.away}": 1, f"{value.home}–{value.away}": 1}
    )


@say.register
def _(value: Range, rng: Random) -> Form:
    low, high = plain(value.low), plain(value.high)
    weights: dict[str, float] = {f"{low}-{high}": 4, f"{low} to {high}": 3, f"{low}–{high}": 2, f"{low} - {high}": 1}
    weights[f"from {low} to {high}"] = 1
    weights[f"between {low} and {high}"] = 1
    weights[f"{low}到{high}"] = 0.5
    return pick(rng, weights)


def _end(value: Fraction | None, infinite: str) -> str:
    if value is None:
        return infinite
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' * (value < 0)}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@say.register
def _(value: Interval, rng: Random) -> Form:
    left, right = "[" if value.closed[0] else "(", "]" if value.closed[1] else ")"
    low, high = _end(value.low, "-\\infty"), _end(value.high, "\\infty")
    latex = f"{low}, {high}"
    typed = f"{'-∞' if value.low is None else value.low}, {'∞' if value.high is None else value.high}"
    weights: dict[str, float] = {
        f"{left}{typed}{right}": 3,
        f"\\left{left}{latex}\\right{right}": 2,
        f"{left}{latex}{right}": 2,
    }
    weights[f"{left}{typed.replace(', ', ',')}{right}"] = 1
    return pick(rng, weights, "\\")


_UNFIT = re.compile(r"[,×]|times|(?<![\\a-z])(?!pi|sqrt)[a-z]{2}")
"""A separator, a product, a word."""


_THOUSANDS = re.compile(r", \d{3}(?!\d)")
"""What would look like a comma between thousands without its blank."""


def _entry(value: Value, rng: Random) -> str:
    """One way to say it without a comma or a word."""
    for _ in range(50):
        text = say(value, rng).text
        if not _UNFIT.search(text):
            return text
    raise RuntimeError(f"no short way to write {value}")


@say.register
def _(value: Ordered, rng: Random) -> Form:
    entries = [_entry(each, rng) for each in value.entries]
    inside = ", ".join(entries)
    return pick(
        rng,
        {
            f"({inside})": 4,
            f"\\left({inside}\\right)": 1,
            f"({inside.replace(', ', ',') if not _THOUSANDS.search(inside) else inside})": 1,
        },
        "\\",
    )


@say.register
def _(value: Unordered, rng: Random) -> Form:
    entries = [_entry(each, rng) for each in value.entries]
    listed = ", ".join(entries)
    together = f"{', '.join(entries[:-1])}{',' * (len(entries) > 2)} and {entries[-1]}"
    math = any("\\" in each for each in entries)
    weights: dict[str, float] = {listed: 3, together if not math else "": 2}
    if value.kind is not Kind.LIST:
        weights[f"\\{{{listed}\\}}"] = 3
        weights[f"{{{listed}}}" if not math else ""] = 1
    return pick(rng, weights, "\\")


@say.register
def _(value: Matrix, rng: Random) -> Form:
    rows = [[_entry(each, rng) for each in row] for row in value.rows]
    inside = " \\\\ ".join(" & ".join(row) for row in rows)
    lines = "\n" + " \\\\\n".join(" & ".join(row) for row in rows) + "\n"
    weights: dict[str, float] = {f"\\begin{{pmatrix}} {inside} \\end{{pmatrix}}": 4}
    weights[f"\\begin{{bmatrix}}{lines}\\end{{bmatrix}}"] = 2
    if not any("\\" in each for row in rows for each in row):
        weights["[" + ", ".join(f"[{', '.join(row)}]" for row in rows) + "]"] = 2
    return pick(rng, weights, "begin")
