"""Times of day in words: half past two, quarter to nine, ten fifteen, 八点三刻."""

from __future__ import annotations

import re

from mr1.judge.numbers import literal_at

_PART = r"(?P<part>\s*[ap]\.?\s?m\b\.?|\s+in\s+the\s+(?:early\s+)?(?:morning|afternoon|evening)|\s+at\s+night)?"
_TWO_WORDS = r"[a-z]+(?:[\s-](?!(?:min|[ap]\.?\s?m\b|in\b|at\b))[a-z]+)?"
_COUNT = rf"(?P<count>{_TWO_WORDS}|\d{{1,2}})"
_HOUR = r"(?P<hour>[a-z]+|\d{1,2})"
_MINUTES = r"(?P<unit>\s*(?:minutes?|mins?))?"
_HALF = re.compile(rf"half[\s-]+past\s+{_HOUR}(?:\s+o'?clock)?{_PART}")
_QUARTER = re.compile(
    rf"(?:an?\s+)?quarter\s*(?:(?P<past>past|after)|to|before|of|till?|until)\s+{_HOUR}(?:\s+o'?clock)?{_PART}"
)
_PAST = re.compile(rf"{_COUNT}{_MINUTES}\s+(?:past|after)\s+{_HOUR}(?:\s+o'?clock)?{_PART}")
_TO = re.compile(rf"{_COUNT}{_MINUTES}\s+(?:to|before|till?|until)\s+{_HOUR}(?:\s+o'?clock)?{_PART}")
_WHOLE = re.compile(rf"{_HOUR}(?P<oclock>\s+o'?clock)?{_PART}")
_SIDE_BY_SIDE = re.compile(rf"{_HOUR}[\s-]+(?P<oh>(?:oh|o|zero)[\s-]+)?(?P<count>{_TWO_WORDS}){_PART}")
_NAMED = {"noon": "pm", "midday": "pm", "midnight": "am"}
_TWELVE = re.compile(r"(?:12|twelve)\s+(?P<name>noon|midday|midnight)")

_DIGITS = r"[零〇一二两三四五六七八九十\d]+"
_CHINESE = re.compile(
    rf"(?P<part>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里)?\s*"
    rf"(?:差\s*(?:(?P<short>{_DIGITS})\s*分钟?|(?P<quarter>一刻)钟?)\s*)?"
    rf"(?P<hour>{_DIGITS})\s*[点时](?:钟|(?P<past>[一三])刻|(?P<half>半)|整"
    # 三点五 is 3.5.
    rf"|过?\s*(?P<minute>{_DIGITS}分|\d+|[二三四五]?十[一二三四五六七八九]?))?"
)
_CHINESE_NAMED = {"正午": "pm", "中午": "pm", "午夜": "am", "半夜": "am"}
_CHINESE_PART = {"凌晨": "am", "清晨": "am", "早上": "am", "早晨": "am", "上午": "am", "下午": "pm", "傍晚": "pm"}

_MAY_SAY = re.compile(r"half|quarter|past|after|before|clock|noon|midnight|to\b|[点时午半]", re.IGNORECASE)
"""What must be in a text for it to tell a time, where it isn't known to: most texts are never tried."""

Time = tuple[int, int, str]
"""The hour, the minute, and am, pm or nothing."""


def spoken(text: str, stated: bool = False) -> Time | None:
    """The time that words tell; None where they tell none.

    Args:
        text: the whole text.
        stated: whether it is known to be a time of day, so that `ten to twelve` is no range and `two thirty` no number.
    """
    if not stated and not _MAY_SAY.search(text):
        return None
    if not text.isascii():
        return _chinese(text)
    lower = text.lower()
    if named := _TWELVE.fullmatch(lower):
        return 12, 0, _NAMED[named["name"]]
    if found := _HALF.fullmatch(lower):
        return _past(30, found)
    if found := _QUARTER.fullmatch(lower):
        return _past(15, found) if found["past"] else _before(15, found)
    if found := _PAST.fullmatch(lower):
        return _past(_number(found["count"]), found)
    if (found := _TO.fullmatch(lower)) and (stated or (found["unit"] and found["part"] is not None)):
        return _before(_number(found["count"]), found)
    if (found := _WHOLE.fullmatch(lower)) and (found["oclock"] or (stated and found["part"])):
        return _past(0, found)
    if stated and (found := _SIDE_BY_SIDE.fullmatch(lower)):
        minute = _number(found["count"])
        return _past(minute, found) if minute is not None and (minute < 10) == bool(found["oh"]) else None
    return None


def part_of_day(hour: int, told: str) -> str:
    """am or pm, by what is told of the day's half; at night it depends on the hour."""
    told = told.lower().strip()
    if told.endswith("night") or told in ("晚上", "夜里"):
        return "am" if hour == 12 or hour < 5 else "pm"
    if told == "中午":
        return "am" if hour == 11 else "pm"
    if told in _CHINESE_PART:
        return _CHINESE_PART[told]
    return "" if not told else "am" if told[0] == "a" or told.endswith("morning") else "pm"


def _past(minute: int | None, found: re.Match[str]) -> Time | None:
    hour = _number(found["hour"])
    if minute is None or hour is None or not (0 <= minute < 60 and 1 <= hour <= 12):
        return None
    return hour, minute, part_of_day(hour, found["part"] or "")


def _before(minute: int | None, found: re.Match[str]) -> Time | None:
    told = _past(minute, found)
    return told and _until(told[0], told[1], found["part"] or "")


def _until(hour: int, minute: int, part: str) -> Time | None:
    """So many minutes before the full hour. Ten to 12 pm may be before noon or before midnight."""
    if not (1 <= hour <= 12 and 0 < minute < 60):
        return None
    before = hour - 1 or 12
    either = hour == 12 and part.strip()[:1] in ("a", "p") and not part.strip().startswith("at")
    return before, 60 - minute, "" if either else part_of_day(before, part)


def _number(text: str) -> int | None:
    """A whole number, in digits or in words, that is all of a text."""
    found = literal_at(text)
    if found is None or found[1] != len(text) or found[0].decimals != 0:
        return None
    return int(found[0].value)


def _chinese(text: str) -> Time | None:
    if named := _CHINESE_NAMED.get(text):
        return 12, 0, named
    found = _CHINESE.fullmatch(text)
    hour = _number(found["hour"]) if found else None
    if found is None or hour is None or hour > 24:
        return None
    minute: int | None = 30 if found["half"] else 0
    if found["past"]:
        minute = 15 if found["past"] == "一" else 45
    elif found["minute"]:
        minute = _number(found["minute"].removesuffix("分"))
    half = part_of_day(hour, found["part"] or "") if hour <= 12 else ""
    if minute is None or minute > 59:
        return None
    if found["short"] or found["quarter"]:
        short = 15 if found["quarter"] else _number(found["short"])
        return None if minute or not short else _until(hour, short, found["part"] or "")
    return hour % 24 if hour != 12 else 12, minute, half
