"""What a theorem of the geometry task makes: a question, a figure that decides it, and the solution.

A theorem is one wording with several variants. The wording and the given numbers are the same in each variant, the
figure and the answer are not, so that a question cannot be answered without a look at its figure. The first variant is
the most familiar one: what somebody expects who does not look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Figure:
    """Points as complex numbers (y up), lines and marks. An angle "ABC" has its vertex at B."""

    points: dict[str, complex]
    lines: tuple[str, ...]
    """Segments, each by its two ends."""
    labels: str = ""
    """The points whose letter is printed."""
    circle: str = ""
    """The centre and one point of the circle, or nothing."""
    dots: str = ""
    """The points drawn as a dot."""
    ticks: tuple[str, ...] = ()
    """Segments marked as equal."""
    squares: tuple[str, ...] = ()
    """Angles marked as right."""
    arcs: tuple[str, ...] = ()
    """Angles marked as equal."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Angles that carry a numeral: from the numeral to the angle."""


@dataclass(frozen=True)
class Problem:
    """One variant of a theorem, for one choice of letters and numbers."""

    question: str
    figure: Figure
    given: dict[str, str]
    """The given angles: from what the question calls them to their three points."""
    asked: str
    """The three points of the asked angle."""
    angles: dict[str, int]
    """Degrees of the given and the asked angles, by their three points."""
    reasoning: str

    @property
    def answer(self) -> int:
        """Degrees of the asked angle."""
        return self.angles[self.asked]


Names = str
Values = tuple[int, ...]


@dataclass(frozen=True)
class Theorem:
    """A wording, and what it can be filled with."""

    build: Callable[[str, Names, Values, np.random.Generator], Problem]
    """(variant, names, values, rng) -> Problem; the generator only varies the shape of the figure."""
    variants: tuple[str, ...]
    """The first is what a hasty teacher takes for granted."""
    names: tuple[Names, ...]
    """Letters for the points, one character each; no two choices state the same problem."""
    values: tuple[Values, ...]
    """Given degrees for which every variant has a figure."""


def angle(first: str, vertex: str, last: str) -> str:
    """An angle's name, its ends in alphabetical order."""
    return min(first, last) + vertex + max(first, last)


def pair(first: str, last: str) -> str:
    """A line's name, its ends in alphabetical order."""
    return min(first, last) + max(first, last)


def ask(facts: str, asked: str) -> str:
    """The question, in the words that GeoQA uses."""
    return f"As shown in the figure, {facts}, then the degree of angle {asked} is ()"
