"""What an answer can be: a typed value, with what was written beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal, NamedTuple

from mr1.judge.truth import Kind
from mr1.judge.units import Unit


class Number(NamedTuple):
    """One value, with or without a unit. A tuple, since that is made in a third of the time."""

    latex: str
    """As it was written, in the notation of `canonical`, without its unit."""
    value: Fraction | None = None
    """None for a closed form, which algebra evaluates: roots, π, sums."""
    decimals: int | None = None
    """Digits behind the point of a decimal, 0 of an integer; None of all else."""
    digits: int = 0
    """Significant digits of a decimal."""
    unit: Unit | None = None
    approximate: bool = False
    bound: str = ""
    """`<`, `<=`, `>` or `>=` where only a bound is said: at least 3."""
    counted: frozenset[str] = frozenset()
    """What there are so many of, where it has no unit: of 3 cubes the cubes."""
    kind: Kind = Kind.NUMBER

    def __str__(self) -> str:
        shown = str(self.value) if self.value is not None and self.decimals is None else self.latex
        about = "about " if self.approximate else ""
        return f"{about}{self.bound and self.bound + ' '}{shown}" + (f" in {self.unit.name}" if self.unit else "")


@dataclass(frozen=True)
class Pair:
    """Two values in their order, `10-20`: a range or a score. Never a difference."""

    first: Number
    second: Number
    kind: Kind = Kind.RANGE

    def __str__(self) -> str:
        return f"{self.first} to {self.second}"


@dataclass(frozen=True)
class Ratio:
    """Two or more terms, up to a common factor."""

    terms: tuple[Fraction, ...]
    kind: Kind = Kind.RATIO

    def __str__(self) -> str:
        return ":".join(map(str, self.terms))


@dataclass(frozen=True)
class Day:
    """A date or a part of one."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    swapped: tuple[int, int] | None = None
    """Month and day in the other order, where 01/02/2024 does not tell them apart."""
    kind: Kind = Kind.DATE

    def __str__(self) -> str:
        if self.year and self.month and self.day and not self.swapped:
            return date(self.year, self.month, self.day).isoformat()
        parts = (
            f"{name} {value}"
            for name, value in (("year", self.year), ("month", self.month), ("day", self.day))
            if value
        )
        return ", ".join(parts) + (", or month and day the other way round" if self.swapped else "")


@dataclass(frozen=True)
class Clock:
    """A time of day."""

    hour: int
    minute: int = 0
    second: int = 0
    half: Literal["", "am", "pm"] = ""
    """Where the day's half is told; an hour above 12 tells it itself."""
    kind: Kind = Kind.TIME

    def __str__(self) -> str:
        return f"{self.hour}:{self.minute:02}:{self.second:02} {self.half}".strip()


@dataclass(frozen=True)
class Several:
    """Several things, in order or not."""

    items: tuple[Reading, ...]
    opened: str = ""
    """The bracket: `(`, `[`, `{`, or none."""
    closed: str = ""
    kind: Kind = Kind.LIST

    def __str__(self) -> str:
        return f"{self.opened}{', '.join(map(str, self.items))}{self.closed}"


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Reading, ...], ...]
    shape: str = ""
    """`v` for a determinant, else empty."""
    kind: Kind = Kind.MATRIX

    def __str__(self) -> str:
        return "; ".join(", ".join(map(str, row)) for row in self.rows)


@dataclass(frozen=True)
class Based:
    """A number written in a base other than ten."""

    value: int
    base: int
    kind: Kind = Kind.BASE

    def __str__(self) -> str:
        return f"{self.value} in base {self.base}"


@dataclass(frozen=True)
class Version:
    """Parts between dots, none of which is a fraction: 1.10 is behind 1.9."""

    parts: tuple[str, ...]
    kind: Kind = Kind.VERSION

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Letters:
    """Letters of a multiple choice."""

    letters: frozenset[str]
    kind: Kind = Kind.CHOICE

    def __str__(self) -> str:
        return ", ".join(sorted(self.letters))


@dataclass(frozen=True)
class YesNo:
    """Yes or no, true or false."""

    yes: bool
    kind: Kind = Kind.YES_NO

    def __str__(self) -> str:
        return "yes" if self.yes else "no"


@dataclass(frozen=True)
class Words:
    """A text."""

    tokens: tuple[str, ...]
    """Its words, as written; articles in front are left out."""
    kind: Kind = Kind.TEXT

    def __str__(self) -> str:
        return " ".join(self.tokens)


@dataclass(frozen=True)
class Algebra:
    """An expression with unknowns, an equation or an inequality, in LaTeX."""

    latex: str
    kind: Kind = Kind.EXPRESSION
    equation: str = ""
    """Of `y = 2x + 1`, which is both: the whole, where `latex` is its right side."""

    def __str__(self) -> str:
        return self.equation or self.latex


Value = Number | Pair | Ratio | Day | Clock | Several | Matrix | Based | Version | Letters | YesNo | Words | Algebra


class Reading(NamedTuple):
    """What a text says: a value, or why there is none."""

    value: Value | None = None
    words: frozenset[str] = frozenset()
    """Beside the value: words that are not understood, in lower case, and the name of what has it. Where both sides
    have some, they must agree."""
    letter: str = ""
    """Of a multiple choice, where the value is what it stands for."""
    why: str = ""
    """Where there is no value."""

    @property
    def kind(self) -> Kind | None:
        """The value's."""
        return self.value.kind if self.value is not None else None

    def __str__(self) -> str:
        if self.value is None:
            return f"nothing: {self.why}"
        letter = f"{self.letter}: " if self.letter else ""
        return f"{letter}{self.value}" + (f" ({' '.join(sorted(self.words))})" if self.words else "")
