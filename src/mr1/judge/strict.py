"""Strict: what the last <answer> tag says, compared with what the truth says.

docs/judge.md lists what is accepted and what is refused; a test holds the list.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from mr1.judge.pool import ask
from mr1.judge.reading import Reading, is_equation, read
from mr1.judge.tags import last_answer
from mr1.judge.truth import Truth, as_truth
from mr1.judge.units import PERCENT
from mr1.judge.verdict import Verdict, too_large

FEWEST_DIGITS = 3
"""Significant digits that a decimal needs to stand for an exact truth: 0.333 for 1/3, 7.21 for 2√13."""


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
    verdicts = [_judge_text(answer.strip(), text.strip(), otherwise) for text in as_truth(truth).accepted]
    return Verdict.RIGHT if Verdict.RIGHT in verdicts else verdicts[0]


def unreadable(truth: str | Truth) -> str:
    """Why a truth can't be compared with anything; empty where it can."""
    for text in as_truth(truth).accepted:
        if judge_answer("", text) is Verdict.UNREADABLE_TRUTH:
            return f"its answer {text[:60]!r} says nothing that can be compared"
    return ""


def _judge_text(answer: str, truth: str, otherwise: Verdict) -> Verdict:
    if too_large(truth):
        return Verdict.UNREADABLE_TRUTH
    if too_large(answer):
        answer, otherwise = "", Verdict.TOO_LARGE
    try:
        verdict = _compare(answer, truth)
    except _LostError:
        return Verdict.LOST
    return otherwise if verdict is Verdict.WRONG else verdict


class _LostError(Exception):
    """The verdict is LOST. It is raised, so that it isn't remembered: it is the machine's, not the answer's."""


@lru_cache(maxsize=4096)
def _compare(answer: str, truth: str) -> Verdict:
    """Remembered, because a group's completions repeat few answers; at most LONGEST_ANSWER characters each.

    Raises:
        _LostError: the worker was lost.
    """
    equation = is_equation(truth)
    gold = read(truth, equation)
    if gold is None:
        return Verdict.UNREADABLE_TRUTH
    said = read(answer, equation)
    if said and gold.letter and said.letter:
        if said.letter != gold.letter:
            return _against(None, gold)
        if not (said.has_content and gold.has_content):
            said = gold
    return _against(said, gold)


def _against(said: Reading | None, gold: Reading) -> Verdict:
    """Compare what is said beside a choice's letter; `said` is None where the answer is wrong whatever the truth is."""
    if gold.latex:
        return _values(said if said and said.latex else None, gold)
    if said is None or said.words != gold.words or said.latex:
        return Verdict.WRONG
    return Verdict.RIGHT if gold.words or said.letter == gold.letter else Verdict.WRONG


def _values(said: Reading | None, gold: Reading) -> Verdict:
    """Compare values: plain numbers here, expressions in a worker."""
    scales = _scales(said, gold) if said else []
    if not scales:
        said = None
    tolerance = _tolerance(said, gold) if said else Fraction(0)
    if gold.number is None or (said and said.number is None):
        verdict = ask("expressions", _latex(said), _latex(gold), " ".join(map(str, scales)), str(tolerance))
        if verdict is Verdict.LOST:
            raise _LostError
        return verdict
    if said is None or said.number is None:
        return Verdict.WRONG
    right = any(abs(said.number * scale - gold.number) <= tolerance * scale for scale in scales)
    return Verdict.RIGHT if right else Verdict.WRONG


def _latex(reading: Reading | None) -> str:
    """What the worker is to read; a number without separators and mixed fractions."""
    if reading is None:
        return ""
    return reading.latex if reading.number is None else str(reading.number)


def _scales(said: Reading, gold: Reading) -> list[Fraction]:
    """The factors from the answer's unit to the truth's; none where the units measure different things.

    A value without a unit is taken in the other's, but for percent: 3 % is 0.03, and where the truth is 3 % both 3 and
    0.03 state it.
    """
    if said.unit and gold.unit:
        return [said.unit.size / gold.unit.size] if said.unit.dimension == gold.unit.dimension else []
    if said.unit and said.unit.dimension == PERCENT:
        return [said.unit.size]
    if gold.unit and gold.unit.dimension == PERCENT:
        return [Fraction(1), 1 / gold.unit.size]
    return [Fraction(1)]


def _tolerance(said: Reading, gold: Reading) -> Fraction:
    """Half a unit in the last place of an answer that is a decimal, where the truth is a fraction, a root or has π.

    Two decimals must be equal: the truth says how exact it is. A decimal of fewer than FEWEST_DIGITS significant
    digits, or without digits behind the point, is no approximation.
    """
    if not said.decimals or gold.decimals is not None:
        return Fraction(0)
    significant = said.latex.replace(".", "").lstrip("+-0")
    return Fraction(1, 2 * 10**said.decimals) if len(significant) >= FEWEST_DIGITS else Fraction(0)
