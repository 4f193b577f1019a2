"""Another author's notations: what chat models write in an answer tag, and what they say around it."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat import algebra, computed, frames, more, numbers, quantities, settings, several, times, words
from benchmarks.judge.chat.say import say
from benchmarks.judge.pair import Form, Value

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


def write(value: Value, rng: Random) -> Form:
    """One way to say the value."""
    return say(value, rng)


def frame(form: Form, value: Value, rng: Random) -> str:
    """The value alone, or in a sentence that ends in it."""
    return frames.frame(form, value, rng)
