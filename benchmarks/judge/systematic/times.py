"""Notations of dates and times."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from benchmarks.judge.digits import plain
from benchmarks.judge.pair import Form
from benchmarks.judge.spoken import in_chinese, in_english
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.times import Clock, Day, Duration, Face


@forms.register
def _(value: Day, rng: Random) -> list[Form]:
    day = value.day
    month, short = day.strftime("%B"), day.strftime("%b")
    found = [
        f"{day.year}-{day.month:02d}-{day.day:02d}",
        f"{day.year}/{day.month:02d}/{day.day:02d}",
        f"{day.year}年{day.month}月{day.day}日",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"{short} {day.day}, {day.year}",
        f"{day.day} {short} {day.year}",
        f"{day.day}-{short}-{day.year}",
        f"{month} {day.day} {day.year}",
        f"{day.year}年{day.month}月{day.day}号",
    ]
    if value.kind and day.day > 12:  # else a quotient, or day and month exchanged
        found += [f"{day.month:02d}/{day.day}/{day.year}", f"{day.day}/{day.month:02d}/{day.year}"]
        found += [f"{day.day}.{day.month:02d}.{day.year}"]
    return text(*found)


@forms.register
def _(value: Clock, rng: Random) -> list[Form]:
    hour, minute = value.time.hour, value.time.minute
    half, twelve = "pm" if hour >= 12 else "am", (hour + 11) % 12 + 1
    shown = [f"{twelve}:{minute:02d} {suffix}" for suffix in (half, half.upper(), f"{half[0]}.m.")]
    shown += [f"{twelve}:{minute:02d}{half}", f"{twelve:02d}:{minute:02d} {half.upper()}"]
    shown += [f"{'下午' if hour >= 12 else '上午'}{twelve}:{minute:02d}"] if 6 <= hour < 18 and hour != 12 else []
    shown += (
        [f"{'下午' if hour >= 12 else '上午'}{twelve}点{minute}分"] if 6 <= hour < 18 and hour != 12 and minute else []
    )
    shown += ["noon"] if (hour, minute) == (12, 0) else []
    shown += [f"{hour}:{minute:02d}", f"{hour}：{minute:02d}"] if hour >= 13 else []
    shown += [f"{twelve} {half}"] if minute == 0 else []
    shown += [f"{spoken} {half}" for spoken in rng.sample(in_english(twelve, minute), 1) if minute and twelve != 11]
    if 6 <= hour < 18 and hour != 12:
        shown += [f"{'下午' if hour >= 12 else '上午'}{rng.choice(in_chinese(twelve, minute))}"]
    return text(*shown) + math(
        f"{twelve}:{minute:02d}\\,\\text{{{half}}}", f"{twelve}:{minute:02d}\\text{{ {half.upper()}}}"
    )


@forms.register
def _(value: Face, rng: Random) -> list[Form]:
    shown = f"{value.hour}:{value.minute:02d}"
    found = math(shown) + text(
        shown, f"{value.hour:02d}:{value.minute:02d}", shown.replace(":", "："), shown.replace(":", " : ")
    )
    found += text(*in_english(value.hour, value.minute), *in_chinese(value.hour, value.minute))
    return found + (text(f"{value.hour} o'clock") if value.minute == 0 else [])


@forms.register
def _(value: Duration, rng: Random) -> list[Form]:
    hours, minutes, seconds = value.parts
    parts = [
        (hours, "h", "hours", "小时"),
        (minutes, "min", "minutes", "分钟" if not seconds else "分"),
        (seconds, "s", "seconds", "秒"),
    ]
    parts = [part for part in parts if part[0]]
    named = [f"{count} {name if count > 1 else name[:-1]}" for count, _, name, _ in parts]
    found = [
        " ".join(f"{count} {symbol}" for count, symbol, _, _ in parts),
        "".join(f"{count}{symbol}" for count, symbol, _, _ in parts),
        "".join(f"{count}{chinese}" for count, _, _, chinese in parts),
        ", ".join(named),
        " and ".join([*([", ".join(named[:-1])] if named[:-1] else []), named[-1]]),
        f"{value.seconds} s" if value.seconds % 60 else f"{value.seconds // 60} min",
    ]
    if (value.seconds * 100) % 3600 == 0:
        found += [f"{plain(Fraction(value.seconds, 3600))} hours", f"{plain(Fraction(value.seconds, 3600))} h"]
    if hours:
        found.append(f"{hours}:{minutes:02d}:{seconds:02d}")
    return text(*found)
