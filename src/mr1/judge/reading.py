"""What a text says: a typed value, or why it says none.

There is a reader for each kind, and each must account for the whole text: what is left over makes it another kind, or
nothing. Where the kind is known (a source states it, or the truth has it) its reader goes first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache

from mr1.judge.choices import BECAUSE, JOINED, LETTER, LETTERED, LETTERS, OF_ALL, OTHER_LETTER
from mr1.judge.codes import read_code
from mr1.judge.frame import concluded, content_words, hedged, statement, subjects, top_level, trimmed
from mr1.judge.notation import ROW_END
from mr1.judge.quantity import read_number, read_pair
from mr1.judge.readers import (
    NOTHING,
    Reader,
    read_algebra,
    read_base,
    read_clock,
    read_day,
    read_length,
    read_plain_words,
    read_quotient,
    read_ratio,
    read_score,
    read_share,
    read_short_length,
    read_spelled,
    read_spoken_relation,
    read_stated_clock,
    read_stated_day,
    read_stated_ratio,
    read_stated_version,
    read_version,
    read_words,
    read_yes_no,
    words_of,
)
from mr1.judge.truth import Kind
from mr1.judge.values import Algebra, Letters, Matrix, Number, Reading, Several, Words, YesNo

MOST_ITEMS = 64
"""Entries of a list or a matrix."""

_MATRIX = re.compile(
    r"\\begin\s*\{(?P<shape>[pbBvV]?matrix|array)\}(?:\{[lcr|\s]*\})?(?P<body>.*)\\end\s*\{(?P=shape)\}", re.DOTALL
)
_NESTED = re.compile(r"\[\s*(?:\[[^\[\]]*\](?>\s*,?\s*))++\]")
_OR = r"\s*(?:(?<![A-Za-z])or(?![A-Za-z])|或者?)\s*"
_JOINED_UP = re.compile(r"[,;&和或±]|and|or|\\pm")
_OR_SIGN = re.compile(r"or|或|\\cup|\\vee")
_INFINITE = re.compile(
    r"(?:(?P<minus>-|negative\s|minus\s)|\+|positive\s)?\s*(?:\\infty|inf|infinity|oo)", re.IGNORECASE
)
_EMPTY = re.compile(r"\\emptyset|(?:the\s+)?(?:empty|null)\s+set|空集", re.IGNORECASE)
_POINT = re.compile(r"(?:points?\s+|点\s*)?([ABD-Z]'?)\s*(?=\()")
_LABELLED = re.compile(r"^\s*([a-z])\s*:\s*(?=[-\d\\])")
_NO_VALUES = (Words, Algebra, Letters, YesNo)
_BRACKETS = {"(": ")]", "[": ")]", "{": "}"}
_ANY_BRACKET = re.compile(r"[(\[{]|\\langle")
_NOTHING_IN_IT = Several((), "{", "}", Kind.SET)
_LEFT_ANGLE, _RIGHT_ANGLE = (re.compile(rf"\\{side}angle(?![A-Za-z])") for side in "lr")
_NAMED = re.compile(
    r"\s*([A-Za-z]'?(?:\s*,\s*[A-Za-z]){0,3}|\([a-z](?:\s*,\s*[a-z])+\))\s*(?:=|\\in(?![A-Za-z]))\s*(?=[(\[{])"
)
_UNION = r"\\cup(?![A-Za-z])|\bU\b"
_COMMA = r"\s*(?:[,;]\s*(?:and(?![A-Za-z])|和|以及)?|(?<=\s)and(?![A-Za-z])|&|和)\s*"


@lru_cache(maxsize=4096)
def read(text: str, kind: Kind | None = None) -> Reading:
    """What a text says.

    Args:
        text: at most LONGEST_ANSWER characters.
        kind: what it is to be, where that is known; where it can't be read so, as any other.
    """
    said = statement(text)
    if not said:
        return Reading(why="it is empty")
    if kind is Kind.TEXT:
        return read_words(said)
    ends = [said] if (end := concluded(said)) == said else [end, said]
    for each in ends:
        if kind is not None and (found := _expected(each, kind)).value is not None:
            return found
    for each in ends:
        if (found := _any(each)).value is not None:
            return found
    return found


def _expected(text: str, kind: Kind) -> Reading:
    for reader in READERS[kind]:
        found = reader(text)
        if found.value is not None:
            return found
    if kind is Kind.YES_NO or kind is Kind.CHOICE or kind in _CALENDAR:
        for subject, rest in subjects(text):
            found = READERS[kind][0](rest)
            if found.value is not None and not hedged(content_words(subject, keep_hedges=True)):
                return found._replace(words=content_words(subject)) if kind in _CALENDAR else found
    return NOTHING


@lru_cache(maxsize=4096)
def _any(text: str) -> Reading:
    """By the first reader that accounts for the whole text. Remembered: of a list several readers ask for the items."""
    number = read_number(text) if text[0].isdigit() and text.replace(".", "", 1).isdigit() else None
    if number is not None and number.value is not None:
        return number
    characters = frozenset(text)
    for reader, signs in _TRIED:
        if signs and signs.isdisjoint(characters):
            continue
        found = reader(text)
        if found.value is not None:
            return found
    found = read_number(text)
    return found if found.why else NOTHING


def read_choice(text: str) -> Reading:
    """A letter, with what it stands for or without, or several letters."""
    if text[:1].isdecimal():
        return NOTHING
    if found := LETTER.fullmatch(text):
        return Reading(Letters(frozenset({(found[1] or found[2]).upper()})))
    if found := LETTERS.fullmatch(text):
        return Reading(Letters(frozenset(re.findall(r"(?<![a-z])[A-Z](?![a-z])", text))))
    if found := LETTERED.fullmatch(text):
        content = trimmed(found[3])
        if content and OF_ALL.fullmatch(content):
            return Reading(Words(words_of(content)), letter=(found[1] or found[2]).upper())
        if content and not OTHER_LETTER.search(content) and not hedged(content_words(content, keep_hedges=True)):
            inner = _any(content)
            if inner.value is not None and not isinstance(inner.value, Letters):
                return inner._replace(letter=(found[1] or found[2]).upper())
    return NOTHING


def read_letters(text: str) -> Reading:
    """Letters side by side, where they are known to be a choice's: AC."""
    if (explained := BECAUSE.fullmatch(text)) and (found := read_choice(explained[1])).value is not None:
        return found
    if text.endswith("!") and (found := read_choice(text.rstrip("! "))).value is not None:
        return found
    if wrapped := re.fullmatch(r"\\?\{\s*+([^{}]+?)(?<!\s)\s*+\\?\}", text):
        text = wrapped[1]
        if (found := read_choice(text)).value is not None:
            return found
    dashed = re.fullmatch(r"\(?([A-Z])\)?\s+-+\s+(.+)|([A-Z])\s*\(([^()]+)\)", text, re.DOTALL)
    if dashed and not OTHER_LETTER.search(dashed[2] or dashed[4]):
        found = read_choice(f"{dashed[1] or dashed[3]}. {dashed[2] or dashed[4]}")
        if found.letter:
            return found
    text = re.sub(r"^[(\[]?\s*([A-Z]{2,})\s*[)\]]?(?:选?项|\s+(?:is|are)\s+(?:correct|right))?$", r"\1", text)
    if JOINED.fullmatch(text) and len(set(text)) == len(text):
        return Reading(Letters(frozenset(text)))
    lead = re.match(
        r"(?:both\s+)?(?:options?|choices?)\s+|both\s+|i(?:\s+would|'d)?\s+(?:choose|pick|select|go\s+(?:with|for))\s+",
        text,
        re.IGNORECASE,
    )
    if lead is None:
        return NOTHING
    found = read_choice(text[lead.end() :])
    return found if found.value is not None else read_letters(text[lead.end() :])


