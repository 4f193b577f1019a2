"""Notations of what is to be computed."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.computed import Computed, Log

_UP = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@forms.register
def _(value: Computed, rng: Random) -> list[Form]:
    first, *rest = value.operands
    result = value.meaning
    match value.operation:
        case "sum":
            written = math(f"{first} + {rest[0]}", f"{first}+{rest[0]}")
        case "product":
            written = math(f"{first} \\times {rest[0]}", f"{first} \\cdot {rest[0]}")
            written += text(f"{first} × {rest[0]}", f"{first} * {rest[0]}")
        case "difference":
            written = math(f"{first} + (-{rest[0]})", f"-{rest[0]} + {first}")
        case "power":
            written = math(f"{first}^{{{rest[0]}}}") + text(
                f"{first}{str(rest[0]).translate(_UP)}", f"{first}^{rest[0]}"
            )
        case "root":
            written = math(f"\\sqrt{{{first**2}}}", f"\\sqrt[3]{{{first**3}}}") + text(f"√{first**2}")
        case "log":
            written = math(f"\\log_{{{first}}} {first ** rest[0]}", f"\\log_{{{first}}}{{{first ** rest[0]}}}")
        case "factorial":
            written = math(f"{first}!")
        case _:
            written = math(f"{first} \\times {rest[0]} - {rest[1]}") + text(f"{first}*{rest[0]}-{rest[1]}")
    return [*written, *(Form(f"{form.text} = {result}", form.math) for form in written)]


@forms.register
def _(value: Log, rng: Random) -> list[Form]:
    times = "" if value.times == 1 else str(value.times)
    if not value.base:
        return math(f"{times}\\ln {value.argument}", f"{times}\\ln({value.argument})") + text(
            f"{times}ln({value.argument})"
        )
    found = math(f"{times}\\log_{{{value.base}}} {value.argument}", f"{times}\\log_{{{value.base}}}({value.argument})")
    found += math(f"{times}\\log_{value.base}{{{value.argument}}}") if value.base < 10 else []
    return found + math(f"{times}\\frac{{\\ln {value.argument}}}{{\\ln {value.base}}}")
