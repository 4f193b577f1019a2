"""How chat models write quantities."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.values.quantities import (
    CURRENCIES,
    Bare,
    Counted,
    Hundredths,
    Money,
    Percent,
    Quantity,
    Sexagesimal,
    Share,
    Temperature,
)


@say.register
def _(value: Quantity, rng: Random) -> Form:
    digits, unit = plain(value.value), value.unit
    tight = unit.dimension == "angle"
    weights: dict[str, float] = {
        f"{digits}{'' if tight else ' '}{unit.symbol}": 5,
        f"{digits} {rng.choice(unit.words)}": 3,
    }
    weights[f"{digits}^\\circ" if tight else f"{digits} \\, {unit.latex}"] = 2
    if not tight:
        weights[f"{digits}{unit.symbol}"] = 1
        weights[f"{digits} \\text{{ {unit.words[0]}}}"] = 1
    if unit.chinese:
        weights[digits + unit.chinese] = 1.5
    ascii_symbol = unit.symbol.replace("²", "^2").replace("³", "^3")
    if ascii_symbol != unit.symbol:
        weights[f"{digits} {ascii_symbol}"] = 2
    return pick(rng, weights, "\\")


@say.register
def _(value: Bare, rng: Random) -> Form:
    digits = plain(value.quantity.value)
    return pick(rng, {digits: 3, digits + ("0" if "." in digits else ".0"): 1})


@say.register
def _(value: Hundredths, rng: Random) -> Form:
    return Form(plain(value.value))


@say.register
def _(value: Percent, rng: Random) -> Form:
    digits = plain(value.value)
    return pick(rng, {f"{digits}%": 5, f"{digits}\\%": 2, f"{digits} percent": 1, f"百分之{digits}": 0.5}, "\\")


@say.register
def _(value: Share, rng: Random) -> Form:
    return Form(plain(value.value))


@say.register
def _(value: Sexagesimal, rng: Random) -> Form:
    degrees, minutes, seconds = value.parts
    rest = f" {seconds}″" if seconds else ""
    spelled = f"{degrees} degrees, {minutes} minutes" + (f", {seconds} seconds" if seconds else "")
    spelled = spelled if seconds else spelled.replace(", ", " and ")
    return pick(
        rng, {f"{degrees}° {minutes}′{rest}": 2, f"{degrees}°{minutes}'{rest.replace('″', chr(34))}": 2, spelled: 1}
    )


@say.register
def _(value: Temperature, rng: Random) -> Form:
    digits, scale = plain(value.value), value.scale
    if scale == "K":
        return pick(rng, {f"{digits} K": 3, f"{digits}K": 1, f"{digits} kelvin": 1})
    name = {"C": "Celsius", "F": "Fahrenheit"}[scale]
    weights: dict[str, float] = {f"{digits}°{scale}": 3, f"{digits} °{scale}": 1, f"{digits} degrees {name}": 2}
    weights[f"{digits}^\\circ {scale}"] = 1
    weights[digits.replace("-", "−") + f" °{scale}"] = 0.5
    return pick(rng, weights, "\\")


@say.register
def _(value: Money, rng: Random) -> Form:
    sign, plural, code = CURRENCIES[value.currency]
    digits = f"{float(value.value):.2f}" if value.value.denominator > 1 else str(value.value)
    if value.bare:
        return Form(digits)
    comma = f"{float(value.value):,.2f}" if value.value.denominator > 1 else f"{int(value.value):,}"
    weights: dict[str, float] = {
        f"{sign}{comma}": 4,
        f"{sign}{digits}": 2,
        f"{digits} {plural}": 2,
        f"{comma} {code}": 0.5,
    }
    if value.currency == "euro":
        weights[f"{digits} {sign}"] = 1
    return pick(rng, weights)


@say.register
def _(value: Counted, rng: Random) -> Form:
    weights: dict[str, float] = {f"{value.count} {value.thing}": 1}
    return pick(rng, weights)