def read_matrix(text: str) -> Reading:
    r"""A matrix in LaTeX, or lists within a list."""
    if "\\begin" not in text and text.count("[") < 2:
        return NOTHING
    text = re.sub(r"^\s*[A-Za-z]\s*=\s*", "", text)
    if wrapped := re.fullmatch(r"(?:\(|\[)\s*(\\begin\s*\{(?:array|matrix)\}.*)\s*(?:\)|\])", text, re.DOTALL):
        text = wrapped[1].strip()
    if found := _MATRIX.fullmatch(text):
        lines = [line for line in found["body"].split(ROW_END) if line.strip()]
        rows = [line.split("&") for line in lines]
        shape = "v" if found["shape"] in ("vmatrix", "Vmatrix") else ""
    elif _NESTED.fullmatch(text):
        rows = [top_level(row, ",") for row in re.findall(r"\[([^\[\]]*)\]", text[1:-1])]
        shape = ""
    else:
        return NOTHING
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MOST_ITEMS:
        return Reading(why="its rows are not of one length")
    entries = [tuple(read_item(entry) for entry in row) for row in rows]
    if any(entry.value is None for row in entries for entry in row):
        return Reading(why="an entry of the matrix can't be read")
    return Reading(Matrix(tuple(entries), shape))


def read_item(text: str) -> Reading:
    r"""An item of a list, a tuple, a matrix."""
    text = trimmed(text)
    if not text:
        return Reading(why="an item is empty")
    if not text[0].isdecimal() and (found := _INFINITE.fullmatch(text)):
        return Reading(Words(("-infinity" if found["minus"] else "+infinity",)))
    return _any(text)


