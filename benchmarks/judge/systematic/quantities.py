"""Notations of quantities."""

from __future__ import annotations

from random import Random

from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.systematic.numbers import grouped
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


@forms.register
def _(value: Quantity, rng: Random) -> list[Form]:
    unit, digits = value.unit, plain(value.value)
    if unit.dimension == "angle":
        found = math(f"{digits}^\\circ", f"{digits}^{{\\circ}}", f"{digits}\\degree") + text(f"{digits}°")
    else:
        found = math(f"{digits}\\,{unit.latex}", f"{digits}\\ {unit.latex}", f"{digits} {unit.latex}")
        found += math(f"{digits}{unit.latex}", f"{digits}~{unit.latex.replace('text', 'mathrm')}")
        found += text(f"{digits} {unit.symbol}", f"{digits}{unit.symbol}", f"{digits} {unit.symbol}")
    if abs(value.value) >= 1000:
        found += text(f"{grouped(digits, ',')} {unit.symbol}")
    found += text(*(f"{digits} {word}" for word in unit.words))
    if unit.chinese:
        found += text(digits + unit.chinese, f"{digits} {unit.chinese}")
    return found


@forms.register
def _(value: Bare, rng: Random) -> list[Form]:
    return math(plain(value.quantity.value))


@forms.register
def _(value: Hundredths, rng: Random) -> list[Form]:
    return math(plain(value.value))


@forms.register
def _(value: Percent, rng: Random) -> list[Form]:
    digits = plain(value.value)
    found = math(f"{digits}\\%", f"{digits} \\%", f"{digits}\\,\\%")
    found += text(f"{digits}%", f"{digits} %", f"{digits} percent", f"{digits} per cent", f"{digits}％")
    return found


@forms.register
def _(value: Share, rng: Random) -> list[Form]:
    return math(plain(value.value))


@forms.register
def _(value: Sexagesimal, rng: Random) -> list[Form]:
    degrees, minutes, seconds = value.parts
    found = math(f"{degrees}^\\circ {minutes}'" + (f" {seconds}''" if seconds else ""))
    found += math(f"{degrees}^{{\\circ}}{minutes}^{{\\prime}}" + (f"{seconds}^{{\\prime\\prime}}" if seconds else ""))
    found += text(f"{degrees}°{minutes}'" + (f'{seconds}"' if seconds else ""))
    found += text(f"{degrees}°{minutes}′" + (f"{seconds}″" if seconds else ""))
    found += text(f"{degrees}° {minutes:02d}′" + (f" {seconds:02d}″" if seconds else ""))
    found += text(f"{degrees} degrees {minutes} minutes" + (f" {seconds} seconds" if seconds else ""))
    found += text(f"{degrees}度{minutes}分" + (f"{seconds}秒" if seconds else ""))
    return found


@forms.register
def _(value: Temperature, rng: Random) -> list[Form]:
    digits, scale = plain(value.value), value.scale
    if scale == "K":
        return math(f"{digits}\\,\\text{{K}}", f"{digits} \\mathrm{{K}}") + text(f"{digits} K", f"{digits} kelvins")
    name = {"C": "Celsius", "F": "Fahrenheit"}[scale]
    found = math(
        f"{digits}^\\circ\\text{{{scale}}}", f"{digits}^{{\\circ}} \\mathrm{{{scale}}}", f"{digits}^\\circ {scale}"
    )
    found += text(f"{digits}°{scale}", f"{digits} °{scale}", f"{digits} degrees {name}")
    return found + text(digits + {"C": "℃", "F": "℉"}[scale], digits + {"C": "摄氏度", "F": "华氏度"}[scale])


@forms.register
def _(value: Money, rng: Random) -> list[Form]:
    sign, plural, code = CURRENCIES[value.currency]
    digits = plain(value.value, 2) if value.value.denominator > 1 else plain(value.value)
    if value.bare:
        return text(digits)  # between dollars it would be of a currency
    whole = grouped(digits, ",") if value.value >= 1000 else digits
    found = text(f"{sign}{digits}", f"{sign}{whole}", f"{digits} {plural}", f"{whole} {plural}", f"{digits} {code}")
    if value.currency == "dollar":
        return found + text(f"\\${digits}", f"US${whole}")
    return found


@forms.register
def _(value: Counted, rng: Random) -> list[Form]:
    return text(f"{value.count} {value.thing}") + math(f"{value.count}\\text{{ {value.thing}}}")
