r"""Numbers as they are written: decimals, fractions, mixed numbers, powers of ten, repeating decimals, and words.

A literal is read where it begins in a text; what follows it is the caller's. Everything is exact.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

LARGEST_EXPONENT = 300
"""Powers of ten beyond this are not read as numbers."""

_WHOLE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.\d+)?|\.\d+)"
_LITERAL = re.compile(
    rf"""(?P<sign>[+-]?)\s*+(?:
      (?P<mixed>\d+)(?:\s*+\\frac\s*+\{{\s*+(?P<mn>\d+)\s*+\}}\s*+\{{\s*+(?P<md>\d+)\s*+\}}
        |\s++(?:and\s)?(?P<mn2>\d+)/(?P<md2>\d+))
    | \\frac\s*+\{{\s*+(?P<inner>-?)\s*+(?P<fn>{_DECIMAL})\s*+\}}\s*+\{{\s*+(?P<fd>{_DECIMAL})\s*+\}}
    | (?P<head>\d*\.\d*?)(?:\\overline\s*+\{{\s*+(?P<r1>\d+)\s*+\}}|\((?P<r2>\d+)\)
        |\\(?:dot|bar)\s*+\{{?\s*+(?P<r3>\d)\s*+\}}?)
    | (?P<decimal>{_DECIMAL})(?P<ellipsis>\.\.\.)?
      (?:\s*+[*xX]\s*+10\s*+\^\s*+\{{?\s*+(?P<ten>[+-]?\d{{1,4}})\s*+\}}?|[eE](?P<e>[+-]?\d{{1,3}})(?![\dA-Za-z]))?
      (?P<over>\s*+/\s*+(?P<below>{_DECIMAL})(?![\d/.^]))?
    | 10\s*+\^\s*+\{{?\s*+(?P<power>[+-]?\d{{1,4}})\s*+\}}?
    )""",
    re.VERBOSE,
)
SIMPLE = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,15}))?(?!\s*+[\\(^*/xXeEa\d]|[.,]\d|\.[.\\(])")
"""A decimal that does not go on as a fraction, a power, a repeating decimal or groups of thousands: most numbers."""
_TEN = re.compile(r"([+-]?)\s*+10\s*+\^\s*+\{?\s*+([+-]?\d{1,4})\s*+\}?")
_ELLIPSIS = re.compile(r"(\d*+)\.(\d*?)(\d{1,6}?)\3++(\d*+)")

_ONES = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SMALL = {"zero": 0} | {word: n for n, word in enumerate(_ONES + _TEENS, start=1)}
TENS = {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_ORDINALS = (
    {word: n for n, word in enumerate("first second third fourth fifth sixth seventh eighth ninth".split(), start=1)}
    | {word + "th": n for n, word in enumerate(_TEENS, start=10) if word not in ("twelve", "eighteen")}
    | {"twelfth": 12, "eighteenth": 18}
    | {word[:-1] + "ieth": n for word, n in TENS.items()}
    | {"hundredth": 100, "thousandth": 1000}
)
_PARTS = (
    {"half": 2, "halves": 2, "quarter": 4, "quarters": 4}
    | {word: n for word, n in _ORDINALS.items() if n > 2}
    | {word + "s": n for word, n in _ORDINALS.items() if n > 2}
)
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "quadrillion": 10**15,
    "lakh": 10**5,
    "crore": 10**7,
    "dozen": 12,
}
CARDINALS = frozenset({*SMALL, *TENS, *SCALES, "half"} - {"one", "dozen"})
"""Words that are a number wherever they stand; one is a pronoun too."""
_ABBREVIATED = {"k": 1000, "M": 10**6, "mn": 10**6, "mio": 10**6, "B": 10**9, "bn": 10**9}
_CHINESE_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_CHINESE_DIGITS = {character: n for n, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = re.compile(r"(?:负|零下)?(?:[零〇一二两三四五六七八九十百千万亿]+)(?:点[零〇一二三四五六七八九]+)?")
_NUMERAL = r"(\d+|[零〇一二两三四五六七八九十百千万亿]+)"
_CHINESE_FRACTION = re.compile(rf"(负)?(?:{_NUMERAL}又)?{_NUMERAL}分之{_NUMERAL}")
_CHINESE_HALF = re.compile(rf"(?:{_NUMERAL}个)?半(?=个?(?:小时|钟头|天|年|月|斤|米|公里))")
_CHINESE_MULTIPLIER = re.compile(r"\s*((?:[百万亿]|千(?![焦欧克瓦帕赫米卡安伏牛字]))+)")
_MULTIPLIER = re.compile(rf"[\s-]*({'|'.join(SCALES)})s?(?![A-Za-z])", re.IGNORECASE)
_ABBREVIATION = re.compile(rf"({'|'.join(_ABBREVIATED)})(?![\w/^])")
_NUMBER_WORDS = (*SMALL, *TENS, *SCALES, *_ORDINALS, *_PARTS, "and", "point", "a", "an", "minus", "negative")
_NUMBER_WORD = rf"(?>{'|'.join(sorted(_NUMBER_WORDS, key=len, reverse=True))})(?![A-Za-z])"
"""A whole one, the longest that it may be: nothing is tried again, however long the text is."""
_MOST_WORDS = 40  # of one number: of `a a a ...` each beginning is tried
_WORDS = re.compile(rf"{_NUMBER_WORD}(?:(?>[\s-]+|,\s*){_NUMBER_WORD}){{0,{_MOST_WORDS}}}+", re.IGNORECASE)
_FIRST = frozenset({*SMALL, *TENS, *_ORDINALS, "half", "quarter", "a", "an", "minus", "negative"})
_WORD = re.compile(r"[A-Za-z]+")
_ORDINAL_SUFFIX = re.compile(r"\s?(?:st|nd|rd|th)(?![A-Za-z])|\^\s*\{?\s*(?:st|nd|rd|th)(?![A-Za-z])\s*\}?")
_BEHIND = re.compile(
    f"{_ORDINAL_SUFFIX.pattern}|(?i:{_MULTIPLIER.pattern})|{_CHINESE_MULTIPLIER.pattern}|{_ABBREVIATION.pattern}"
)
"""Any of what makes another number of a decimal in front of it."""


class Literal(NamedTuple):
    """A number and how it was written."""

    value: Fraction
    decimals: int | None = None
    """Digits behind the point of a decimal, 0 of an integer; None of all else: fractions, words, repeating decimals."""
    digits: int = 0
    """Significant digits of a decimal."""
    ordinal: bool = False


def literal_at(text: str, start: int = 0) -> tuple[Literal, int] | None:
    """The number that begins in a text at `start`, and where it ends; None where none does."""
    if start >= len(text):
        return None
    if text[start] == "第":
        counted = literal_at(text, start + 1)
        return (Literal(counted[0].value, ordinal=True), counted[1]) if counted else None
    if "分之" in text and (part := _CHINESE_FRACTION.match(text, start)):
        return _chinese_part(part)
    if "半" in text and (part := _CHINESE_HALF.match(text, start)):
        whole = _numeral(part[1]) if part[1] else 0
        return None if whole is None else (Literal(whole + Fraction(1, 2)), part.end())
    if text[start].isalpha():
        return _words_at(text, start) or _chinese_at(text, start)
    if simple := SIMPLE.match(text, start):
        literal, end = decimal(*simple.groups()), simple.end()
    else:
        found = _LITERAL.match(text, start)
        if found is None:
            return _chinese_at(text, start)  # 〇 is no letter
        written, end = _written(found), found.end()
        if ten := _TEN.match(text, start):
            written, end = _power_of_ten(ten), ten.end()
        if written is None:
            return None
        literal = written
    if end == len(text) or _BEHIND.match(text, end) is None:
        return literal, end
    if suffix := _ORDINAL_SUFFIX.match(text, end):
        if literal.decimals != 0:
            return None
        return Literal(literal.value, ordinal=True), suffix.end()
    return _multiplied(literal, text, end)


def decimal(sign: str, whole: str, behind: str | None) -> Literal:
    """A decimal by its parts; `behind` is what stands behind the point."""
    digits = whole + (behind or "")
    decimals = len(digits) - len(whole)
    value = Fraction(int(sign + digits), 10**decimals) if decimals else Fraction(int(sign + digits))
    return Literal(value, decimals, len(digits.lstrip("0")))


def _written(found: re.Match[str]) -> Literal | None:
    sign = -1 if found["sign"] == "-" else 1
    if found["mixed"] is not None:
        part = _divided(found["mn"] or found["mn2"], found["md"] or found["md2"])
        if part and part.value >= 1:  # 80 and 16/7 are two numbers
            return None
        return part and Literal(sign * (int(found["mixed"]) + part.value))
    if found["fn"] is not None:
        part = _divided(found["fn"], found["fd"])
        return part and Literal(sign * (-1 if found["inner"] else 1) * part.value)
    if found["head"] is not None:
        return Literal(sign * _repeating(found["head"], found["r1"] or found["r2"] or found["r3"]))
    if found["decimal"] is None:
        return None
    text = found["decimal"].replace(",", "")
    if found["ellipsis"]:
        again = _ELLIPSIS.fullmatch(text)
        if again and again[3].startswith(again[4]):
            return Literal(sign * _repeating(f"{again[1]}.{again[2]}", again[3]))
    whole, _, behind = text.partition(".")
    value, _, digits, _ = decimal("", whole, behind)
    decimals = len(behind)
    if exponent := int(found["ten"] or found["e"] or 0):
        if abs(exponent) > LARGEST_EXPONENT:
            return None
        value, decimals = value * Fraction(10) ** exponent, max(decimals - exponent, 0)
    if found["over"]:
        below = Fraction(found["below"].replace(",", ""))
        return Literal(sign * value / below) if below else None
    return Literal(-value if sign < 0 else value, decimals, digits)


def _power_of_ten(found: re.Match[str]) -> Literal | None:
    exponent = int(found[2])
    if abs(exponent) > LARGEST_EXPONENT:
        return None
    value = Fraction(10) ** exponent * (-1 if found[1] == "-" else 1)
    return Literal(value, max(-exponent, 0), 1)


def _multiplied(literal: Literal, text: str, end: int) -> tuple[Literal, int]:
    """A literal with the words behind it that multiply it: 1.5 million, 3万, 5k."""
    scale, ended = 1, end
    while found := _MULTIPLIER.match(text, ended):
        scale, ended = scale * SCALES[found[1].lower()], found.end()
    if chinese := _CHINESE_MULTIPLIER.match(text, ended):
        for character in chinese[1]:
            scale *= _CHINESE_SCALES[character]
        ended = chinese.end()
    if scale == 1 and (short := _ABBREVIATION.match(text, end)):
        scale, ended = _ABBREVIATED[short[1]], short.end()
    if scale == 1:
        return literal, end
    decimals = None if literal.decimals is None else max(literal.decimals - len(str(scale)) + 1, 0)
    return Literal(literal.value * scale, decimals, literal.digits), ended


def _repeating(head: str, period: str) -> Fraction:
    """0.1 and then 6 without end: head `0.1`, period `6`."""
    behind = len(head.partition(".")[2])
    base = Fraction(head if head.strip(".") else "0")
    return base + Fraction(int(period), (10 ** len(period) - 1) * 10**behind)


def _divided(above: str, below: str) -> Literal | None:
    numerator, denominator = (Fraction(part.replace(",", "")) for part in (above, below))
    return Literal(numerator / denominator) if denominator else None


def _words_at(text: str, start: int) -> tuple[Literal, int] | None:
    """English number words: two hundred and five, minus three, one half, three point five, twenty-first."""
    first = None if start and text[start - 1].isalpha() else _WORD.match(text, start)
    if first is None or first[0].lower() not in _FIRST:
        return None
    found = _WORDS.match(text, start)
    if found is None:
        return None
    words: list[tuple[str, int]] = []
    for each in _WORD.finditer(found[0]):
        if "," in found[0][: each.start()].rstrip()[-1:] and words[-1][0] not in SCALES:  # two, three
            break
        words.append((each[0].lower(), start + each.start()))
    while words:
        end = words[-1][1] + len(words[-1][0])
        literal = _spelled([word for word, _ in words])
        if literal is not None:
            return (literal, end) if literal.ordinal or literal.decimals is None else _multiplied(literal, text, end)
        words.pop()
    return None


def _spelled(words: list[str]) -> Literal | None:
    """The number that these words are, all of them; None where they are none."""
    if words[0] in ("minus", "negative"):
        inner = _spelled(words[1:]) if len(words) > 1 and words[1] not in ("minus", "negative") else None
        return inner and Literal(-inner.value, inner.decimals, inner.digits, inner.ordinal)
    if "point" in words:
        place = words.index("point")
        whole, behind = _cardinal(words[:place]), words[place + 1 :]
        if whole is None or not behind or any(SMALL.get(word, 10) > 9 for word in behind):
            return None
        digits = "".join(str(SMALL[word]) for word in behind)
        return Literal(Fraction(f"{whole}.{digits}"), len(digits), len(f"{whole}{digits}".lstrip("0")))
    if words[-1] in _PARTS and (len(words) > 1 or words[-1] in ("half", "quarter")) and (part := _parts(words)):
        return part
    if words[-1] in _ORDINALS:
        above = _cardinal([*words[:-1], "zero"]) if len(words) > 1 else 0
        if len(words) > 1 and (
            words[-2] not in {*TENS, *SCALES, "and"} or (words[-2] in TENS and _ORDINALS[words[-1]] > 9)
        ):
            return None
        return None if above is None else Literal(Fraction(above + _ORDINALS[words[-1]]), ordinal=True)
    value = _cardinal(words)
    return None if value is None else Literal(Fraction(value), 0, len(str(value)))


def _parts(words: list[str]) -> Literal | None:
    """two thirds, a half, one and a half, three quarters."""
    below = _PARTS[words[-1]]
    if "and" in words:
        place = len(words) - 1 - words[::-1].index("and")
        whole, above = _cardinal(words[:place]), words[place + 1 : -1]
    else:
        whole, above = 0, words[:-1]
    count = 1 if above in ([], ["a"], ["an"]) else _cardinal(above)
    if whole is None or count is None or (count > 1) != words[-1].endswith(("s", "ves")) or count >= 20:
        return None
    return Literal(whole + Fraction(count, below))


def _cardinal(words: list[str]) -> int | None:
    """An integer in words; None where they are none."""
    if words and words[0] in ("a", "an"):
        words = ["one", *words[1:]] if len(words) > 1 and words[1] in SCALES else []
    total, group, room = 0, 0, 10**18
    last = ""
    for word in words:
        if word == "and":
            if last not in SCALES:
                return None
        elif word in SMALL:
            if last in SMALL or ((last in TENS and not 0 < SMALL[word] < 10) and word != "zero"):
                return None
            group += SMALL[word]
        elif word in TENS:
            if last in SMALL or last in TENS:
                return None
            group += TENS[word]
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group *= 100
        elif word in SCALES:
            if not group or SCALES[word] >= room:
                return None
            total, group, room = total + group * SCALES[word], 0, SCALES[word]
        else:
            return None
        last = word
    return total + group if words and last != "and" else None


def _chinese_at(text: str, start: int) -> tuple[Literal, int] | None:
    """Chinese numerals: 三百二十一, 两万, 三点五."""
    found = _CHINESE.match(text, start)
    if found is None:
        return None
    whole, _, behind = found[0].removeprefix("零下").removeprefix("负").partition("点")
    value = _chinese(whole)
    if value is None:
        return None
    digits = "".join(str(_CHINESE_DIGITS[character]) for character in behind)
    exact = Fraction(f"{value}.{digits}") if digits else Fraction(value)
    sign = -1 if found[0].startswith(("负", "零下")) else 1
    return Literal(sign * exact, len(digits), len(f"{value}{digits}".lstrip("0"))), found.end()


def _chinese_part(found: re.Match[str]) -> tuple[Literal, int] | None:
    """三分之二, 二又三分之一, with digits too."""
    whole, below, above = (0 if part is None else _numeral(part) for part in found.groups()[1:])
    if whole is None or above is None or not below:
        return None
    value = whole + Fraction(above, below)
    return Literal(-value if found[1] else value), found.end()


def _numeral(text: str) -> int | None:
    """A whole number in digits or Chinese characters."""
    return int(text) if text.isascii() else _chinese(text)


def _chinese(text: str) -> int | None:
    if all(character in _CHINESE_DIGITS for character in text):  # 二〇二四
        return int("".join(str(_CHINESE_DIGITS[character]) for character in text))
    total, middle, section, digit, last = 0, 0, 0, 0, 1
    for character in text:
        if character in _CHINESE_DIGITS:
            if digit:
                return None
            digit, last = _CHINESE_DIGITS[character], last if character != "零" else 1
            continue
        last = _CHINESE_SCALES[character]
        if last == 10**8:  # 一亿二千万: what was before stays
            total, middle, section, digit = (total + middle + section + digit or 1) * last, 0, 0, 0
        elif last == 10**4:
            middle, section, digit = (middle + section + digit or 1) * last, 0, 0
        else:
            section, digit = section + (digit or 1) * last, 0
    if last >= 100:  # 一百五 is 150
        digit *= last // 10
    return total + middle + section + digit
