"""What a short answer says.

A reading is cautious: text that names one thing is read, with whatever words are around it; text that names several, or
hedges, says nothing. So an answer commits to one value, and no rule has to guess which of several was meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from mr1.judge.notation import canonical
from mr1.judge.numbers import read_decimal, read_fraction, with_digits
from mr1.judge.units import Unit, split_unit

_CONCLUSION = re.compile(
    r"≈|\b(?:answer|option|choice)\s*(?:is|:)|\b(?:so|thus|hence|therefore)\b|\btotal\s+(?:of|is)\b|答案[是为:]|所以|因此",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"[^\d\\]*\b(?:is|are|equals?)\b(?=.*[\d\\])", re.IGNORECASE | re.DOTALL)
_END = re.compile(r"(?:[\s.,;:?]|(?<=[^\W\d_]{2})!)+$")  # not a factorial's sign
_EQUALS = re.compile(r"(?<![<>!])=")
_NAME = re.compile(r"\s*(?:\\angle|∠|angle)?\s*[A-Za-z]{1,4}\s*")
_HEDGE = re.compile(r"\b(?:or|not|between|than|least|most)\b|或", re.IGNORECASE)

_CHOICE = re.compile(
    r"(?:option|choice|answer)?\s*(?:\(([A-H])\)\s*[.:]?\s*(.*)|([A-H])(?:\s*[.:)]\s*(.*))?)", re.IGNORECASE | re.DOTALL
)
_OTHER_CHOICE = re.compile(r"\b[A-H]\s*[.:)]")

_MATHS = re.compile(r"[\d\\^+*/=<>|(){}\[\]°%]")
_WORD = r"(?:[^\W\d_]{2,}|[\u4e00-\u9fff])"
# Words beside a value, not beside an operator: PE is a word in `PE is 4`, and none in `4 + PE`.
_FIRST_WORD = re.compile(rf"{_WORD}[\s,:;'\"!.]++(?![+*/^=<>|-]\s)|[\u4e00-\u9fff]+")
_LAST_WORD = re.compile(rf"(?<![\s+*/^=<>|-])[\s,:;'\"!(]+{_WORD}\)?$|[\u4e00-\u9fff]+$")
_INNER_WORD = re.compile(r"(?:^|\s)(?=[^\W\d_]*[a-z])[^\W\d_]{2,}(?:\s|$)|[\u4e00-\u9fff]")
# math-verify adds numbers that stand side by side, as in a mixed number: `0{3}{5}` would be 8.
_JUXTAPOSED = re.compile(r"\d\s+\d|\d\s*\{|\d\s*\(\s*\d")


@dataclass(frozen=True)
class Reading:
    """One thing that an answer says: a choice's letter, with or without what it stands for, words, or a value."""

    letter: str = ""
    """Of a multiple choice, upper case."""
    words: str = ""
    """An answer without numbers or signs, in lower case."""
    latex: str = ""
    """A value as it was written, in the notation of `canonical`."""
    number: Fraction | None = None
    """The value, where it is a decimal or a fraction."""
    decimals: int | None = None
    """Digits behind the point where it is a decimal, 0 for an integer; None for all else."""
    unit: Unit | None = None
    """The value's unit."""

    @property
    def has_content(self) -> bool:
        """Whether it says more than a letter."""
        return bool(self.words or self.latex)


@lru_cache(maxsize=4096)
def read(text: str, equation: bool = False) -> Reading | None:
    """What a text says; None where it says nothing, several things, or hedges.

    Args:
        text: at most LONGEST_ANSWER characters.
        equation: keep what is left of an equals sign. Otherwise the value is behind the last one: `AB = 2 * 5 = 10`.
    """
    text = canonical(text)
    if _HEDGE.search(text):
        return None
    text = _END.sub("", _conclusion(text, equation)).strip()
    choice = _CHOICE.fullmatch(text)
    if choice is None:
        return _content(text)
    letter, rest = (choice[1] or choice[3]).upper(), (choice[2] or choice[4] or "").strip()
    if not rest:
        return Reading(letter=letter)
    content = None if _OTHER_CHOICE.search(rest) else _content(rest)
    return content and replace(content, letter=letter)


def is_equation(truth: str) -> bool:
    """Whether a truth is an equation of its own, `x^2 + y^2 = 1`, and not a name with its value, `x = 3`."""
    parts = _EQUALS.split(truth)
    return len(parts) > 2 or (len(parts) == 2 and _NAME.fullmatch(parts[0]) is None)


def _conclusion(text: str, equation: bool) -> str:
    """What follows the last sign that the answer comes now."""
    if not equation:
        text = _EQUALS.split(text)[-1]
    text = _CONCLUSION.split(text)[-1]
    subject = _SUBJECT.match(text)
    return text[subject.end() :] if subject else text


def _content(text: str) -> Reading | None:
    """Words, or the one value in a text."""
    text = with_digits(text)
    if not _MATHS.search(text):
        words = " ".join(text.casefold().split())
        return Reading(words=words) if any(map(str.isalpha, words)) else None
    value, unit = _value(text)
    if not value or _INNER_WORD.search(value):
        return None
    if decimal := read_decimal(value):
        return Reading(latex=value, number=decimal[0], decimals=decimal[1], unit=unit)
    fraction = read_fraction(value)
    if fraction is None and _JUXTAPOSED.search(value):
        return None
    return Reading(latex=value, number=fraction, unit=unit)


def _value(text: str) -> tuple[str, Unit | None]:
    """The value inside a text and its unit: words before it and behind it are taken off."""
    while (found := _LAST_WORD.search(text)) and split_unit(text)[1] is None:
        text = text[: found.start()].rstrip(" .,;:?'\"")
    while found := _FIRST_WORD.match(text):
        text = text[found.end() :].lstrip()
    return split_unit(text)
