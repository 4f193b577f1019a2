"""What is accepted as a row's answer: texts, kind, tolerance, choices; and which of them the judge can't read."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

from mr1.data.settings import Source
from mr1.errors import UnusableError, nearest
from mr1.judge import strict
from mr1.judge.pool import side_by_side
from mr1.judge.truth import Kind, Tolerance, Truth
from mr1.judge.verdict import too_large

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of choices."""
TOGETHER = 1024
"""Truths that are read at once."""
REMEMBERED = 65_536
"""Truths whose reading is remembered, at most."""
SEVERAL = (Kind.TUPLE, Kind.LIST, Kind.SET, Kind.MATRIX, Kind.INTERVAL)
"""Kinds of several values, which a list of numbers might be."""

# The whole of a model's turn, with one answer at its end; the last line of GSM8K's solutions.
TAGGED = re.compile(
    r"(?:<think>(?:(?!</?answer>).)*</think>)?\s*<answer>((?:(?!</?answer>).)*)</answer>", re.DOTALL | re.I
)
MARKED = re.compile(r"(?:(?!####).)*####([^#\n]*)", re.DOTALL)
WRAPPINGS = {"between <answer> tags": TAGGED, "behind ####": MARKED}
"""Where an answer may stand, and how that looks where nothing else can be meant."""
LEFT_OVER = re.compile(r"</?answer>|####", re.IGNORECASE)

FIX = "fix it, or say by the source's answer_kind what answers are (text takes any)"
TOO_LONG = "shorten it"

_PLAIN = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_LABELLED = re.compile(r"\s*(?:\(([A-Z])\)\s*[.:]?|([A-Z])\s*[.:)])\s*(.*)", re.DOTALL)
_LETTER = re.compile(r"\(?\s*([A-Za-z])\s*\)?\s*[.:]?")
_LETTERED = re.compile(r"[A-Z](?:\s*+(?:(?:,|;|/|\band\b)\s*+)?[A-Z])++")


def settled(source: Source) -> Truth:
    """What a source's settings say of all of its truths; the texts are to be put in."""
    tolerance = Tolerance(Fraction(str(source.tolerance.relative)), source.tolerance.decimals)
    kind = Kind(source.answer_kind) if source.answer_kind else None
    return Truth((), kind, tolerance, source.percent, source.units, source.case)


def as_truth(stated: Truth, texts: list[str], choices: tuple[str, ...]) -> Truth:
    """The truth of a row with these answers, of which any is right; choices make letters of them.

    Raises:
        UnusableError: an answer that is none of the choices, or in what only the source can have taken it out of.
    """
    if choices:
        texts = [chosen(text, choices) for text in texts]
        return replace(stated, accepted=tuple(dict.fromkeys(texts)), kind=Kind.CHOICE, choices=choices)
    for text in texts if stated.kind is not Kind.TEXT else ():
        if found := LEFT_OVER.search(text):
            raise UnusableError(
                f"its answer {text[:60]!r} holds {found[0]}, and what of it is the answer is not plain; say it by the "
                "source's answer_pattern, or fix the row"
            )
    return replace(stated, accepted=tuple(dict.fromkeys(map(str, texts))))


def unwrapped(text: str) -> tuple[str, str]:
    """An answer without the `<answer>` tags around it or the solution and `####` before it, and where it stood.

    Only where the text can't be meant otherwise: it ends with the only pair of tags, or has one `####`, in its last
    line.
    """
    for name, pattern in WRAPPINGS.items():
        if found := pattern.fullmatch(text):
            return found[1].strip(), name
    return text, ""


def as_choices(options: Any) -> tuple[str, ...]:
    """A row's choices: of a list, the text of a list, or a mapping from letters; without the letters before them.

    Raises:
        UnusableError: it is none of these, or there are more choices than letters.
    """
    if isinstance(options, str):
        options = listed(options)
    if isinstance(options, Mapping):
        keys = [key for key, value in options.items() if value is not None]
        if keys != [*LETTERS[: len(keys)]]:
            raise UnusableError(f"its choices have the names {', '.join(map(str, keys))} where A, B, C are meant")
        options = [options[key] for key in keys]
    options = options or []
    if not isinstance(options, list | tuple):
        raise UnusableError(f"its choices are a {type(options).__name__}, not a list")
    if len(options) > len(LETTERS):
        raise UnusableError(f"it has {len(options)} choices, more than letters")
    texts = [str(option).strip() for option in options]
    labels = [_LABELLED.fullmatch(text) for text in texts]
    if texts and all(found and (found[1] or found[2]) == LETTERS[place] for place, found in enumerate(labels)):
        return tuple(found[3] or LETTERS[place] for place, found in enumerate(labels) if found)
    return tuple(texts)


