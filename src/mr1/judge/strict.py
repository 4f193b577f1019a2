"""Strict: what the last <answer> tag says, compared with what the truth says.

docs/judge.md lists what is accepted and what is refused; a test holds the list.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mr1.judge.choices import lettered
from mr1.judge.compare import Algebraic, Comparison, NeedsAlgebraError, no_algebra
from mr1.judge.frame import statement
from mr1.judge.pool import ask
from mr1.judge.readers import words_of
from mr1.judge.reading import read
from mr1.judge.tags import last_answer
from mr1.judge.truth import Kind, Truth, as_truth
from mr1.judge.values import Algebra, Letters, Matrix, Number, Reading, Several, Words
from mr1.judge.verdict import Verdict, too_large

_NOT_READ = Reading(why="it is not read")


class Judgement(NamedTuple):
    """A verdict, and why."""

    verdict: Verdict
    rule: str
    """What decided."""
    said: Reading
    gold: Reading


def judge(output: str, truth: str | Truth) -> Verdict:
    """Whether the last <answer> tag of an output states the truth; MISSING where there is no tag."""
    answer = last_answer(output)
    if answer is None:
        return judge_answer("", truth, otherwise=Verdict.MISSING)
    return judge_answer(answer, truth)


def judge_answer(answer: str, truth: str | Truth, otherwise: Verdict = Verdict.WRONG) -> Verdict:
    """Whether a bare answer states the truth.

    Args:
        answer: any string; one that is too large is not read.
        truth: the gold answer. Where it can't be read that is the verdict, whatever the answer is.
        otherwise: the verdict instead of WRONG.
    """
    verdict = explain(answer, truth).verdict
    return otherwise if verdict is Verdict.WRONG else verdict


def explain(answer: str, truth: str | Truth) -> Judgement:
    """The judgement of a bare answer: against the accepted text that it states, or else the first."""
    truth = as_truth(truth)
    first: Judgement | None = None
    for text in truth.accepted:
        found = _judgement(answer.strip(), text.strip(), truth)
        if found.verdict is Verdict.RIGHT:
            return found
        first = first or found
    assert first is not None
    return first


def told(output: str, truth: str | Truth) -> str:
    """How an output was judged, in a line for people: both readings and the rule that decided."""
    answer = last_answer(output)
    if answer is None:
        return "no closed <answer> tag"
    found = explain(answer, truth)
    if found.verdict is Verdict.UNREADABLE_TRUTH:
        return f"the truth says {found.gold}"
    return f"read as {_shown(found.said)}; the truth as {_shown(found.gold)}; {found.rule}"


def _shown(reading: Reading) -> str:
    return str(reading) if reading.kind is None else f"{reading.kind} {reading}"


def unreadable(truth: str | Truth) -> str:
    """Why a truth can't be compared with anything; empty where it can."""
    for text in as_truth(truth).accepted:
        found = _judgement("", text.strip(), as_truth(truth))
        if found.verdict is Verdict.UNREADABLE_TRUTH:
            return f"its answer {text[:60]!r} says nothing that can be compared: {found.gold.why or found.rule}"
    return ""


def _judgement(answer: str, text: str, truth: Truth) -> Judgement:
    if too_large(text):
        return Judgement(Verdict.UNREADABLE_TRUTH, "the truth is too large", _NOT_READ, Reading(why="it is too large"))
    if too_large(answer):
        found = _judgement("", text, truth)
        if found.verdict is Verdict.WRONG:
            return found._replace(verdict=Verdict.TOO_LARGE, rule="the answer is too large")
        return found
    try:
        return _decided(answer, text, truth)
    except _LostError as lost:
        return Judgement(Verdict.LOST, "the worker was lost", *lost.args)


class _LostError(Exception):
    """The verdict is LOST. It is raised, so that it isn't remembered: it is the machine's, not the answer's."""


@lru_cache(maxsize=4096)
def _decided(answer: str, text: str, truth: Truth) -> Judgement:
    """Remembered, because a group's completions repeat few answers; at most LONGEST_ANSWER characters each.

    Raises:
        _LostError: the worker was lost.
    """
    gold = read_truth(text, truth)
    try:
        found = decide(answer, gold, truth)
        if found.verdict is not Verdict.WRONG or not needs_algebra(gold):
            return found
        verdict = _readable(text, truth)
    except NeedsAlgebraError:
        verdict = ask("strict", answer, text, truth.dumps())
        found = Judgement(verdict, "expressions are compared by math-verify", read_answer(answer, gold, truth), gold)
    if verdict is Verdict.LOST:
        raise _LostError(found.said, gold)
    return found._replace(verdict=verdict)


@lru_cache(maxsize=4096)
def _readable(text: str, truth: Truth) -> Verdict:
    """WRONG where algebra can read a truth, which only a worker may try; else what came of it."""
    verdict = ask("strict", "", text, truth.dumps())
    if verdict is Verdict.LOST:
        raise _LostError(_NOT_READ, read_truth(text, truth))
    return verdict


