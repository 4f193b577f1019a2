"""How chat models write dates and times."""

from __future__ import annotations

from random import Random

from num2words import num2words

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.pair import Form
from benchmarks.judge.spoken import in_english
from benchmarks.judge.values.times import Clock, Day, Duration, Face


@say.register
def _(value: Day, rng: Random) -> Form:
    day = value.day
    month = f"{day:%B}"
    ordinal = num2words(day.day, to="ordinal_num")
    return pick(
        rng,
        {
            f"{month} {day.day}, {day.year}": 3,
            f"{month} {ordinal}, {day.year}": 1,
            f"{day.day} {month} {day.year}": 2,
            f"the {ordinal} of {month} {day.year}": 0.5,
            f"{ordinal} {month} {day.year}": 0.5,
            f"{day:%A}, {month} {day.day}, {day.year}": 1,
            day.isoformat(): 2,
            f"{day:%b}. {day.day}, {day.year}" if day.month != 5 else "": 0.5,
            f"{day.year}年{day.month:02d}月{day.day:02d}日": 0.5,
            f"{day:%B} {ordinal} {day.year}": 0.3,
            f"{day.month}/{day.day}/{day.year}" if value.kind and day.day > 12 else "": 0.7,
            f"{day.year}.{day.month:02d}.{day.day:02d}" if value.kind else "": 0.3,
        },
    )


@say.register
def _(value: Clock, rng: Random) -> Form:
    hour, minute = value.time.hour, value.time.minute
    half, twelve = ("PM", hour - 12) if hour > 11 else ("AM", hour)
    twelve = twelve or 12
    weights: dict[str, float] = {f"{twelve}:{minute:02d} {half}": 4, f"{twelve}:{minute:02d} {half.lower()}": 2}
    weights[f"{twelve}:{minute:02d} {half[0].lower()}.m."] = 1
    if hour > 12:
        weights[value.time.strftime("%H:%M")] = 2
    if 13 <= hour < 17:
        weights[f"{twelve}:{minute:02d} in the afternoon"] = 0.7
    if hour >= 19:
        weights[f"晚上{twelve}:{minute:02d}"] = 0.5
    if 5 <= hour < 12:
        weights[f"{twelve}:{minute:02d} in the morning"] = 1
        weights[f"{rng.choice(in_english(twelve, minute))} in the morning"] = 0.5
    return pick(rng, weights)


@say.register
def _(value: Face, rng: Random) -> Form:
    spoken = rng.choice(in_english(value.hour, value.minute))
    return pick(rng, {f"{value.hour}:{value.minute:02d}": 4, f"{value.hour:02d}:{value.minute:02d}": 1, spoken: 1.5})


@say.register
def _(value: Duration, rng: Random) -> Form:
    hours, minutes, seconds = value.parts
    names = ((hours, "hour", "hr", "h"), (minutes, "minute", "min", "m"), (seconds, "second", "sec", "s"))
    parts = [each for each in names if each[0]]
    plural = [f"{count} {name}{'s' * (count != 1)}" for count, name, _, _ in parts]
    return pick(
        rng,
        {
            " and ".join(plural) if len(plural) < 3 else f"{plural[0]}, {plural[1]}, and {plural[2]}": 4,
            " ".join(plural): 2,
            " ".join(f"{count} {short}" for count, _, short, _ in parts): 1,
            " ".join(f"{count}{letter}" for count, _, _, letter in parts) if len(parts) > 1 else "": 1,
            f"{hours}:{minutes:02d}:{seconds:02d}" if hours else "": 1,
        },
    )
