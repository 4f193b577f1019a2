"""The table of ways to say a value: a function for each class of value, which draws one way."""

from __future__ import annotations

from functools import singledispatch
from random import Random

from benchmarks.judge.pair import Form, Value


@singledispatch
def say(value: Value, rng: Random) -> Form:
    """One way to say a value."""
    raise NotImplementedError(type(value))


def pick(rng: Random, weights: dict[str, float], math: str = "") -> Form:
    """One of the texts by weight; those that contain `math` are LaTeX. The empty text is never drawn."""
    texts = [each for each in weights if each]
    chosen = rng.choices(texts, [weights[each] for each in texts])[0]
    return Form(chosen, bool(math) and math in chosen)
