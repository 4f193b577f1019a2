"""Dates, times of day and durations."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Literal, cast

from mr1.judge.spoken import part_of_day, spoken
from mr1.judge.truth import Kind
from mr1.judge.units import unit_at
from mr1.judge.values import Clock, Day, Number

_MONTHS = "january february march april may june july august september october november december".split()
MONTHS = {short: n for n, name in enumerate(_MONTHS, start=1) for short in (name, name[:3])} | {"sept": 9}
_MONTH = rf"(?P<name>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
_DAY = r"(?P<d>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>[12]\d{3})"

_NAMED_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_WEEKDAY}{_MONTH}\s+(?:the\s+)?{_DAY}(?:\s*,\s*|\s+){_YEAR}",
        rf"{_WEEKDAY}(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}\s*,?\s*{_YEAR}",
        rf"{_MONTH}\s*,?\s+(?:of\s+)?{_YEAR}",
        rf"{_WEEKDAY}{_MONTH}\s+(?:the\s+)?{_DAY}",
        rf"{_WEEKDAY}(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}",
        rf"{_DAY}[-\s]{_MONTH}[-\s]{_YEAR}",
    )
)
_NAMES_A_MONTH = re.compile("|".join(name[:3] for name in _MONTHS), re.IGNORECASE)
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<y>[12]\d{3})([-/.])(?P<m>[01]?\d)\2(?P<d>[0-3]?\d)",
        r"(?P<y>[12]\d{3})\s*年\s*(?:(?P<m>[01]?\d)\s*月\s*(?:(?P<d>[0-3]?\d)\s*[日号])?)",
        r"(?P<m>[01]?\d)\s*月\s*(?P<d>[0-3]?\d)\s*[日号]",
    )
)
_BEFORE_CHRIST = re.compile(
    r"(?:(?:about|around|circa|c\.|in)\s+)?(\d{1,5})\s*(?:BCE?|B\.\s?C\.(?:\s?E\.)?|B\.C)|公元前\s*(\d{1,5})\s*年?"
)
_SEPARATES = re.compile(r"[-/.年月公]|BC")
_DIGIT = re.compile(r"\d")
_SLASHED = re.compile(r"([0-3]?\d)([/.-])([0-3]?\d)\2([12]\d{3})")
_HALF = r"(?P<half>[ap]\.?\s?m\b\.?|in the (?:morning|afternoon|evening)|at night)"
_CLOCK = re.compile(
    rf"(?:(?P<h>[0-2]?\d)\s?:\s?(?P<m>[0-5]\d)(?:\s?:\s?(?P<s>[0-5]\d))?(?:\s*{_HALF})?"
    rf"|(?P<h2>1[0-2]|0?\d)(?:\.(?P<m2>[0-5]\d))?\s*{_HALF.replace('half', 'half2')})"
    r"(?:\s*o'?clock)?",
    re.IGNORECASE,
)
_CHINESE_HALF = re.compile(r"(凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里)\s*(?P<h>[0-2]?\d):(?P<m>[0-5]\d)")
_NAMED = {"noon": Clock(12, half="pm"), "midday": Clock(12, half="pm"), "midnight": Clock(12, half="am")}
_COLONS = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)(\.\d+)?")
_SHORT = re.compile(r"(\d{1,4}):([0-5]\d)(\.\d+)?")


def read_date(text: str) -> Day | None:
    """A date, or a month with its year or its day; None where the text is none or no such day exists."""
    if not _DIGIT.search(text):
        return None
    named = _NAMES_A_MONTH.search(text) is not None
    if not named and _SEPARATES.search(text) is None:
        return None
    for pattern in _NAMED_DATES if named else _DATES:
        if found := pattern.fullmatch(text):
            parts = found.groupdict()
            month = MONTHS[parts["name"].lower()] if parts.get("name") else int(parts["m"])
            return _day(_int(parts.get("y")), month, _int(parts.get("d")))
    if (found := _BEFORE_CHRIST.fullmatch(text)) and (year := int(found[1] or found[2])):
        return Day(-year)
    if found := _SLASHED.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        either = _day(year, first, second), _day(year, second, first)
        if all(either) and first != second:
            return Day(year, first, second, swapped=(second, first))
        return either[0] or either[1]
    return None


def read_year(text: str) -> Day | None:
    """A year alone, or with its month, 2024-01 and 01/2024, for a source that says that its answers are dates."""
    if found := re.fullmatch(r"(0?[1-9]|1[0-2])/([12]\d{3})", text):
        return Day(int(found[2]), int(found[1]))
    found = re.fullmatch(r"([12]\d{3})(?:[-/](0\d|1[0-2]))?", text)
    return Day(int(found[1]), _int(found[2])) if found else None


def read_time(text: str, stated: bool = False) -> Clock | None:
    """A time of day: 14:30, 2:30 pm, half past two, noon, 下午2点半.

    Args:
        text: the whole text.
        stated: whether it is known to be one, so that `two thirty` is no number.
    """
    lower = text.lower()
    if lower in _NAMED:
        return _NAMED[lower]
    if _DIGIT.search(text):
        if found := _CLOCK.fullmatch(text):
            half = found["half"] or found["half2"]
            minute = _int(found["m"] or found["m2"]) or 0
            return _clock(int(found["h"] or found["h2"]), minute, _int(found["s"]) or 0, half)
        if found := _CHINESE_HALF.fullmatch(text):
            return _clock(int(found["h"]), int(found["m"]), 0, found[1] if int(found["h"]) <= 12 else None)
    if told := spoken(text, stated):
        return Clock(told[0], told[1], half=cast('Literal["", "am", "pm"]', told[2]))
    return None


def read_duration(text: str, short: bool = False) -> Number | None:
    """Hours, minutes and seconds with colons, 1:02:03, in seconds.

    Args:
        text: the whole text.
        short: whether two parts are read, as minutes and seconds.
    """
    if ":" not in text:
        return None
    if found := _COLONS.fullmatch(text):
        hours, minutes, seconds, rest = found.groups()
        value = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + Fraction(f"0{rest or ''}")
    elif short and (found := _SHORT.fullmatch(text)):
        minutes, seconds, rest = found.groups()
        value = int(minutes) * 60 + int(seconds) + Fraction(f"0{rest or ''}")
    else:
        return None
    second = unit_at("s")
    assert second is not None
    return Number(text, Fraction(value), unit=second[0], kind=Kind.DURATION)


def _day(year: int | None, month: int, day: int | None) -> Day | None:
    try:
        date(year or 2000, month, day or 1)
    except ValueError:
        return None
    return Day(year, month, day)


def _clock(hour: int, minute: int, second: int, half: str | None) -> Clock | None:
    if (hour, minute, second) == (24, 0, 0):
        hour = 0
    if hour > (12 if half else 23) or (half and hour == 0):
        return None
    return Clock(hour, minute, second, cast('Literal["", "am", "pm"]', part_of_day(hour, half or "")))


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)
