"""Inequalities of one unknown as the intervals in which it lies: -1 < x <= 2 is (-1, 2]."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mr1.judge.frame import top_level
from mr1.judge.reading import read_item, read_several
from mr1.judge.truth import Kind
from mr1.judge.values import Algebra, Number, Reading, Several, Value, Words

_MARKS = r"\\le(?![A-Za-z])|\\ge(?![A-Za-z])|\\ne(?![A-Za-z])|<|>"
_UNKNOWN = re.compile(r"\s*(?:[A-Za-z]|\\[a-z]+)(?:_\{?\w{1,3}\}?)?\s*")
_WITHIN = re.compile(r"(?P<name>[^\\]+|\\[a-z]+\s*)\\in(?![A-Za-z])(?P<set>.*)", re.DOTALL)
_TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
_LOWEST, _HIGHEST = Reading(Words(("-infinity",))), Reading(Words(("+infinity",)))


@dataclass(frozen=True)
class Interval:
    """All between two ends, which belong to it where the bracket is square."""

    low: Reading
    high: Reading
    opened: str
    closed: str


@dataclass(frozen=True)
class Solution:
    """Where an unknown lies."""

    name: str
    """Of the unknown; empty where only the set is told."""
    parts: tuple[Interval, ...]


def solution(reading: Reading) -> Solution | None:
    """The intervals that a text tells; None where it tells none: several unknowns, or ends that are no values."""
    value = reading.value
    if isinstance(value, Algebra) and value.kind is Kind.INEQUALITY:
        return _of_relation(value.latex)
    if not isinstance(value, Several):
        return None
    if value.kind is Kind.INEQUALITY:
        found = [told for item in value.items if (told := solution(item))]
        if len(found) != len(value.items) or len({each.name for each in found}) != 1:
            return None
        return Solution(found[0].name, tuple(part for each in found for part in each.parts))
    union = value.opened == "{" and value.kind is Kind.INTERVAL
    parts = [_interval(item.value) for item in value.items] if union else [_interval(value)]
    kept = tuple(part for part in parts if part)
    name = next(iter(reading.words)) if len(reading.words) == 1 else ""
    return Solution(name, kept) if len(kept) == len(parts) else None


def _interval(value: Value | None) -> Interval | None:
    if not isinstance(value, Several) or len(value.items) != 2 or value.opened not in ("(", "["):
        return None
    low, high = value.items
    return Interval(low, high, value.opened, value.closed) if _is_end(low) and _is_end(high) else None


def _is_end(reading: Reading) -> bool:
    return isinstance(reading.value, Number) or reading in (_LOWEST, _HIGHEST)


def _of_relation(latex: str) -> Solution | None:
    if within := _WITHIN.fullmatch(latex):
        told = solution(read_several(within["set"].strip())) if _UNKNOWN.fullmatch(within["name"]) else None
        return told and Solution(within["name"].strip(), told.parts)
    sides, marks = top_level(latex, _MARKS), re.findall(_MARKS, latex)
    if len(sides) == 2 and _UNKNOWN.fullmatch(sides[1]) and marks[0] in _TURNED:  # 3 < x
        sides, marks = sides[::-1], [_TURNED[marks[0]]]
    if len(sides) == 2 and len(marks) == 1 and _UNKNOWN.fullmatch(sides[0]):
        return _one_sided(sides[0].strip(), marks[0], read_item(sides[1]))
    if len(sides) != 3 or len(marks) != 2 or not _UNKNOWN.fullmatch(sides[1]):
        return None
    if all(mark in (">", "\\ge") for mark in marks):
        sides, marks = sides[::-1], [_TURNED[mark] for mark in reversed(marks)]
    if any(mark not in ("<", "\\le") for mark in marks):
        return None
    low, high = read_item(sides[0]), read_item(sides[2])
    if not (_is_end(low) and _is_end(high)):
        return None
    part = Interval(low, high, "(" if marks[0] == "<" else "[", ")" if marks[1] == "<" else "]")
    return Solution(sides[1].strip(), (part,))


def _one_sided(name: str, mark: str, end: Reading) -> Solution | None:
    if not isinstance(end.value, Number):
        return None
    below = Interval(_LOWEST, end, "(", "]" if mark == "\\le" else ")")
    above = Interval(end, _HIGHEST, "[" if mark == "\\ge" else "(", ")")
    if mark == "\\ne":
        return Solution(name, (below, above))
    return Solution(name, (below if mark in ("<", "\\le") else above,))
