"""How chat models write expressions, equations and inequalities."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.pair import Form
from benchmarks.judge.values.algebra import Equation, Expression, Inequality, Solved, Terms

_HIGH = dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))


def polynomial(terms: Terms, style: str) -> str:
    """A sum: `caret` x^2, `unicode` x²."""
    pieces: list[str] = []
    for powers, factor in terms:
        letters = ""
        for letter, power in powers:
            high = f"^{power}" if style == "caret" else "".join(map(_HIGH.__getitem__, str(power)))
            letters += letter + (high if power != 1 else "")
        size = abs(factor)
        body = letters if size == 1 and letters else f"{size}{letters}"
        if not pieces:
            pieces.append(("-" if factor < 0 else "") + body)
        else:
            pieces += ["-" if factor < 0 else "+", body]
    return " ".join(pieces)


def _style(rng: Random) -> str:
    return "caret" if rng.random() < 0.75 else "unicode"


@say.register
def _(value: Expression, rng: Random) -> Form:
    style = _style(rng)
    sums = [polynomial(each, style) for each in value.factors]
    if len(sums) == 1:
        return Form(sums[0], style == "caret" and rng.random() < 0.5)
    return Form("".join(f"({each})" for each in sums), style == "caret" and rng.random() < 0.5)


@say.register
def _(value: Equation, rng: Random) -> Form:
    style = _style(rng)
    return Form(
        f"{polynomial(value.left, style)} = {polynomial(value.right, style)}", style == "caret" and rng.random() < 0.5
    )


@say.register
def _(value: Solved, rng: Random) -> Form:
    if value.bare:
        return Form(str(value.value))
    return pick(rng, {f"{value.letter} = {value.value}": 3, f"{value.letter}={value.value}": 1})


@say.register
def _(value: Inequality, rng: Random) -> Form:
    sign = {True: ("≤", "≥", "<=", ">=", "\\leq", "\\geq"), False: ("<", ">", "<", ">", "<", ">")}
    way = rng.choice((0, 2, 4))
    less = [sign[closed][way] for closed in value.closed]
    more = [sign[closed][way + 1] for closed in value.closed]
    low, letter, high = value.low, value.letter, value.high
    if low is not None and high is not None:
        return pick(
            rng,
            {f"{low} {less[0]} {letter} {less[1]} {high}": 3, f"{high} {more[1]} {letter} {more[0]} {low}": 1},
            "\\",
        )
    if low is not None:
        return pick(rng, {f"{letter} {more[0]} {low}": 3, f"{low} {less[0]} {letter}": 1}, "\\")
    return pick(rng, {f"{letter} {less[1]} {high}": 3, f"{high} {more[1]} {letter}": 1}, "\\")
