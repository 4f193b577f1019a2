"""Notations of the further shapes."""

from __future__ import annotations

from random import Random

from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.more import (
    Function,
    Month,
    Named,
    Points,
    Solutions,
    Span,
    TrueFalse,
    Unequal,
    Union,
)
from mr1.judge.truth import Kind


@forms.register
def _(value: Month, rng: Random) -> list[Form]:
    first = value.first
    if value.year:
        found = text(f"{first:%B} {value.year}", f"{first:%b} {value.year}", f"{first:%B}, {value.year}")
        return found + text(f"{value.year}年{value.month}月", f"{value.year}-{value.month:02d}")
    return text(
        f"{first:%B} {value.day}", f"{value.day} {first:%B}", f"{first:%b} {value.day}", f"{value.month}月{value.day}日"
    )


@forms.register
def _(value: Span, rng: Random) -> list[Form]:
    low, high, unit = plain(value.low), plain(value.high), value.unit
    found = text(*(f"{low}{dash}{high} {unit.symbol}" for dash in ("-", "–", " - ", " to ", "~")))
    found += text(f"{low} {unit.symbol} to {high} {unit.symbol}", f"from {low} to {high} {unit.words[0]}")
    found += text(f"between {low} and {high} {unit.symbol}", f"{low}–{high}{unit.symbol}")
    return found + math(f"{low}\\text{{--}}{high}\\,{unit.latex}")


@forms.register
def _(value: Union, rng: Random) -> list[Form]:
    end, start = value.left.high, value.right.low
    below, above = value.left.closed[1], value.right.closed[0]
    if value.inequalities:
        less, more = ("\\leq " if below else "<"), ("\\geq " if above else ">")
        found = math(
            f"x {less} {end} \\text{{ or }} x {more} {start}", f"x {more} {start} \\text{{ or }} x {less} {end}"
        )
        less, more = ("≤" if below else "<"), ("≥" if above else ">")
        return found + text(f"x {less} {end} or x {more} {start}", f"x{less}{end} 或 x{more}{start}")
    closing, opening = ")]"[below], "(["[above]
    return [
        *math(
            f"(-\\infty, {end}{closing} \\cup {opening}{start}, \\infty)",
            f"(-\\infty,{end}{closing}\\cup{opening}{start},+\\infty)",
        ),
        *text(f"(-∞, {end}{closing} ∪ {opening}{start}, ∞)"),
    ]


@forms.register
def _(value: Solutions, rng: Random) -> list[Form]:
    one, other, letter = value.one, value.other, value.letter
    found = math(
        f"\\{{{one}, {other}\\}}", f"{letter} = {one}, {letter} = {other}", f"{letter}_1 = {one}, {letter}_2 = {other}"
    )
    found += math(f"{letter} = {one} \\text{{ or }} {letter} = {other}") + text(f"{one}, {other}", f"{one} and {other}")
    return found + (
        math(f"\\pm {abs(one)}", f"{letter} = \\pm {abs(one)}") + text(f"±{abs(one)}") if one == -other else []
    )


@forms.register
def _(value: Points, rng: Random) -> list[Form]:
    shown = [f"({x}, {y})" for x, y in value.points]
    joined = ", ".join(shown)
    found = math(joined, f"\\{{{joined}\\}}") + text(joined, " and ".join(shown) if len(shown) == 2 else joined)
    return found + math(", ".join(f"\\left({x},{y}\\right)" for x, y in value.points))


@forms.register
def _(value: Named, rng: Random) -> list[Form]:
    words = value.words
    found = text(", ".join(words), "; ".join(words), "、".join(words), f"{', '.join(words[:-1])} and {words[-1]}")
    if len(words) > 2:
        found += text(f"{', '.join(words[:-1])}, and {words[-1]}")
    return found + ([] if value.kind is Kind.TUPLE else text(", ".join(words).capitalize()))


@forms.register
def _(value: Function, rng: Random) -> list[Form]:
    size, inner = ("" if abs(value.times) == 1 else str(abs(value.times))), f"{value.inner}x"
    sign = "-" if value.times < 0 else ""
    called = {
        "sin": (f"\\sin({inner})", f"\\sin {inner}"),
        "cos": (f"\\cos({inner})", f"\\cos\\left({inner}\\right)"),
        "exp": (f"e^{{{inner}}}",),
        "sqrt": (f"\\sqrt{{{inner}}}",),
    }[value.name]
    found = [f"{sign}{size}{each}" for each in called]
    after = math(*(f"{each} + {value.constant}" for each in found if not each.endswith(f" {inner}")))
    return after + math(*(f"{value.constant} {sign or '+'} {size}{each}" for each in called))


@forms.register
def _(value: TrueFalse, rng: Random) -> list[Form]:
    word = str(value.true)
    return text(word, word.lower(), word.upper())


@forms.register
def _(value: Unequal, rng: Random) -> list[Form]:
    if value.equal:
        return math(f"{value.letter} = {value.value}")
    return math(f"{value.letter} \\neq {value.value}", f"{value.letter} \\ne {value.value}") + text(
        f"{value.letter} ≠ {value.value}"
    )
