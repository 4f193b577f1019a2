"""Truths with rules of their own are written as what they hold."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, text
from benchmarks.judge.values.numbers import Number
from benchmarks.judge.values.quantities import places_of
from benchmarks.judge.values.settings import Cased, OneOf, Within


@forms.register
def _(value: Within, rng: Random) -> list[Form]:
    return forms(Number(value.value, places_of(value.value)), rng)


@forms.register
def _(value: Cased, rng: Random) -> list[Form]:
    return text(value.words.text)


@forms.register
def _(value: OneOf, rng: Random) -> list[Form]:
    return forms(value.value, rng)
