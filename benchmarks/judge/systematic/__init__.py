"""One author's notations: every way to write a value is a form, each as likely as the others, in every frame."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form, Value
from benchmarks.judge.systematic import algebra, numbers, quantities, several, times, words
from benchmarks.judge.systematic.forms import forms

__all__ = ["algebra", "frame", "numbers", "quantities", "several", "times", "words", "write"]

_MATH = ("{}", "{}", "${}$", "$ {} $", "\\({}\\)", "\\boxed{{{}}}", "$\\boxed{{{}}}$", "\\[{}\\]", "${}$.")
_TEXT = ("{}", "{}", "{}", " {} ", "{}.", "**{}**", "*{}*", '"{}"', "`{}`", "\\text{{{}}}", "\\boxed{{\\text{{{}}}}}")


def write(value: Value, rng: Random) -> Form:
    """One of the value's forms."""
    return rng.choice(forms(value, rng))


def frame(form: Form, rng: Random) -> str:
    """A form with or without something around it that says nothing."""
    if form.math:
        return rng.choice(_MATH).format(form.text)
    latex = any(each in form.text for each in "\\%°_^$&#{}")
    return rng.choice(_TEXT[:-2] if latex else _TEXT).format(form.text)