def read_several(text: str) -> Reading:
    r"""What brackets hold: a tuple, a list, an interval, a set; several of them joined by \cup."""
    if _ANY_BRACKET.search(text) is None:
        return Reading(_NOTHING_IN_IT) if _EMPTY.fullmatch(text) else NOTHING
    if "\\" in text:
        text = text.replace("\\{", "{").replace("\\}", "}")
        text = _RIGHT_ANGLE.sub(")", _LEFT_ANGLE.sub("(", text))
    words: frozenset[str] = frozenset()
    if (name := _NAMED.match(text)) is not None:
        text = text[name.end() :]
        words = frozenset({re.sub(r"[\s()]", "", name[1]).lower()})
    parts = top_level(text, _UNION) if "U" in text or "\\cup" in text else [text]
    if len(parts) > 1:
        items = [_bracketed(part.strip()) for part in parts]
        if any(item.value is None for item in items):
            return Reading(why="a part of the union can't be read")
        if all(item.kind is Kind.SET for item in items):
            return Reading(Several(tuple(itertools.chain(*map(_items, items))), "{", "}", Kind.SET), words)
        return Reading(Several(tuple(items), "{", "}", Kind.INTERVAL), words)
    found = _bracketed(text.strip())
    if found.value is None and not words:
        for subject, rest in subjects(text):
            if rest[:1] in _BRACKETS and (inner := _bracketed(rest)).value is not None:
                before = content_words(subject, keep_hedges=True)
                return inner if not hedged(before) else Reading(why="it hedges")
    return found._replace(words=words) if found.value is not None else found


def read_point(text: str) -> Reading:
    """A point by its name, P(3, 4)."""
    named = _POINT.match(text)
    found = _bracketed(text[named.end() :].strip()) if named else NOTHING
    if named is None or not all(isinstance(item.value, Number) for item in _items(found)):
        return NOTHING
    return found._replace(words=frozenset({named[1].lower()}))


def _items(reading: Reading) -> tuple[Reading, ...]:
    return reading.value.items if isinstance(reading.value, Several) else ()


def _bracketed(text: str) -> Reading:
    if len(text) < 2 or text[-1] not in _BRACKETS.get(text[0], ""):
        return NOTHING
    if not _encloses(text):
        return NOTHING
    pieces = top_level(text[1:-1], r"[,;]")
    if text[0] == "{" and pieces == [""]:
        return Reading(_NOTHING_IN_IT)
    if (len(pieces) == 1 and text[0] != "{") or len(pieces) > MOST_ITEMS:
        return NOTHING
    items = [read_item(piece) for piece in pieces]
    if any(item.value is None for item in items):
        return Reading(why="an item can't be read")
    kind = Kind.SET if text[0] == "{" else Kind.TUPLE if text[0] + text[-1] == "()" else Kind.LIST
    if {text[0], text[-1]} in ({"[", ")"}, {"(", "]"}):
        if len(pieces) != 2:
            return NOTHING
        kind = Kind.INTERVAL
    return Reading(Several(tuple(items), text[0], text[-1], kind))


