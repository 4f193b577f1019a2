"""How chat models write what is to be computed."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.pair import Form
from benchmarks.judge.values.computed import Computed, Log


@say.register
def _(value: Computed, rng: Random) -> Form:
    first = value.operands[0]
    second = value.operands[1] if len(value.operands) > 1 else 0
    written = {
        "sum": f"{first} + {second}",
        "product": f"{first} × {second}",
        "difference": f"{first} - {second}",
        "power": f"{first}^{second}" if second < 10 else f"{first}^{{{second}}}",
        "root": f"√{first * first}",
        "log": f"\\log_{first}({first**second})" if first < 10 else f"\\log_{{{first}}}({first**second})",
        "factorial": f"{first}!",
        "mixed": f"{first} * {second} - {value.operands[-1]}",
    }[value.operation]
    # Of two numbers with a dash between, a bare difference may be a range.
    weights = {f"{written} = {value.meaning}": 3.0, written: 0.0 if value.operation == "difference" else 1.0}
    return pick(rng, weights, "\\")


@say.register
def _(value: Log, rng: Random) -> Form:
    times = f"{value.times}" if value.times > 1 else ""
    if not value.base:
        return pick(rng, {f"{times}ln({value.argument})": 1, f"{times}\\ln({value.argument})": 2}, "\\")
    base = str(value.base) if value.base < 10 else f"{{{value.base}}}"
    latex = f"{times}\\log_{base}({value.argument})"
    return pick(rng, {latex: 3, f"{times}log_{value.base}({value.argument})": 1}, "\\")
