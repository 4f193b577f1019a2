"""How chat models write the further shapes."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
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


@say.register
def _(value: Month, rng: Random) -> Form:
    name = f"{value.first:%B}"
    if value.year:
        return pick(
            rng, {f"{name} {value.year}": 4, f"{name} of {value.year}": 0.5, f"{value.year}年{value.month}月": 0.5}
        )
    suffix = "th" if value.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value.day % 10, "th")
    weights = {f"{name} {value.day}": 3.0, f"{name} {value.day}{suffix}": 1, f"{value.day} {name}": 1}
    return pick(rng, weights | {f"the {value.day}{suffix} of {name}": 0.5})


@say.register
def _(value: Span, rng: Random) -> Form:
    low, high, unit = plain(value.low), plain(value.high), value.unit
    weights: dict[str, float] = {f"{low}-{high} {unit.symbol}": 3, f"{low} to {high} {unit.symbol}": 3}
    weights |= {f"{low}–{high} {unit.words[0]}": 1, f"{low} {unit.symbol} - {high} {unit.symbol}": 1}
    return pick(rng, weights | {f"between {low} {unit.symbol} and {high} {unit.symbol}": 1})


@say.register
def _(value: Union, rng: Random) -> Form:
    end, start = value.left.high, value.right.low
    below, above = value.left.closed[1], value.right.closed[0]
    if value.inequalities:
        less, more = ("≤" if below else "<"), ("≥" if above else ">")
        latex = f"x {less} {end} or x {more} {start}".replace("≤", "\\leq").replace("≥", "\\geq")
        latex = latex.replace("or", "\\text{ or }")
        return pick(rng, {f"x {less} {end} or x {more} {start}": 3, latex: 1}, "\\")
    closing, opening = "]" if below else ")", "[" if above else "("
    latex = f"(-\\infty, {end}{closing} \\cup {opening}{start}, \\infty)"
    return pick(
        rng,
        {latex: 3, f"(-∞, {end}{closing} ∪ {opening}{start}, ∞)": 2, f"(-∞,{end}{closing}∪{opening}{start},+∞)": 1},
        "\\",
    )


@say.register
def _(value: Solutions, rng: Random) -> Form:
    one, other, letter = value.one, value.other, value.letter
    weights: dict[str, float] = {
        f"{letter} = {one} or {letter} = {other}": 3,
        f"{letter} = {one} and {letter} = {other}": 1,
    }
    weights |= {f"{letter} = {one}, {other}": 1, f"{one} and {other}": 1, f"{letter}={one}或{letter}={other}": 1}
    if one == -other:
        weights[f"{letter} = ±{abs(one)}"] = 2
    return pick(rng, weights)


@say.register
def _(value: Points, rng: Random) -> Form:
    shown = [f"({x}, {y})" for x, y in value.points]
    return pick(rng, {", ".join(shown): 2, " and ".join([", ".join(shown[:-1]), shown[-1]]): 2})


@say.register
def _(value: Named, rng: Random) -> Form:
    words = value.words
    listed = ", ".join(words)
    comma = "," * (len(words) > 2)
    weights: dict[str, float] = {listed: 3, f"{', '.join(words[:-1])}{comma} and {words[-1]}": 3}
    if value.kind is not Kind.TUPLE:
        weights[", ".join(map(str.capitalize, words))] = 1
    return pick(rng, weights)


@say.register
def _(value: Function, rng: Random) -> Form:
    sign, size = "-" if value.times < 0 else "", "" if abs(value.times) == 1 else str(abs(value.times))
    inner = f"{value.inner}x"
    called = {"sin": f"\\sin({inner})", "cos": f"\\cos({inner})", "exp": f"e^{{{inner}}}", "sqrt": f"\\sqrt{{{inner}}}"}
    typed = {"sin": f"sin({inner})", "cos": f"cos({inner})", "exp": f"e^({inner})", "sqrt": f"sqrt({inner})"}
    after = f" + {value.constant}"
    return pick(rng, {sign + size + called[value.name] + after: 3, sign + size + typed[value.name] + after: 1}, "\\")


@say.register
def _(value: TrueFalse, rng: Random) -> Form:
    return pick(rng, {str(value.true): 3, str(value.true).lower(): 1})


@say.register
def _(value: Unequal, rng: Random) -> Form:
    if value.equal:
        return Form(f"{value.letter} = {value.value}")
    return pick(rng, {f"{value.letter} ≠ {value.value}": 2, f"{value.letter} \\neq {value.value}": 2}, "\\")
