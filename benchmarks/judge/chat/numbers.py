"""How chat models write numbers."""

from __future__ import annotations

import contextlib
from random import Random

from num2words import num2words

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.values.numbers import Based, Closed, Multiplied, Number, Ordinal, Quotient, Rounded, Spelled

_HIGH = dict(zip("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))
_CHINESE = "零一二三四五六七八九"


@say.register
def _(value: Number, rng: Random) -> Form:
    written = plain(value.value, value.places)
    weights: dict[str, float] = {written: 6, written + (".0" if not value.places else "0"): 1.5}
    if abs(value.value) >= 1000:
        whole, point, rest = written.partition(".")
        number = int(whole)
        weights[f"{number:,}{point}{rest}"] = 3
        weights[f"{number:,}{point}{rest}".replace(",", "{,}")] = 1
        power = len(whole.lstrip("-")) - 1
        mantissa = plain(value.value / 10**power)
        weights[f"{mantissa} \\times 10^{power}" if power < 10 else f"{mantissa} \\times 10^{{{power}}}"] = 1
        weights[f"{mantissa}×10{''.join(map(_HIGH.__getitem__, str(power)))}"] = 1
    elif value.value.denominator == 1 and 0 <= value.value < 100:
        weights[num2words(int(value.value))] = 1
    if value.value < 0:
        weights[written.replace("-", "−")] = 1
    return pick(rng, weights, "\\")


@say.register
def _(value: Rounded, rng: Random) -> Form:
    written = plain(value.value, value.places)
    return pick(rng, {written: 4, f"≈{written}": 1, f"approximately {written}": 1, f"\\approx {written}": 1}, "\\")


@say.register
def _(value: Quotient, rng: Random) -> Form:
    sign, above, below = "-" if value.value < 0 else "", abs(value.value.numerator), value.value.denominator
    weights: dict[str, float] = {f"{sign}{above}/{below}": 4, f"{sign}\\frac{{{above}}}{{{below}}}": 4}
    weights[f"\\frac{{{sign}{above}}}{{{below}}}"] = 1
    weights[f"{sign}({above}/{below})"] = 0.5
    whole, rest = divmod(above, below)
    if whole:
        weights[f"{sign}{whole} \\frac{{{rest}}}{{{below}}}"] = 1
    with contextlib.suppress(ValueError):
        weights[plain(value.value)] = 2 if len(plain(value.value)) < 9 else 0
    return pick(rng, weights, "\\")


@say.register
def _(value: Closed, rng: Random) -> Form:
    root = f"√{value.radicand}" if value.radicand else "π"
    latex = f"\\sqrt{{{value.radicand}}}" if value.radicand else "\\pi"
    typed = f"sqrt({value.radicand})" if value.radicand else "pi"
    weights: dict[str, float] = {}
    for symbol, star, weight in ((root, "", 3.0), (latex, "", 3.0), (typed, "*", 1.0), (latex, " \\cdot ", 0.5)):
        times = "" if abs(value.times) == 1 else f"{abs(value.times)}{star}"
        minus = value.times < 0
        whole = f"{value.whole} {'-' if minus else '+'} " if value.whole else "-" * minus
        above = whole + times + symbol
        if value.below == 1:
            weights[above] = weight
        elif symbol == latex:
            weights[f"\\frac{{{above}}}{{{value.below}}}"] = weight
        else:
            weights[f"({above})/{value.below}"] = weight
    if not value.whole and value.below == 1 and value.times > 1:
        weights[f"{value.times} {root}"] = 1
        weights[f"{value.times} \\times {latex}"] = 0.5
    return pick(rng, weights, "\\")


@say.register
def _(value: Multiplied, rng: Random) -> Form:
    if value.digits:
        return say(Number(value.meaning), rng)
    digits = plain(value.times)
    weights: dict[str, float] = {f"{digits} {value.multiplier}": 4}
    if not value.multiplier.isascii():
        weights = {f"{digits}{value.multiplier}": 4}
        if value.times.denominator == 1 and value.times < 10:
            weights[_CHINESE[int(value.times)] + value.multiplier] = 1
    elif value.times.denominator == 1:
        weights[f"{num2words(int(value.times)).replace(',', '')} {value.multiplier}"] = 2
    return pick(rng, weights)


@say.register
def _(value: Spelled, rng: Random) -> Form:
    words = num2words(value.value)
    return pick(rng, {words.replace(",", "").replace(" and ", " "): 3, words: 1, words.replace("-", " "): 0.5})


@say.register
def _(value: Ordinal, rng: Random) -> Form:
    if value.bare:
        return Form(str(value.value))
    short = num2words(value.value, to="ordinal_num")
    weights: dict[str, float] = {short: 3, f"the {short}": 1}
    if value.value < 100 and not value.figures:
        weights |= {num2words(value.value, to="ordinal"): 2, f"the {num2words(value.value, to='ordinal')}": 1}
    if value.value < 10 and not value.figures:
        weights[f"第{_CHINESE[value.value]}"] = 1
    return pick(rng, weights)


@say.register
def _(value: Based, rng: Random) -> Form:
    digits, base = value.digits, value.base
    weights: dict[str, float] = {f"{digits}_{{{base}}}": 3, f"{digits}_{base}": 1, f"{digits} base {base}": 1}
    weights[f"{digits}_{{\\text{{{num2words(base)}}}}}"] = 1
    weights[f"{digits} (in base {base})"] = 1
    return pick(rng, weights, "{")