def listed(text: Any) -> list[Any]:
    """The items of a text that is a list (`"['a', 'b']"`); all else is one item, (1, 2) too, and a blank text none."""
    if not isinstance(text, str):
        return text if isinstance(text, list) else [text]
    try:
        read = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # also where it is nested too deeply
        read = None
    if isinstance(read, list):
        return read
    return [text] if text.strip() else []


class Letter(str):
    """The letter of a choice, which is meant as one whatever the choices' texts are."""

    __slots__ = ()


def letter(answer: Any) -> Any:
    """The letter that a choice's number, counted from 0, or its letter means; another text stays what it is.

    Raises:
        ValueError: a number that has no letter.
    """
    if isinstance(answer, str):
        return Letter(answer) if answer in [*LETTERS] else answer
    if isinstance(answer, bool) or not 0 <= int(answer) < len(LETTERS):
        raise ValueError(f"{answer!r} is the number of no letter")
    return Letter(LETTERS[int(answer)])


def chosen(answer: str, choices: tuple[str, ...]) -> str:
    """The letter, or letters, that an answer means: it is one, a choice's text, or both.

    Raises:
        UnusableError: it is none of them, or one choice's letter and another's text.
    """
    known = LETTERS[: len(choices)]
    if isinstance(answer, Letter) and answer in known:
        return str(answer)
    meant = {name for name, text in zip(known, choices, strict=True) if text == answer}
    if (found := _LETTER.fullmatch(answer)) and found[1].upper() in known:
        meant.add(found[1].upper())
    elif (found := _LABELLED.fullmatch(answer)) and (name := found[1] or found[2]) in known:
        meant |= {name} if choices[known.index(name)] == found[3].strip() else set()
    elif _LETTERED.fullmatch(answer) and all(name in known for name in re.findall("[A-Z]", answer)):
        return answer
    if len(meant) > 1:
        raise UnusableError(
            f"its answer {answer[:60]!r} may be choice {' or '.join(sorted(meant))}; say which by the source's answer, "
            "such as answer: choices.index(answer) | letter"
        )
    if not meant:
        raise UnusableError(
            f"its answer {answer[:60]!r} is neither the letter nor the text of one of its {len(choices)} choices; "
            "fix the row, or columns.choices"
        )
    return meant.pop()


def as_kind(name: str) -> Kind | None:
    """A row's own kind of answer; None for an empty text. Raises UnusableError for an unknown one."""
    if name and name not in [*Kind]:
        raise UnusableError(f"its answer_kind is {name[:60]!r}{nearest(name, [*Kind])}")
    return Kind(name) if name else None


def as_decimals(cell: Any) -> int | None:
    """A row's own tolerance.decimals, None for an empty cell. Raises UnusableError for what is no number of digits."""
    if cell is None or cell == "":
        return None
    try:
        digits = float(cell)
    except (TypeError, ValueError, OverflowError):
        digits = math.nan
    if not digits.is_integer() or not 0 <= digits <= 15:
        raise UnusableError(f"its decimals are {str(cell)[:60]!r}; give a whole number of digits, from 0 to 15")
    return int(digits)


def unreadable(truths: Iterable[tuple[int, Truth]]) -> Iterator[tuple[int, str]]:
    """The numbers of the rows whose truths can't be compared with anything, and why. With `answer_kind: text` they can,
    unless they are too large.

    Truths are read side by side. Equal ones are read once, and plain numbers not at all, so that a hundred thousand
    rows take seconds.
    """
    known: dict[Truth, str] = {}
    rest = iter(truths)
    while some := [*islice(rest, TOGETHER)]:
        asked = [(number, truth) for number, truth in some if not _is_plain(truth)]
        new = [truth for truth in dict.fromkeys(truth for _, truth in asked) if truth not in known]
        if len(known) + len(new) > REMEMBERED:
            known = {truth: known[truth] for _, truth in asked if truth in known}
        known |= zip(new, side_by_side(strict.unreadable, new), strict=True)
        for number, truth in asked:
            if why := known[truth]:
                yield number, f"{why}; {TOO_LONG if truth.kind is Kind.TEXT else FIX}"


def _is_plain(truth: Truth) -> bool:
    """Whether nobody has to read it."""
    if truth.kind is Kind.TEXT:
        return not any(map(too_large, truth.accepted))
    return truth.kind in (None, Kind.NUMBER) and all(map(_PLAIN.fullmatch, truth.accepted))
