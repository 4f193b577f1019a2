"""Dates, times of day, durations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from benchmarks.judge.pair import Value
from benchmarks.judge.values.numbers import Number
from mr1.judge.truth import Kind


@dataclass(frozen=True)
class Day(Value):
    """A date."""

    day: date
    kind: Kind | None = Kind.DATE

    @property
    def meaning(self) -> Any:
        return self.day

    def mutated(self, rng: Random) -> tuple[str, Value]:
        day = self.day
        change = rng.choice(("day", "month", "year", "day and month swapped", "year alone", "difference"))
        if change == "day":
            return change, replace(self, day=day + timedelta(rng.choice((-10, -1, 1, 10))))
        if change == "month":
            return change, replace(self, day=day.replace(day=min(day.day, 28), month=rng.randrange(1, 13)))
        if change == "year":
            return change, replace(
                self, day=day.replace(day=min(day.day, 28), year=day.year + rng.choice((-10, -1, 1)))
            )
        if change == "day and month swapped" and day.day <= 12:
            return change, replace(self, day=day.replace(day=day.month, month=day.day))
        if change == "difference":
            return change, Number(Fraction(day.year - day.month - day.day))
        return "year alone", Number(Fraction(day.year))


def draw_day(rng: Random) -> Day:
    """From 1700 to 2099."""
    return Day(date(1700, 1, 1) + timedelta(rng.randrange(146_000)), rng.choice((Kind.DATE, None)))


@dataclass(frozen=True)
class Clock(Value):
    """A time of day, to the minute."""

    time: time
    kind: Kind | None = Kind.TIME

    @property
    def meaning(self) -> Any:
        return self.time

    def mutated(self, rng: Random) -> tuple[str, Value]:
        hour, minute = self.time.hour, self.time.minute
        change = rng.choice(("am/pm", "hour", "minute", "hour and minute swapped"))
        if change == "am/pm":
            hour = (hour + 12) % 24
        elif change == "hour":
            hour = (hour + rng.choice((-1, 1, 2, 3))) % 24
        elif change == "minute":
            minute = (minute + rng.choice((-15, -1, 1, 5, 30))) % 60
        elif minute < 24:
            hour, minute = minute, hour
        return change, replace(self, time=time(hour, minute))


def draw_clock(rng: Random) -> Clock:
    return Clock(time(rng.randrange(24), rng.choice((0, 15, 30, 45, rng.randrange(60)))))


@dataclass(frozen=True)
class Face(Value):
    """What a clock's face shows: without am or pm."""

    hour: int
    """From 1 to 12."""
    minute: int
    kind: Kind | None = Kind.TIME

    @property
    def meaning(self) -> Any:
        return ("face", self.hour, self.minute)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        change = rng.choice(("hour", "minute", "hands swapped", "both halved"))
        if change == "hour":
            return change, replace(self, hour=(self.hour + rng.choice((0, 1, 5, 6))) % 12 + 1)
        if change == "minute":
            return change, replace(self, minute=(self.minute + rng.choice((-15, -1, 1, 5, 30))) % 60)
        if change == "hands swapped":
            return change, replace(self, hour=(self.minute // 5) or 12, minute=self.hour % 12 * 5)
        return "both halved", replace(self, hour=(self.hour + 1) // 2, minute=self.minute // 2)


def draw_face(rng: Random) -> Face:
    return Face(rng.randrange(1, 13), rng.choice((0, 15, 30, 45, rng.randrange(60))))


@dataclass(frozen=True)
class Duration(Value):
    """Whole seconds."""

    seconds: int
    kind: Kind | None = Kind.DURATION

    @property
    def meaning(self) -> Any:
        return ("duration", self.seconds)

    @property
    def parts(self) -> tuple[int, int, int]:
        """Hours, minutes, seconds."""
        minutes, seconds = divmod(self.seconds, 60)
        return (*divmod(minutes, 60), seconds)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        hours, minutes, seconds = self.parts
        change = rng.choice(("hours", "minutes", "seconds", "parts swapped", "part lost", "point"))
        if change == "point" and hours and not seconds:
            return change, replace(self, seconds=3600 * hours + 36 * minutes)  # 2 h 30 as 2.30 h
        if change == "parts swapped" and hours < 60:
            hours, minutes = minutes, hours
        elif change == "part lost":
            minutes = 0
        elif change == "hours":
            hours += rng.choice((1, 2, 10))
        elif change == "minutes":
            minutes = (minutes + rng.choice((-1, 1, 10, 30))) % 60
        else:
            seconds = (seconds + rng.choice((-1, 1, 10, 30))) % 60
        return change, replace(self, seconds=3600 * hours + 60 * minutes + seconds)


def draw_duration(rng: Random) -> Duration:
    """A third each of hours and minutes, of all three, of minutes and seconds."""
    hours, minutes, seconds = rng.randrange(1, 24), rng.randrange(1, 60), rng.randrange(1, 60)
    if (shape := rng.randrange(3)) == 0:
        seconds = 0
    elif shape == 1:
        hours = 0
    return Duration(3600 * hours + 60 * minutes + seconds)


DRAWS: dict[str, Callable[[Random], Value]] = {
    "date": draw_day,
    "time of day": draw_clock,
    "clock face": draw_face,
    "duration": draw_duration,
}