def _encloses(text: str) -> bool:
    """Whether a text's first bracket is closed by its last."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return place == len(text) - 1
    return False


def read_list(text: str) -> Reading:
    """Several values without brackets, in no order: 1, 2 and 3; x = 1 or x = 2; ±2."""
    if _JOINED_UP.search(text) is None:
        return NOTHING
    if "\\pm" in text or "±" in text:
        return _plus_minus(text)
    found = _listed(text, _COMMA)
    if found.value is None and (solved := _listed(text, _OR)).value is not None:
        items = solved.value.items if isinstance(solved.value, Several) else ()
        return solved if all(item.words for item in items) else NOTHING
    if isinstance(found.value, Several) and any(isinstance(item.value, _NO_VALUES) for item in found.value.items):
        return Reading(why="it states several values, not all of which can be read")
    return found


def read_stated_list(text: str) -> Reading:
    """Several things, words too, where it is known that there are several; what `or` joins are all of them."""
    found = _listed(text, rf"{_COMMA}|{_OR}")
    if any(item.kind is Kind.INEQUALITY for item in _items(found)):  # 0 < x and x < 1
        return NOTHING
    return found


def _listed(text: str, marks: str) -> Reading:
    pieces = top_level(text, marks)
    if not 2 <= len(pieces) <= MOST_ITEMS:
        return NOTHING
    items = [read_item(_LABELLED.sub(r"\1 = ", piece) if ":" in piece else piece) for piece in pieces]
    if any(item.value is None for item in items):
        return Reading(why="it states several values, not all of which can be read")
    return Reading(Several(tuple(items)))


def read_relations(text: str) -> Reading:
    """Inequalities that `or` joins: the values for which any holds."""
    if _OR_SIGN.search(text) is None:
        return NOTHING
    pieces = top_level(text, rf"{_OR}|\s*\\(?:cup|lor|vee)(?![A-Za-z])\s*")
    items = [read_algebra(piece.strip()) for piece in pieces] if 2 <= len(pieces) <= MOST_ITEMS else []
    if not items or any(item.kind is not Kind.INEQUALITY for item in items):
        return NOTHING
    return Reading(Several(tuple(items), kind=Kind.INEQUALITY))


def _plus_minus(text: str) -> Reading:
    signs = re.findall(r"\\pm(?![A-Za-z])|±", text)
    if len(signs) != 1:
        return NOTHING
    if (middle := re.fullmatch(r"([\d.,]+)\s*(?:\\pm(?![A-Za-z])|±)\s*([\d.,]+)", text)) is not None:
        value, off = (read_item(part).value for part in middle.groups())
        if isinstance(value, Number) and isinstance(off, Number) and value.value is not None and off.value is not None:
            ends = (value.value + off.value, value.value - off.value)
            return Reading(Several(tuple(Reading(Number(str(end), end)) for end in ends)))
    items = [read_item(re.sub(r"\\pm(?![A-Za-z])\s*|±\s*", sign, text)) for sign in "+-"]
    if any(not isinstance(item.value, Number) for item in items):
        return NOTHING
    return Reading(Several(tuple(items)))


_CALENDAR = (Kind.DATE, Kind.TIME, Kind.DURATION)

_ORDER: dict[Reader, str] = {
    read_choice: "",
    read_yes_no: "",
    read_length: ":",
    read_clock: ":aAmMoO点时午半",
    read_day: "",
    read_version: ".vV",
    read_base: "_bBoOxX",
    read_code: "",
    read_ratio: ":比",
    read_pair: "-~.tTbB比到至",
    read_matrix: "[\\",
    read_several: "([{\\uUyY空",
    read_point: "(",
    read_spoken_relation: "<\\t于",
    read_spelled: "",
    read_list: ",;&ao±\\和或",
    read_relations: "o\\或",
    read_algebra: "",
    read_plain_words: "",
}
"""From the narrow to the wide, each with the characters of which one must be in a text for it to read it: those that
tell 10:30, `[1, 2]` or `between` from other texts. Empty where there are none, or where it looks for itself."""
_TRIED = tuple((reader, frozenset(signs)) for reader, signs in _ORDER.items())

READERS: dict[Kind, Sequence[Reader]] = {
    Kind.NUMBER: (read_number, read_quotient, read_share),
    Kind.RATIO: (read_ratio, read_stated_ratio, read_number),
    Kind.RANGE: (read_pair,),
    Kind.SCORE: (read_pair, read_score),
    Kind.DATE: (read_day, read_stated_day),
    Kind.TIME: (read_stated_clock,),
    Kind.DURATION: (read_length, read_short_length, read_number),
    Kind.VERSION: (read_stated_version,),
    Kind.TUPLE: (read_several, read_point, read_list, read_stated_list),
    Kind.LIST: (read_several, read_list, read_stated_list, read_number),
    Kind.SET: (read_several, read_list, read_stated_list, read_number),
    Kind.MATRIX: (read_matrix, read_several),
    Kind.INTERVAL: (read_several,),
    Kind.INEQUALITY: (read_relations, read_spoken_relation, read_several, read_algebra),
    Kind.EQUATION: (read_algebra,),
    Kind.EXPRESSION: (read_algebra, read_number),
    Kind.CHOICE: (read_choice, read_letters),
    Kind.YES_NO: (read_yes_no,),
    Kind.BASE: (read_base,),
    Kind.TEXT: (read_words,),
}
