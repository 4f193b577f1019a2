"""An inequality of one unknown and the interval in which it lies say the same; other ends, brackets, unknowns don't."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import strict
from mr1.judge.verdict import Verdict

Form = Callable[[int, int, bool, bool], str]
Ends = tuple[int, int, bool, bool]
"""Low, high, and whether each belongs to the interval."""

ends = st.tuples(st.integers(-20, 0), st.integers(1, 20), st.booleans(), st.booleans())


def _interval(low: int, high: int, first: bool, last: bool) -> str:
    return f"{'[' if first else '('}{low}, {high}{']' if last else ')'}"


LE, GE = "\\le", "\\geq"


def _chain(low: int, high: int, first: bool, last: bool) -> str:
    return f"{low} {'≤' if first else '<'} x {LE if last else '<'} {high}"


def _turned(low: int, high: int, first: bool, last: bool) -> str:
    return f"{high} {'>=' if last else '>'} x {GE if first else '>'} {low}"


def _within(low: int, high: int, first: bool, last: bool) -> str:
    return f"x \\in {_interval(low, high, first, last)}"


def _joined(low: int, high: int, first: bool, last: bool) -> str:
    return f"{low} {'<=' if first else '<'} x and x {'<=' if last else '<'} {high}"


FORMS = (_interval, _chain, _turned, _within, _joined)


def _right(answer: str, truth: str) -> bool:
    return strict.judge_answer(answer, truth) is Verdict.RIGHT


@settings(max_examples=150, deadline=None)
@given(ends, ends, st.sampled_from(FORMS), st.sampled_from((_chain, _within)))
def test_an_inequality_is_the_interval_of_its_unknown(said: Ends, gold: Ends, form: Form, truth: Form) -> None:
    assert _right(form(*gold), truth(*gold))
    assert _right(form(*said), truth(*gold)) is (said == gold)


@settings(max_examples=60, deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([("<", "(-\\infty, {})"), ("\\ge", "[{}, \\infty)")]))
def test_one_end_may_be_infinite(said: int, gold: int, pair: tuple[str, str]) -> None:
    sign, interval = pair
    assert _right(interval.format(said), f"x {sign} {gold}") is (said == gold)
    if "[" in interval:
        assert _right(f"x {sign} {said}", interval.format(gold)) is (said == gold)


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("x ≤ 3 or x > 5", "(-\\infty, 3] \\cup (5, \\infty)", True),
        ("x ≤ 3 or x ≥ 5", "(-\\infty, 3] \\cup (5, \\infty)", False),
        ("(-inf, 3] U (5, inf)", "(-\\infty, 3] \\cup (5, \\infty)", True),
        ("(-\\infty, 2) \\cup (2, \\infty)", "x \\ne 2", True),
        ("x is greater than 3", "x > 3", True),
        ("x is at least 3", "x > 3", False),
        ("x is at least 3", "x \\ge 3", True),
        ("(-1, 2)", "-1 < y < 2", True),
        ("x \\in (-1, 2)", "-1 < y < 2", False),
        ("m ≥ \\sqrt{2}", "[\\sqrt{2}, \\infty)", True),
        ("m > \\sqrt{2}", "[\\sqrt{2}, \\infty)", False),
        ("(-1, 2, 3)", "-1 < x < 2", False),
        ("\\{1, 2, 3\\}", "\\{1, 2\\} \\cup \\{3\\}", True),
        ("\\{1, 2\\}", "\\{1, 2\\} \\cup \\{3\\}", False),
        ("the empty set", "\\emptyset", True),
        ("\\{0\\}", "\\varnothing", False),
        ("x_1 = 1, x_2 = 2", "x = 2 or x = 1", True),
        ("x_1 = 1, x_2 = 3", "x = 2 or x = 1", False),
        ("x_1 = 2, x_2 = 1", "x_1 = 1, x_2 = 2", False),
        ("P(3, 4)", "(3, 4)", True),
        ("P(4, 3)", "(3, 4)", False),
        ("Q(3, 4)", "P(3, 4)", False),
    ],
)
def test_sets_and_solutions(answer: str, truth: str, right: bool) -> None:
    assert _right(answer, truth) is right
