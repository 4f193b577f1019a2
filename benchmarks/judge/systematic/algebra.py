"""Notations of expressions, equations and inequalities."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.systematic.several import fraction
from benchmarks.judge.values.algebra import Equation, Expression, Inequality, Solved, Terms

_UP = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def latex(terms: Terms) -> str:
    """A sum in LaTeX."""
    return _sum(terms, "", "{letter}^{{{power}}}")


def typed(terms: Terms) -> str:
    """A sum as it is typed."""
    return _sum(terms, "*", "{letter}^{power}")


def unicode(terms: Terms) -> str:
    """A sum with superscripts."""
    return _sum(terms, "", "{letter}{up}")


def _sum(terms: Terms, star: str, raised: str) -> str:
    written = ""
    for powers, factor in terms:
        letters = [
            letter if power == 1 else raised.format(letter=letter, power=power, up=str(power).translate(_UP))
            for letter, power in powers
        ]
        parts = ([str(abs(factor))] if abs(factor) != 1 or not letters else []) + letters
        sign = "-" if factor < 0 else "+"
        written += (f" {sign} " if written else sign.replace("+", "")) + star.join(parts)
    return written


@forms.register
def _(value: Expression, rng: Random) -> list[Form]:
    if len(value.factors) == 1:
        terms = value.factors[0]
        return [*math(latex(terms), latex(terms), latex(terms).replace(" ", "")), *text(typed(terms), unicode(terms))]
    inside = [latex(each) for each in value.factors]
    return [
        *math("".join(f"({each})" for each in inside), "".join(f"\\left({each}\\right)" for each in inside)),
        *text("*".join(f"({typed(each)})" for each in value.factors)),
    ]


@forms.register
def _(value: Equation, rng: Random) -> list[Form]:
    sides = value.left, value.right
    return [
        *math(" = ".join(map(latex, sides)), "=".join(map(latex, sides)).replace(" ", "")),
        *text(" = ".join(map(typed, sides)), " = ".join(map(unicode, sides))),
    ]


@forms.register
def _(value: Solved, rng: Random) -> list[Form]:
    number = fraction(value.value)
    if value.bare:
        return math(number) + text(str(value.value))
    return math(f"{value.letter} = {number}", f"{value.letter}={number}") + text(f"{value.letter} = {value.value}")


_ABOVE = {False: (">", ">", "\\gt "), True: ("\\geq ", "\\ge ", "\\geqslant ")}
_BELOW = {False: ("<", "<", "\\lt "), True: ("\\leq ", "\\le ", "\\leqslant ")}


@forms.register
def _(value: Inequality, rng: Random) -> list[Form]:
    letter = value.letter
    if value.low is not None and value.high is not None:
        low, high = fraction(value.low), fraction(value.high)
        lower, upper = rng.choice(_BELOW[value.closed[0]]), rng.choice(_BELOW[value.closed[1]])
        found = math(f"{low} {lower} {letter} {upper} {high}")
        lower, upper = rng.choice(_ABOVE[value.closed[0]]), rng.choice(_ABOVE[value.closed[1]])
        return found + math(f"{high} {upper} {letter} {lower} {low}")
    if value.low is not None:
        return _one(
            letter,
            value.low,
            rng.choice(_ABOVE[value.closed[0]]),
            rng.choice(_BELOW[value.closed[0]]),
            ">≥"[value.closed[0]],
        )
    assert value.high is not None
    return _one(
        letter,
        value.high,
        rng.choice(_BELOW[value.closed[1]]),
        rng.choice(_ABOVE[value.closed[1]]),
        "<≤"[value.closed[1]],
    )


def _one(letter: str, bound: Fraction, sign: str, reverse: str, character: str) -> list[Form]:
    number = fraction(bound)
    found = math(f"{letter} {sign} {number}", f"{letter}{sign}{number}", f"{number} {reverse} {letter}")
    return found + text(f"{letter} {character} {bound}", f"{letter}{character}{bound}")