def decide(answer: str, gold: Reading, truth: Truth, algebra: Algebraic = no_algebra) -> Judgement:
    """The judgement, where nothing or the given algebra is needed for it.

    Args:
        answer: a bare answer.
        gold: what one of the accepted texts says, by `read_truth`.
        truth: its rules.
        algebra: what compares expressions.

    Raises:
        NeedsAlgebraError: it is needed, and none is given.
    """
    if gold.value is None:
        return Judgement(Verdict.UNREADABLE_TRUTH, "the truth can't be read", _NOT_READ, gold)
    said = read_answer(answer, gold, truth)
    right, rule = _compared(answer, said, gold, Comparison(truth, algebra))
    return Judgement(Verdict.RIGHT if right else Verdict.WRONG, rule, said, gold)


def read_truth(text: str, truth: Truth) -> Reading:
    """What a truth says; where its source states the kind it must be of that."""
    kind = truth.kind or (Kind.CHOICE if truth.choices else None)
    gold = read(text, kind)
    if truth.kind is None or gold.value is None or gold.kind in (truth.kind, *_ALIKE.get(truth.kind, ())):
        return gold
    if truth.kind is Kind.CHOICE and gold.letter:
        return gold
    return Reading(why=f"it is a {gold.kind}, and answer_kind is {truth.kind}")


_ALIKE = {
    Kind.NUMBER: (Kind.DURATION, Kind.RATIO),
    Kind.LIST: (Kind.TUPLE, Kind.SET, Kind.NUMBER),
    Kind.TUPLE: (Kind.LIST,),
    Kind.SET: (Kind.LIST,),
    Kind.EQUATION: (Kind.EXPRESSION, Kind.NUMBER),
    Kind.SCORE: (Kind.RANGE, Kind.RATIO),
    Kind.INTERVAL: (Kind.TUPLE, Kind.LIST, Kind.SET),
    Kind.EXPRESSION: (Kind.NUMBER, Kind.TUPLE),
    Kind.RATIO: (Kind.NUMBER, Kind.TUPLE),
    Kind.DURATION: (Kind.NUMBER, Kind.TUPLE),
    Kind.MATRIX: (Kind.NUMBER, Kind.TUPLE),
}
"""What a truth of a stated kind may be read as beside it."""


def read_answer(answer: str, gold: Reading, truth: Truth) -> Reading:
    """What an answer says, by the truth's kind first."""
    said = read(answer, truth.kind or gold.kind)
    if gold.letter and not said.letter:
        lettered = read(answer, Kind.CHOICE)
        return lettered if lettered.letter or isinstance(lettered.value, Letters) else said
    return said


def needs_algebra(reading: Reading) -> bool:
    """Whether anything in a reading is an expression."""
    value = reading.value
    if isinstance(value, Number):
        return value.value is None
    if isinstance(value, Several):
        return any(map(needs_algebra, value.items))
    if isinstance(value, Matrix):
        return any(needs_algebra(entry) for row in value.rows for entry in row)
    return isinstance(value, Algebra)


def _compared(answer: str, said: Reading, gold: Reading, comparison: Comparison) -> tuple[bool, str]:
    """Whether an answer's reading is the truth's, with the letters of a choice and what they stand for."""
    letter, content = _letter(gold), _content(gold)
    choices = tuple("" if too_large(text) else text for text in comparison.truth.choices)
    if choices and not letter:
        place = _place(gold, choices, comparison)
        letter = chr(ord("A") + place) if place is not None else ""
    if letter and choices and (found := lettered(answer)) and 0 <= ord(found[0]) - ord("A") < len(choices):
        if found[0] != letter:
            return False, "another letter"
        text = words_of(statement(choices[ord(letter) - ord("A")]))
        if text and comparison.words(found[1], Words(text))[0]:  # also where it hedges: C. None of the above
            return True, "a letter with its own text"
    if letter and choices and ord(letter) - ord("A") < len(choices):
        content = read(choices[ord(letter) - ord("A")], None)
    stated = _text(said, answer) if said.letter else answer
    if letter and (ours := _letter(said)):
        if ours != letter:
            return False, "another letter"
        if content is None or _content(said) is None:
            return True, "the same letter"
        said = said._replace(letter="")
    if content is None or content.value is None:
        return comparison.same(said, gold)
    if isinstance(content.value, Words):
        return comparison.words(stated, content.value)
    return comparison.same(_content(said) or said, content)


def _letter(reading: Reading) -> str:
    """The one letter of a choice."""
    if isinstance(reading.value, Letters) and len(reading.value.letters) == 1:
        return next(iter(reading.value.letters))
    return reading.letter


def _content(reading: Reading) -> Reading | None:
    """What is said beside, or without, a letter."""
    return None if isinstance(reading.value, Letters) else reading


def _place(gold: Reading, choices: tuple[str, ...], comparison: Comparison) -> int | None:
    """Which of the choices a truth is that is no letter."""
    for place, choice in enumerate(choices):
        option = read(choice, gold.kind)
        if isinstance(gold.value, Words):
            if comparison.words(choice, gold.value)[0]:
                return place
        elif option.value is not None and comparison.same(option, gold)[0]:
            return place
    return None


def _text(said: Reading, answer: str) -> str:
    """The words behind a letter, where an answer has both."""
    return str(said.value) if isinstance(said.value, Words) else answer
