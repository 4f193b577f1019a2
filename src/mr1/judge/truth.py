"""What is accepted as the answer to a problem: the texts of the truth, and how they are meant."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal


class Kind(StrEnum):
    """What an answer is. The truth's kind decides how it is compared; what is of another kind is wrong."""

    NUMBER = "number"
    """One value: exact or a decimal, a fraction, a closed form, with or without a unit."""
    RATIO = "ratio"
    RANGE = "range"
    """From one value to another: 10-20, 10 to 20."""
    DATE = "date"
    TIME = "time"
    """A time of day, 2:30 pm."""
    DURATION = "duration"
    """Hours, minutes and seconds, 1:02:03 or 1 h 2 min."""
    SCORE = "score"
    """Of a game, 3-2."""
    VERSION = "version"
    """1.10, which is not 1.1."""
    TUPLE = "tuple"
    """Coordinates and vectors, whose order counts."""
    LIST = "list"
    """Several values; those of a list whose order counts are a tuple."""
    SET = "set"
    MATRIX = "matrix"
    INTERVAL = "interval"
    """[0, 1)."""
    INEQUALITY = "inequality"
    EQUATION = "equation"
    EXPRESSION = "expression"
    """Algebra with unknowns."""
    CHOICE = "choice"
    """One or several letters of a multiple choice."""
    YES_NO = "yes/no"
    BASE = "base"
    """A number in a base, 101_2."""
    TEXT = "text"


@dataclass(frozen=True)
class Tolerance:
    """How far an answer that is a number may be from the truth."""

    relative: Fraction = Fraction(0)
    """A share of the truth: ChartQA's relaxed accuracy is 1/20."""
    decimals: int | None = None
    """Both are rounded to so many digits behind the point, as MathVista's `precision` says; None for no rounding."""


@dataclass(frozen=True)
class Truth:
    """The texts of which any is a right answer, and how they are meant."""

    accepted: tuple[str, ...]
    """At least one; each is a whole truth of its own."""
    kind: Kind | None = None
    """Where the source states it; None where the text itself says what it is."""
    tolerance: Tolerance = Tolerance()
    percent: Literal["either", "strict"] = "either"
    """Whether a bare number states a truth in percent; 3 % is always 0.03."""
    units: Literal["optional", "required"] = "optional"
    """Whether a value without the truth's unit states it."""
    case: bool = False
    """Whether upper and lower case differ in words."""
    choices: tuple[str, ...] = ()
    """The texts of a multiple choice, in the order of their letters A to Z; empty where there are none."""

    def __hash__(self) -> int:
        return hash(self.accepted)  # what truths differ in; verdicts are remembered by it, and a fraction's is slow

    def dumps(self) -> str:
        """As JSON, for a worker."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def loads(cls, text: str) -> Truth:
        """What `dumps` gave."""
        fields = json.loads(text)
        tolerance = fields.pop("tolerance")
        return cls(
            accepted=tuple(fields.pop("accepted")),
            kind=None if (kind := fields.pop("kind")) is None else Kind(kind),
            tolerance=Tolerance(Fraction(tolerance["relative"]), tolerance["decimals"]),
            choices=tuple(fields.pop("choices")),
            **fields,
        )


def as_truth(truth: str | Truth) -> Truth:
    """A bare text is a truth of its own, meant as it says."""
    return Truth((truth,)) if isinstance(truth, str) else truth
