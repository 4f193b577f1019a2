"""Times of day in words, as they are said."""

from __future__ import annotations

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
ONES += "seventeen eighteen nineteen".split()
TENS = {2: "twenty", 3: "thirty", 4: "forty", 5: "fifty"}
CHINESE = "零一二三四五六七八九"


def english(count: int) -> str:
    """A number below sixty."""
    if count < 20:
        return ONES[count]
    return TENS[count // 10] + (f"-{ONES[count % 10]}" if count % 10 else "")


def chinese(count: int) -> str:
    """A number below sixty, with its tens."""
    tens, ones = divmod(count, 10)
    if not tens:
        return CHINESE[ones]
    return ("" if tens == 1 else CHINESE[tens]) + "十" + (CHINESE[ones] if ones else "")


def in_english(hour: int, minute: int) -> list[str]:
    """All that is said for an hour from 1 to 12 and a minute."""
    this, following = english(hour), english(hour % 12 + 1)
    if minute == 0:
        return [f"{this} o'clock"]
    side = f"{this} {english(minute)}" if minute > 9 else f"{this} oh {english(minute)}"
    past = f"{english(minute)} {'minute' if minute == 1 else 'minutes'} past {this}"
    until = f"{english(60 - minute)} {'minute' if minute == 59 else 'minutes'} to {following}"
    found = [side, past, until]
    if minute % 5 == 0:
        found += [f"{english(minute)} past {this}", f"{english(60 - minute)} to {following}"]
    if minute == 30:
        found += [f"half past {this}", f"half-past {this}", f"half past {hour}"]
    if minute == 15:
        found += [f"quarter past {this}", f"a quarter past {this}", f"quarter after {this}"]
    if minute == 45:
        found += [f"quarter to {following}", f"a quarter to {following}", f"quarter to {hour % 12 + 1}"]
    return found


def in_chinese(hour: int, minute: int) -> list[str]:
    """The same."""
    this = "两" if hour == 2 else chinese(hour)
    if minute == 0:
        return [f"{this}点", f"{this}点整", f"{hour}点整"]
    found = [f"{this}点{chinese(minute)}分" if minute > 9 else f"{this}点零{chinese(minute)}分"]
    if minute % 15 == 0:
        quarter = {15: "一刻", 30: "半", 45: "三刻"}[minute]
        found += [f"{this}点{quarter}", f"{hour}点{quarter}"]
    return found
