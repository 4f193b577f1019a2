"""Truths with rules of their own are written as what they hold."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import say
from benchmarks.judge.pair import Form
from benchmarks.judge.values.numbers import Number
from benchmarks.judge.values.quantities import places_of
from benchmarks.judge.values.settings import Cased, OneOf, Within


@say.register
def _(value: Within, rng: Random) -> Form:
    return say(Number(value.value, places_of(value.value)), rng)


@say.register
def _(value: Cased, rng: Random) -> Form:
    return Form(value.words.text)


@say.register
def _(value: OneOf, rng: Random) -> Form:
    return say(value.value, rng)
