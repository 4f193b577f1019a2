"""Readers of what holds nothing else: yes and no, dates, versions, bases, ratios, expressions, words.

Each takes a statement and must account for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from mr1.judge.calendar import read_date, read_duration, read_time, read_year
from mr1.judge.frame import balanced, content_words, hedged, top_level
from mr1.judge.numbers import SMALL, literal_at
from mr1.judge.quantity import names, read_number
from mr1.judge.truth import Kind
from mr1.judge.values import Algebra, Based, Number, Pair, Ratio, Reading, Value, Version, Words, YesNo

Reader = Callable[[str], Reading]

NOTHING = Reading(why="it is of no kind that is known")
_POLARITY = re.compile(
    r"(?P<yes>\b(?:yes|true|yeah|yep)\b|是的?|对的?|正确)|(?P<no>\b(?:no|false|nope)\b|不是|不对|否|错误?)",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?:version\s+|v\.?\s*)?(\d+(?:\.\d+){2,}(?:-?[a-z]+\.?\d*)?)|(?:version\s+|v\.?)(\d+(?:\.\d+)*)", re.IGNORECASE
)
_STATED_VERSION = re.compile(r"(?:version\s+|v\.?\s*)?(\d+(?:\.\d+)*(?:-?[a-z]+\.?\d*)?)", re.IGNORECASE)
_BASES = {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16} | {
    word: n for word, n in SMALL.items() if 2 <= n <= 16
}
_WHICH = rf"\d{{1,2}}|{'|'.join(_BASES)}"
_BASE = re.compile(
    r"\(?\s*+(?P<digits>[0-9A-Za-z]+)\s*+\)?\s*+"
    rf"(?:_\s*+\{{?\s*+(?P<sub>{_WHICH})\s*+\}}?|\(?\s*+(?:in\s+)?base[\s-]*(?P<base>{_WHICH})\s*+\)?"
    r"|\(?\s*+(?:in\s+)?(?P<named>binary|octal|hexadecimal|hex)\s*+\)?)",
    re.IGNORECASE,
)
_PREFIXED = re.compile(r"0(?P<x>[xX])(?P<hex>[0-9A-Fa-f]+)|0[bB](?P<bin>[01]+)|0[oO](?P<oct>[0-7]+)")
_BASE_IS_TOLD = re.compile(r"_|base|binary|octal|hex", re.IGNORECASE)
_RATIO = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(?:[:比]\s*(\d+(?:\.\d+)?)\s*)(?::\s*(\d+(?:\.\d+)?)\s*)?(?::\s*(\d+(?:\.\d+)?)\s*)?"
)
_SCORE = re.compile(r"(\d{1,4})\s*[:比]\s*(\d{1,4})")
_RATIO_TO = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:to|比)\s*(\d+(?:\.\d+)?)\s*")
_RATIO_IN_WORDS = re.compile(
    r"([a-z]+|[一二两三四五六七八九十]+)(?:\s+to\s+|\s*比\s*)([a-z]+|[一二两三四五六七八九十]+)", re.IGNORECASE
)
_RELATION = re.compile(r"(?<![<>!])=(?!=)|\\(?:le|ge|ne|in|subset|sim)(?![A-Za-z])|[<>]")
_UNKNOWN = re.compile(
    r"(?:\\[A-Za-z]++|[A-Za-z]{1,3}+(?![A-Za-z])|\d++(?:\.\d++)?|\.\d++|[-+*/^(){}\[\]!_|=<>,']|\\[{}|\\]|\s++)++"
)
_MATHS = re.compile(r"[\d\\^+*/=<>|(){}\[\]°%]")
_PROSE = re.compile(
    r"(?:^|\s)(?:(?=[^\W\d_]*[a-z])[^\W\d_]{3,}|an|as|at|be|by|do|go|he|if|in|is|it|me|my|no|of|on|or|so|to|up|us|we)(?=\s|$)"
    r"|[\u4e00-\u9fff]"
)
_LETTER, _LETTER_OR_DIGIT, _COMMAND = re.compile("[A-Za-z]"), re.compile(r"[A-Za-z\d]"), re.compile(r"\\[A-Za-z]+")
_FIGURE = re.compile(r"\d|\\")
_WORD_OR_NUMBER = re.compile(r"\b(?:one|half|quarter|first|second|third|fourth|fifth)\b|[\u4e00-\u9fff]", re.IGNORECASE)
_JUXTAPOSED = re.compile(r"\d\s+\d|(?<![}\w^_])\d\s*\{")
_IS_THAN = re.compile(
    r"(?P<name>[A-Za-z])\s+(?:is\s+|must\s+be\s+)?(?:"
    r"(?P<ge>(?:greater|more|larger|bigger)\s+than\s+or\s+equal\s+to|at\s+least|no\s+less\s+than|大于等于|不小于)"
    r"|(?P<le>(?:less|smaller|fewer)\s+than\s+or\s+equal\s+to|at\s+most|no\s+(?:more|greater)\s+than|小于等于|不大于)"
    r"|(?P<gt>(?:strictly\s+)?(?:greater|more|larger|bigger)\s+than|大于)"
    r"|(?P<lt>(?:strictly\s+)?(?:less|smaller|fewer)\s+than|小于))\s*(?P<value>\S.*)"
)
_SIGNS = {"ge": "\\ge", "le": "\\le", "gt": ">", "lt": "<"}
_LESS = r"(?:<|\\le(?![A-Za-z]))"
_BOTH = re.compile(
    rf"(?P<first>[^<>]+?)(?<!\s)\s*+(?P<low>{_LESS})\s*(?P<x>[A-Za-z])\s*(?:,|and|,\s*and|且)\s*"
    rf"(?P<x2>[A-Za-z])\s*(?P<high>{_LESS})\s*(?P<last>[^<>]*)"
)
_FRACTION_OF_LETTERS = re.compile(r"\\frac\s*\{[\s\w^]*[A-Za-z]")
_SHARE = re.compile(r"(\d{1,9})\s+(?:in|out\s+of)\s+(\d{1,9})")
_ARTICLE = ("a", "an", "the")
PREPOSITIONS = ("on", "in", "at", "to")
_PREPOSITION = re.compile(r"(?:on|at|in)\s+")
_NAME = re.compile(r"\s*+(?:\\angle|∠|angle)?\s*+[A-Za-z]{1,4}(?:_\{?\w\}?|')?\s*+(?:\(\s*+[A-Za-z]\s*+\))?\s*+")


def read_yes_no(text: str) -> Reading:
    """Yes or no, at the beginning of a sentence that says nothing else."""
    found = _POLARITY.match(text)
    if found is None:
        return NOTHING
    rest = text[found.end() :]
    if rest and not re.match(r"\s*(?:[,.;:!]|-(?!\d))\s*", rest):  # TRUE-1 is a serial number
        return NOTHING
    if _POLARITY.search(rest) or (found["yes"] and hedged(content_words(rest, keep_hedges=True))):
        return NOTHING
    return Reading(YesNo(bool(found["yes"])))


def _calendar(reader: Callable[[str], Value | None]) -> Reader:
    def read_it(text: str) -> Reading:
        if not text[0].isalnum():
            return NOTHING
        lead = _PREPOSITION.match(text)
        value = reader(text[lead.end() :] if lead else text)
        return NOTHING if value is None else Reading(value)

    return read_it


def read_version(text: str) -> Reading:
    """Two dots or more, or a v in front."""
    found = _VERSION.fullmatch(text)
    return Reading(Version(tuple((found[1] or found[2]).lower().split(".")))) if found else NOTHING


def read_stated_version(text: str) -> Reading:
    """Any number of dots, where it is known to be a version."""
    found = _STATED_VERSION.fullmatch(text)
    return Reading(Version(tuple(found[1].lower().split(".")))) if found else NOTHING


def read_base(text: str) -> Reading:
    """101_2, 0x1F, 101 base 2."""
    if found := _PREFIXED.fullmatch(text):
        digits, base = next((found[name], base) for name, base in (("hex", 16), ("bin", 2), ("oct", 8)) if found[name])
    elif _BASE_IS_TOLD.search(text) and (found := _BASE.fullmatch(text)):
        which = (found["sub"] or found["base"] or found["named"]).lower()
        digits, base = found["digits"], int(which) if which.isdigit() else _BASES[which]
    else:
        return NOTHING
    try:
        return Reading(Based(int(digits, base), base)) if 2 <= base <= 36 else NOTHING
    except ValueError:
        return NOTHING


def read_ratio(text: str) -> Reading:
    """3:4, and where it is known to be a ratio 3 to 4."""
    return _ratio(_RATIO.fullmatch(text))


def read_quotient(text: str) -> Reading:
    """A ratio of two terms, which is a number too."""
    found = read_ratio(text)
    return found if isinstance(found.value, Ratio) and len(found.value.terms) == 2 else NOTHING


def read_share(text: str) -> Reading:
    """3 out of 8 and 1 in 4, where a number is asked for."""
    found = _SHARE.fullmatch(text)
    if found is None or not int(found[2]) or int(found[1]) > int(found[2]):
        return NOTHING
    return Reading(Number(f"{found[1]}/{found[2]}", Fraction(int(found[1]), int(found[2]))))


def read_score(text: str) -> Reading:
    """3:2 of a game."""
    found = _SCORE.fullmatch(text)
    if found is None:
        return NOTHING
    first, second = (Number(goals, Fraction(int(goals)), 0, len(goals)) for goals in found.groups())
    return Reading(Pair(first, second, Kind.SCORE))


def read_stated_ratio(text: str) -> Reading:
    """3 to 4, three to four, 三比四."""
    if (spelled := _RATIO_IN_WORDS.fullmatch(text)) is None:
        return _ratio(_RATIO_TO.fullmatch(text))
    terms = [found[0].value for part in spelled.groups() if (found := literal_at(part)) and found[1] == len(part)]
    return Reading(Ratio(tuple(terms))) if len(terms) == 2 and all(terms) else NOTHING


def _ratio(found: re.Match[str] | None) -> Reading:
    terms = tuple(Fraction(term) for term in found.groups() if term) if found else ()
    return Reading(Ratio(terms)) if terms and all(terms) else NOTHING


def read_algebra(text: str) -> Reading:
    """An expression with unknowns, an equation or an inequality: short names, digits, operators, commands."""
    if not _UNKNOWN.fullmatch(text) or _PROSE.search(_COMMAND.sub("\\\\", text)) or "°" in text:
        return NOTHING
    if (
        not _LETTER.search(text)
        or (text.isalpha() and len(text) > 1 and not text.isupper())
        or _JUXTAPOSED.search(text)
        or not balanced(text)
    ):
        return NOTHING
    parts = top_level(text, r"(?<![<>!])=(?!=)")
    words: frozenset[str] = frozenset()
    equation = ""
    if len(parts) == 2 and _NAME.fullmatch(parts[0]) and not _RELATION.search(parts[1]):
        words, equation, text = names(parts[0]), text, parts[1].strip()
    if not _LETTER_OR_DIGIT.search(_COMMAND.sub("", text)) or len(top_level(text, r"[,;]")) > 1:
        return NOTHING
    relation = _RELATION.search(text)
    kind = Kind.EXPRESSION
    if relation:
        kind = Kind.EQUATION if relation[0] == "=" else Kind.INEQUALITY
    return Reading(Algebra(text, kind, equation), words)


def read_spoken_relation(text: str) -> Reading:
    """x is greater than 3; two relations of one unknown, -1 < x and x < 2, are one."""
    if found := _IS_THAN.fullmatch(text):
        sign = next(sign for name, sign in _SIGNS.items() if found[name])
        return read_algebra(f"{found['name']} {sign} {found['value']}")
    found = _BOTH.fullmatch(text) if "<" in text or "\\le" in text else None
    if found is None or found["x"] != found["x2"]:
        return NOTHING
    return read_algebra(f"{found['first']} {found['low']} {found['x']} {found['high']} {found['last']}")


def read_words(text: str) -> Reading:
    """A text as it is."""
    tokens = words_of(text)
    return Reading(Words(tokens)) if tokens else Reading(why="it has no words")


def read_plain_words(text: str) -> Reading:
    """A text of words alone."""
    return NOTHING if _MATHS.search(text) else read_words(text)


def words_of(text: str, case: bool = False) -> tuple[str, ...]:
    """A text's words without punctuation around them and without an article in front."""
    parts = text.replace(",", " ").split()
    tokens = [token for token in (each.strip(".,;:!?\"'()[]") for each in parts) if any(map(str.isalnum, token))]
    while len(tokens) > 1 and (tokens[0] if case else tokens[0].lower()) in _ARTICLE:
        tokens.pop(0)
    return tuple(tokens)


def read_spelled(text: str) -> Reading:
    """A number; but where it is a word among words, such as the one on the left, the text is no number, and where
    unknowns are on the left of an equals sign it is an equation."""
    if "\\" in text and _FRACTION_OF_LETTERS.search(text):
        return NOTHING
    before = text.rpartition("=")[0]
    if before and not _NAME.fullmatch(before) and _PROSE.search(before) is None and _LETTER.search(before):
        return NOTHING
    found = read_number(text)
    if found.words and not _FIGURE.search(text) and _WORD_OR_NUMBER.search(text):
        return NOTHING
    return found


read_day, read_clock = _calendar(read_date), _calendar(read_time)
read_stated_clock = _calendar(lambda text: read_time(text, stated=True))
read_stated_day, read_length = _calendar(read_year), _calendar(read_duration)
read_short_length = _calendar(lambda text: read_duration(text, short=True))
