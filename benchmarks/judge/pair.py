"""What the parts of the generator hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from mr1.judge.truth import Kind, Truth


class Form(NamedTuple):
    """One way to write a value."""

    text: str
    math: bool = False
    """Whether it is LaTeX, which may stand between dollars."""


class Value:
    """What an answer means. Two values mean the same exactly where their meanings are equal."""

    kind: Kind | None
    """Stated with the truth where its text alone would not tell; None where it does."""

    @property
    def meaning(self) -> Any:
        """Hashable; equal for values of any class that mean the same."""
        raise NotImplementedError

    def truth(self, write: Callable[[Value], str]) -> Truth:
        """The value as a truth; `write` gives the text of one."""
        return Truth((write(self),), kind=self.kind)

    def paraphrased(self, rng: Random) -> Value:
        """The same meaning, maybe as another value: another unit, a rounded decimal; often itself."""
        return self

    def shortened(self, rng: Random) -> Value:
        """Also what states it only where it is the truth: a number without the unit."""
        return self.paraphrased(rng)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        """What was changed, and the result. It may by chance mean the same: the caller checks."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pair:
    """An answer, a truth, and whether the answer states the truth."""

    family: str
    answer: str
    truth: Truth
    right: bool
    author: str
    """Who wrote the answer."""
    change: str
    """What was changed to make it wrong; empty where it is right."""
