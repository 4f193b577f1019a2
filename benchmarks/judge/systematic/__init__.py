"""One author's notations: every way to write a value is a form, each as likely as the others, in every frame."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form, Value
from benchmarks.judge.systematic import algebra, computed, more, numbers, quantities, settings, several, times, words
from benchmarks.judge.systematic.forms import forms

__all__ = [
    "algebra",
    "computed",
    "frame",
    "more",
    "numbers",
    "quantities",
    "settings",
    "several",
    "times",
    "words",
    "write",
]

_MATH: tuple[str, ...] = (
    "{}",
    "{}",
    "${}$",
    "$ {} $",
    "\\({}\\)",
    "\\boxed{{{}}}",
    "$\\boxed{{{}}}$",
    "\\[{}\\]",
    "${}$.",
)
_TEXT: tuple[str, ...] = (
    "{}",
    "{}",
    "{}",
    " {} ",
    "{}.",
    "**{}**",
    "*{}*",
    '"{}"',
    "`{}`",
    "\\text{{{}}}",
    "\\boxed{{\\text{{{}}}}}",
)


def write(value: Value, rng: Random) -> Form:
    """One of the value's forms."""
    return rng.choice(forms(value, rng))


def frame(form: Form, value: Value, rng: Random) -> str:
    """A form with or without something around it that says nothing."""
    frames = _MATH if form.math else _TEXT
    if not form.math and any(each in form.text for each in "\\%°_^$&#{}"):
        frames = _TEXT[:-2]  # not inside \\text
    if "*" in form.text:
        frames = tuple(each for each in frames if "*" not in each)
    return rng.choice(frames).format(form.text).replace("..", ".")
