"""One value in a text, with its unit and the words around it."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from mr1.judge.codes import decade_in
from mr1.judge.frame import HEDGES, balanced, content_words, hedged, subjects, top_level
from mr1.judge.notation import closing
from mr1.judge.numbers import CARDINALS, Literal, decimal, literal_at
from mr1.judge.units import Unit, unit_at
from mr1.judge.values import Number, Pair, Reading

_NO_RANGE = Reading(why="it is no range")
_NO_VALUE = Reading(why="it states several values, or an expression that is no number")
_PLAIN = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,15}))?")
_CHAIN = r"(?<![<>!])=(?!=)|≈"
_APPROXIMATE = re.compile(
    r"\s*+(?:≈|~|\babout\b|\bapproximately\b|\bapprox\b\.?|\baround\b|\broughly\b|\bnearly\b|\balmost\b|\bcirca\b|大?约)\s*+",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\s*+(?:(?P<ge>\\ge(?![A-Za-z])|at\s+least|no\s+less\s+than|no\s+fewer\s+than|minimum\s+of|至少)"
    r"|(?P<le>\\le(?![A-Za-z])|at\s+most|no\s+more\s+than|up\s+to|maximum\s+of|至多|最多)"
    r"|(?P<gt>>|more\s+than|greater\s+than|larger\s+than|over|above|exceeds|超过|大于)"
    r"|(?P<lt><|less\s+than|fewer\s+than|smaller\s+than|under|below|小于|少于))\s*+",
    re.IGNORECASE,
)
_MONEY = re.compile(r"([+-]?)\s*(US\$|\$|€|£|¥|₹|₩|(?:USD|EUR|GBP|CNY|JPY|INR|RMB)(?![A-Za-z]))\s*(?=[\d.])")
_OPENS = re.compile(f"(?i:{_APPROXIMATE.pattern}|{_BOUND.pattern})|{_MONEY.pattern}")
"""Any of what a value itself begins with, so that it is no word in front of one."""
_LEADING = re.compile(
    r"(?:\\angle(?![A-Za-z])|一共有?|[^\W\d_\u4e00-\u9fff]{2,}+(?:'s)?(?!-?\d)|[\u4e00-\u9fff]|(?<![^\s(\"'])[aAI](?=\s))"
    r"[\s,:;'\"!.(]*+(?![+*/^=<>]|-\s|\\(?:le|ge|ne|in)(?![A-Za-z]))"
)
_TRAILING = re.compile(
    r"[\s,.;:!?()\"'-]*(?:[^\W\d_\u4e00-\u9fff]{2,}(?:'[^\W\d_]+)?|[\u4e00-\u9fff]|[aAI](?![\w])|[A-Z](?![\w]))"
)
_AROUND = re.compile(r"[\s,.;:!?()\"\\-]+")
_CHANGED = re.compile(
    r"\b(?:twice|thrice|double[ds]?|triple[ds]?|halved|squared|cubed|factorial|plus|divided|multiplied|reciprocal|inverse"
    r"|(?:half|opposite|square|cube|power|logarithm|roots?)\s+of|below\s+zero)\b|\d\s*b\.?\s?c\.?(?:e|\b)|公元前",
    re.IGNORECASE,
)
"""Words beside a value that make another one of it."""
_REST = re.compile(r"[\s,.;:!?()\"'-]*")
_FUNCTIONS = "sqrt|pi|frac|sin|cos|tan|cot|sec|csc|log|ln|exp|arcsin|arccos|arctan|binom|sum|prod|int|infty"
_MATHS = re.compile(
    rf"(?:\\(?:{_FUNCTIONS})(?![A-Za-z])|\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d++(?:\.\d++)?|\.\d++|[-+*/^(){{}}\[\]!_|]|\s++|e(?=\^|\b))++"
)
# math-verify adds numbers that stand side by side, as in a mixed number: `0{3}{5}` would be 8.
_JUXTAPOSED = re.compile(
    r"\d\s+\d|\d\s*\{|(?<!\^)(?<!frac)(?<!binom)(?<!sqrt)(?<!_)(?<!\])\{[^{}]*\}\s*\d|\}\s*\{[^{}]*\}\s*\{"
)
_PRODUCT = re.compile(r"(?<=[\d)])\s*\((?=\s*[-\d\\])")
_DIFFERENCE = re.compile(r"[+-]?[\d.,]+\s*-\s*[\d.,]+")
_NAME = re.compile(
    r"\s*+(?:\\?angle|∠|\\triangle)?\s*+\\?[A-Za-z]{1,8}(?:'|_\{?\w{1,3}\}?|\s*+\(\s*+[A-Za-z]\s*+\))?\s*+"
)
_PARTS = {
    "angle": {"minute": "'", "second": "''", "min": "'", "s": "''", "分": "'", "秒": "''"},
    "time": {"m": "min"},
}
_JOINS = re.compile(r"(?!\A-)(?:[-~比到至]|\.\.|\b(?:to|through)\b|between)", re.IGNORECASE)
_POWER_OF = re.compile(r"[a-ln-z]\^")
_AND = re.compile(r"\s*+,?\s*+(?:and(?![A-Za-z]))?\s*+")
_SECONDS = re.compile(r"\s*\d+(?:\.\d+)?\s*s(?:ec(?:ond)?s?)?(?![A-Za-z])")
_BEFORE_UNIT = re.compile(r"(?:\s|-(?!\d))*")
_OF_ONE = re.compile(r"\s+(?:of\s+)?an?\s+")
_SEPARATOR = re.compile(r"\s*(?:-{1,3}|~|比|\.\.+|to(?![A-Za-z])|through(?![A-Za-z])|到|至)\s*")
_BETWEEN = re.compile(r"\s*(?:-|~|and(?![A-Za-z])|to(?![A-Za-z])|到|至|和)\s*")
_EULER = re.compile(r"[-+*/^]\s*e\s*$")
_RATE = re.compile(r"\s*/\s*[a-z]|\s+(?:per|an?)\s+[a-z]")
_WINDS = {"N": "north", "S": "south", "E": "east", "W": "west"}
_WHOLE = re.compile(r"-?\d+")
_SUM = re.compile(r"\s*[\d.,]+(?:\s*(?:[-+*/^]|plus|minus|times|divided\s+by|multiplied\s+by)\s*[\d.,]+)+\s*")
_INFINITE = re.compile(r"([+-]|positive\s|negative\s|minus\s)?\s*(?:infinity|infinite|inf)", re.IGNORECASE)
_FROM = re.compile(r"(?:from|(?P<between>between)|从)\s*", re.IGNORECASE)


@lru_cache(maxsize=4096)
def read_number(text: str) -> Reading:
    """The one value that a text states, whatever words are around it. Remembered: several readers begin with it."""
    if plain := _PLAIN.fullmatch(text):
        value, decimals, digits, _ = decimal(*plain.groups())
        return Reading(Number(text, value, decimals, digits))
    if not text[0].isdecimal():
        if infinite := _INFINITE.fullmatch(text):
            return Reading(Number("\\infty" if (infinite[1] or "+").strip() in ("+", "positive") else "-\\infty"))
        if text[0] == "{" and closing(text, 0, "{}") == len(text) - 1:
            text = text[1:-1].strip() or text
    if decade_in(text):
        return Reading(why="it is a decade")
    if text[-1] == ")" and (repeated := _said_twice(text)) is not None:
        return repeated
    parts = top_level(text, _CHAIN) if "=" in text or "≈" in text else [text]
    if len(parts) == 1:
        return _told(text)
    *before, last = parts
    if _WHOLE.fullmatch(last.strip()) and any(
        _WHOLE.fullmatch(each.strip()) and each.strip() != last.strip() for each in before
    ):
        return Reading(why="it states several values")
    if any(len(top_level(part, r",|;|\band\b")) > 1 for part in before):
        return Reading(why="it states several values")
    if hedged(content_words(" ".join(before), keep_hedges=True)) or any(_BOUND.search(f" {part} ") for part in before):
        return Reading(why="it hedges")
    found = _one_value(last.strip())
    if found.value is None:
        return found
    assert isinstance(found.value, Number)
    about = text[len(text) - len(last) - 1] == "≈" or found.value.approximate
    return found._replace(value=found.value._replace(approximate=about), words=found.words | names("=".join(before)))


def _said_twice(text: str) -> Reading | None:
    """A value that is said once more in brackets, in words, in digits or in another unit: 5 cm (50 mm)."""
    before, bracket, again = text[:-1].rpartition("(")
    if not bracket or ")" in again:
        return None
    first, second = _one_value(before.rstrip()), _one_value(again)
    one, other = first.value, second.value
    if not isinstance(one, Number) or not isinstance(other, Number) or one.value is None or other.value is None:
        return None
    if one.unit and other.unit and one.unit.same(other.unit):
        scale, offset = other.unit.to(one.unit)
        alike = other.value * scale + offset == one.value
    else:
        alike = one.value == other.value and other.unit is None
    return first if alike and one.bound == other.bound and not second.words else None


def _told(text: str) -> Reading:
    """A value, or what is told of something: the value of x is 5."""
    found = _one_value(text)
    if found.value is not None:
        return found
    for subject, rest in subjects(text):
        reckoned = _SUM.fullmatch(subject) is not None  # 3 plus 4 is 7
        if not reckoned and re.search(r"[\d\\=<>]", subject):
            continue
        if (told := _one_value(rest)).value is not None:
            if reckoned:
                return told
            before = content_words(subject, keep_hedges=True)
            if hedged(before):
                return Reading(why="it hedges")
            return told._replace(words=told.words | before)
    return found


def names(text: str) -> frozenset[str]:
    """What a value is said to be of: the name before an equals sign, or words there; nothing for a calculation."""
    first = re.split(r"=", text)[0]
    if _NAME.fullmatch(first):
        return frozenset({re.sub(r"[\s\\]|angle|∠|triangle", "", first).lower()})
    return content_words(re.sub(r"\\[A-Za-z]+", " ", first)) if re.search(r"[A-Za-z]{2,}", first) else frozenset()


def read_pair(text: str) -> Reading:
    """Two values with a dash or `to` between them."""
    if _JOINS.search(text) is None:
        return _NO_RANGE
    words, text = _leading(text, keep=_FROM)
    separator = _SEPARATOR
    if prefix := _FROM.match(text):
        separator = _BETWEEN if prefix["between"] else _SEPARATOR
        text = text[prefix.end() :]
    first = _measured(text, 0)
    joined = separator.match(text, first[1]) if first else None
    second = _measured(text, joined.end()) if joined else None
    if first is None or second is None:
        return _NO_RANGE
    trailing = _trailing(text, second[1])
    if trailing is None or not words.isdisjoint(HEDGES - {"between"}) or not trailing.isdisjoint(HEDGES):
        return _NO_RANGE
    low, high = first[0], second[0]
    if low.unit and high.unit is None and _MONEY.match(text):  # $10-20
        high = high._replace(unit=low.unit)
    if (low.unit and not (high.unit and low.unit.same(high.unit))) or (high.unit and _POWER_OF.match(high.unit.name)):
        return _NO_RANGE
    if low.unit is None and high.unit is not None:
        low = low._replace(unit=high.unit)
    return Reading(Pair(low, high), content_words(" ".join(words | trailing)))


def _one_value(text: str) -> Reading:
    """A value without an equals sign."""
    bound, approximate, whole = "", False, text
    words: frozenset[str] = frozenset()
    while text and not text[0].isdecimal():
        before, text = _leading(text)
        words |= before
        if found := _APPROXIMATE.match(text):
            approximate, text = True, text[found.end() :]
        elif (found := _BOUND.match(text)) and not bound:
            bound = {"ge": ">=", "le": "<=", "gt": ">", "lt": "<"}[str(found.lastgroup)]
            text = text[found.end() :]
        else:
            break
    if not text:
        return Reading(why="it states no value")
    measured = _measured(text, 0)
    trailing = _trailing(text, measured[1]) if measured else None
    if measured is None or trailing is None:
        if _DIFFERENCE.fullmatch(text):
            return Reading(why="it is a range")
        closed = _closed_form(text)
        if closed is None:
            return _NO_VALUE
        measured = closed[0], 0
        trailing = closed[1]
    if (words or trailing) and _CHANGED.search(whole):
        return Reading(why="it states another value by the words beside one")
    if _is_clock(measured[0]):
        return Reading(why="it is a time of day")
    number = measured[0]
    counted = frozenset() if number.unit or not trailing else content_words(" ".join(trailing))
    if approximate or bound or counted:
        number = number._replace(approximate=approximate or number.approximate, bound=bound, counted=counted)
    beside = words | trailing
    if not beside.isdisjoint(HEDGES):
        return Reading(why=f"it hedges: {', '.join(sorted(beside & HEDGES))}")
    return Reading(number, content_words(" ".join(beside)) if beside else beside)


def _is_clock(number: Number) -> bool:
    """5 am and 5 pm are no lengths."""
    if number.unit is None or number.unit.name.lower() not in ("am", "pm") or number.value is None:
        return False
    return number.value.denominator == 1 and 0 < number.value <= 12


def _leading(text: str, keep: re.Pattern[str] | None = None) -> tuple[frozenset[str], str]:
    """Words in front of a value, and what follows them."""
    words: set[str] = set()
    position = 0
    while found := _LEADING.match(text, position):
        if literal_at(text, position) is not None and not found[0].startswith("一共"):
            break
        if _OPENS.match(text, position) or (keep and keep.match(text, position)):
            break
        words.add(_AROUND.sub("", found[0]).lower())
        position = found.end()
    return frozenset(words), text[position:].strip()


def _trailing(text: str, start: int) -> frozenset[str] | None:
    """Words behind a value to the text's end; None where something else is there."""
    if start == len(text):
        return frozenset()
    words = set()
    if text[start : start + 1] == "!":  # a factorial
        return None
    while found := _TRAILING.match(text, start):
        word = _AROUND.sub("", found[0]).lower().strip("'")
        if word in CARDINALS:  # 7 eight
            return None
        words.add(_WINDS.get(found[0].strip(), word))
        start = found.end()
    rest = _REST.match(text, start)
    return frozenset(words) if rest and rest.end() == len(text) else None


