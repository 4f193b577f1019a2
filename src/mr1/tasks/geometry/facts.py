"""What a text says of a figure: degrees of angles, right angles, equal angles and equal sides.

    angle ABC = 40°    ∠1 is 40 degrees    right angle at C    angle BOC is a right angle    AB = AC    ∠BOC = ∠COD

An angle's name is its three points, its numeral, or one letter where that is a given angle or a corner of the problem's
triangle. A claim is compared with the figure's coordinates; one whose names mean nothing in the figure is neither true
nor false. Sums and other reckoning (`angle A = 180 - 40`) are no claims.
"""

from __future__ import annotations

import cmath
import math
import re
from typing import Any, NamedTuple

from mr1.tasks.facts import Reading
from mr1.types import Sample

CLOSE = 0.01
"""Degrees: the figure is as exact as floating-point numbers are."""
SPELLED = {"\\angle": "angle ", "∠": "angle ", "^\\circ": "°", "^{\\circ}": "°", "$": "", "\\": " "}
SPACES = re.compile(r"(?<=\S)(?=[-+*/×·÷−=])|(?<=[-+*/×·÷−=])(?=\S)")
NAME = r"([A-Z]{3}|[A-Z]|\d)\b"
ALONE_BEFORE, ALONE_BEHIND = r"(?<![-+*/×·÷−\d] )", r"(?!°?(?: degrees?)? [-+*/×·÷−]|\.?\d)"
"""Nothing is added to what stands here, or taken off it."""
DEGREES = re.compile(
    rf"{ALONE_BEFORE}[Aa]ngle {NAME} (?:=|is|equals|measures) (\d{{1,3}}(?:\.\d{{1,6}})?){ALONE_BEHIND}"
)
RIGHT = re.compile(rf"[Rr]ight angle (?:at )?{NAME}|[Aa]ngle {NAME} is (?:a )?right\b")
ANGLES = re.compile(rf"{ALONE_BEFORE}[Aa]ngle {NAME} (?:=|is|equals)(?: equal to)?(?= angle {NAME}{ALONE_BEHIND})")
SIDES = re.compile(rf"{ALONE_BEFORE}\b([A-Z]{{2}}) (?:=|is|equals)(?: equal to)?(?= ([A-Z]{{2}})\b{ALONE_BEHIND})")

Points = dict[str, complex]


class Angle(NamedTuple):
    """By its vertex and the first point on each ray, whatever it is called."""

    vertex: str
    rays: frozenset[str]


class Claim(NamedTuple):
    """An angle of so many degrees, or several things that are equal."""

    things: frozenset[Angle | frozenset[str]]
    """Angles, or sides as their two ends."""
    degrees: float | None = None


class Figure:
    """What a sample's description says of its figure."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self.points: Points = {name: complex(*place) for name, place in meta["points"].items()}
        self.marks, self.given, self.names = meta["marks"], meta["given"], meta["names"]
        self.angles = meta["angles"]

    def angle(self, name: str) -> Angle | None:
        """The angle of this name; None where the figure has none."""
        if len(name) == 1:
            name = self.given.get(name) or self.marks["numerals"].get(name) or self._corner(name)
        if len(name) < 3 or not {*name} <= self.points.keys() or len({*name}) < 3:
            return None
        first, vertex, last = tuple(name)
        return Angle(vertex, frozenset({self._ray(vertex, first), self._ray(vertex, last)}))

    def right_angle(self, name: str) -> Angle | None:
        """The angle that is said to be right: by one letter the marked one there, where there is one."""
        return self.angle(next((marked for marked in self.marks["right_angles"] if marked[1] == name), name))

    def holds(self, claim: Claim) -> bool:
        """Whether the figure bears a claim out."""
        sizes = [self._size(each) for each in claim.things]
        wanted = sizes[0] if claim.degrees is None else claim.degrees
        return all(math.isclose(size, wanted, rel_tol=1e-6, abs_tol=CLOSE) for size in sizes)

    def facts(self) -> dict[str, Claim]:
        """The given angles and what marks show, by their words."""
        found = {
            f"angle {called} = {self.angles[name]}°": (name, self.angles[name]) for called, name in self.given.items()
        }
        found |= {f"angle {name} is a right angle": (name, 90) for name in self.marks["right_angles"]}
        claims = {words: self._degrees(self.angle(name), degrees) for words, (name, degrees) in found.items()}
        if arcs := self.marks["equal_angles"]:
            claims[" = ".join(f"angle {name}" for name in arcs)] = self._equal(*map(self.angle, arcs))
        if ticks := self.marks["equal_sides"]:
            claims[" = ".join(ticks)] = self._equal(*map(self._side, ticks))
        return {words: claim for words, claim in claims.items() if claim}

    def claims(self, text: str) -> dict[str, Claim]:
        """What a text says of things that the figure has, by its words."""
        found = {match[0]: self._degrees(self.angle(match[1]), float(match[2])) for match in DEGREES.finditer(text)}
        for match in RIGHT.finditer(text):
            found[match[0]] = self._degrees(self.right_angle(match[1] or match[2]), 90)
        for match in ANGLES.finditer(text):
            found[f"{match[0]} angle {match[2]}"] = self._equal(self.angle(match[1]), self.angle(match[2]))
        for match in SIDES.finditer(text):
            found[f"{match[0]} {match[2]}"] = self._equal(self._side(match[1]), self._side(match[2]))
        return {words: claim for words, claim in found.items() if claim}

    @staticmethod
    def _degrees(angle: Angle | None, degrees: float) -> Claim | None:
        return Claim(frozenset({angle}), degrees) if angle else None

    @staticmethod
    def _equal(*things: Angle | frozenset[str] | None) -> Claim | None:
        known = frozenset(each for each in things if each)
        return Claim(known) if len(known) > 1 else None

    def _side(self, name: str) -> frozenset[str] | None:
        return frozenset(name) if {*name} <= self.points.keys() and name[0] != name[1] else None

    def _corner(self, letter: str) -> str:
        """The angle at a corner of the problem's triangle; nothing where it has none."""
        ends = self.names.replace(letter, "")
        has_triangle = len(self.names) == 3 and "O" not in self.points
        return ends[0] + letter + ends[1] if has_triangle and len(ends) == 2 else ""

    def _ray(self, vertex: str, end: str) -> str:
        along = self.points[end] - self.points[vertex]
        return min(
            name
            for name, point in self.points.items()
            if name != vertex and abs(cmath.phase((point - self.points[vertex]) / along)) < 1e-6
        )

    def _size(self, thing: Angle | frozenset[str]) -> float:
        """Degrees of an angle, the length of a side."""
        ends = [self.points[name] for name in (thing.rays if isinstance(thing, Angle) else thing)]
        if not isinstance(thing, Angle):
            return abs(ends[0] - ends[1])
        if len(ends) == 1:
            return 0.0
        vertex = self.points[thing.vertex]
        return abs(math.degrees(cmath.phase((ends[0] - vertex) / (ends[1] - vertex))))


def read(text: str, sample: Sample) -> Reading:
    """Which facts of a sample's figure a text states, and which of its claims don't hold."""
    figure = Figure(sample.meta)
    facts, claimed = figure.facts(), figure.claims(_plain(text))
    false = {claim: words for words, claim in claimed.items() if not figure.holds(claim)}
    return Reading(tuple(facts), tuple(fact in claimed.values() for fact in facts.values()), frozenset(false.values()))


def _plain(text: str) -> str:
    """A text with one spelling of signs, and a blank around each."""
    for sign, words in SPELLED.items():
        text = text.replace(sign, words)
    return " ".join(SPACES.sub(" ", text).split())