def _measured(text: str, start: int) -> tuple[Number, int] | None:
    """A number with its unit where there is one: `5 cm`, `$5`, `5 ft 3 in`, `30°15'`."""
    money = None if text[start : start + 1].isdecimal() else _MONEY.match(text, start)
    begin = money.end() if money else start
    found = literal_at(text, begin)
    if found is None:
        return None
    literal, end = found
    if text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit():
        return None
    value, written = literal.value, text[start:end]
    if money:
        sign_of_money = money[2].removeprefix("US") if money[2] == "US$" else money[2]
        # A rate goes on behind the number: $15/hour.
        rate = unit_at(f"{sign_of_money}{text[end:]}") if _RATE.match(text, end) else None
        unit = rate or unit_at(sign_of_money)
        end += rate[1] - len(sign_of_money) if rate else 0
        sign = -1 if money[1] == "-" else 1
        return _number(written, literal, sign * value, unit[0] if unit else None), end
    if literal.ordinal:  # the 19th century
        return _number(written, literal, value, None), end
    measure, end = _unit(text, end, fraction=literal.decimals is None)
    if measure and measure.name == "m" and _SECONDS.match(text, end):  # 50m 5s
        measure = (unit_at("min") or (measure,))[0]
    smaller = measure
    while measure and smaller and not measure.offset and (more := _compound(text, end, smaller)):
        part, smaller, end = more
        literal = literal._replace(decimals=None)
        value += (-1 if value < 0 else 1) * part * smaller.size / measure.size
    return _number(written if value == literal.value else text[start:end], literal, value, measure), end


def _number(text: str, literal: Literal, value: Fraction, unit: Unit | None) -> Number:
    return Number(text.strip(), value, literal.decimals, literal.digits, unit)


def _unit(text: str, end: int, fraction: bool = False) -> tuple[Unit | None, int]:
    """The unit at `end`, and where it ends; behind a fraction it may have an article."""
    if end == len(text):
        return None, end
    blank = _BEFORE_UNIT.match(text, end)
    if fraction and (part := _OF_ONE.match(text, end)):  # half an hour
        blank = part
    found = unit_at(text, blank.end() if blank else end)
    if found is None:
        return None, end
    if found[0].name == "in" and _TRAILING.match(text, found[1]):  # 3 in total
        return None, end
    return found


def _compound(text: str, end: int, unit: Unit) -> tuple[Fraction, Unit, int] | None:
    """A further part in a smaller unit: of `5 ft 3 in` the inches."""
    if end == len(text):
        return None
    blank = _AND.match(text, end)
    begin = blank.end() if blank else end
    more = literal_at(text, begin)
    if more is None or more[0].value < 0:
        return None
    next_unit, next_end = _unit(text, more[1])
    next_unit = _part_of(next_unit, unit)
    if next_unit is None or not next_unit.same(unit) or next_unit.size >= unit.size:
        return None
    return more[0].value, next_unit, next_end


def _part_of(part: Unit | None, whole: Unit) -> Unit | None:
    """What a unit means behind a larger one: of an angle the minutes, of an hour the m."""
    if part is None:
        return None
    for dimension, meant in _PARTS.items():
        name = meant.get(part.name) or meant.get(part.name.removesuffix("s"))
        if whole.dimension == ((dimension, 1),) and name and (found := unit_at(name)):
            return found[0]
    return part


def _closed_form(text: str) -> tuple[Number, frozenset[str]] | None:
    """A number that algebra evaluates, `2\\sqrt{3} cm`, and the words behind it."""
    found = _MATHS.match(text)
    if found is None or not re.search(r"\d|\\pi|\\infty|e", found[0]):
        return None
    end = found.end()
    while end > 0 and text[end - 1] in " (e" and not _EULER.search(text, 0, end):
        end -= 1
    latex = text[:end]
    if not latex or not balanced(latex) or _JUXTAPOSED.search(latex) or _DIFFERENCE.fullmatch(latex.strip()):
        return None
    unit, end = _unit(text, end)
    trailing = _trailing(text, end)
    if trailing is None:
        return None
    return Number(_PRODUCT.sub("*(", latex).replace(",", "").strip(), unit=unit), trailing
