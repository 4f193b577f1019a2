"""What looks like a value and is none: codes, decades, years before Christ, words that make another value of one."""

from __future__ import annotations

import pytest
from benchmarks.judge.spoken import english
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mr1.judge import strict
from mr1.judge.reading import read
from mr1.judge.truth import Kind
from mr1.judge.verdict import Verdict


def _right(answer: str, truth: str) -> bool:
    verdict = strict.judge_answer(answer, truth)
    assert verdict in (Verdict.RIGHT, Verdict.WRONG)
    return verdict is Verdict.RIGHT


numbers = st.integers(2, 59)
capitals = st.text("BCDFGHKLMNPQRSTVWXYZ", min_size=2, max_size=4)


@settings(max_examples=100, deadline=None)
@given(capitals, st.integers(1, 9999), st.integers(1, 9999), st.sampled_from(["{}-{}", "{}{}"]))
def test_a_serial_number_is_itself_alone(letters: str, number: int, other: int, form: str) -> None:
    assume(letters not in ("USD", "EUR", "GBP", "CNY", "INR", "RMB", "US", "LN"))
    code = form.format(letters, number)
    assert read(code).kind is Kind.TEXT
    assert _right(code.lower() if "-" in code else code, code)
    assert _right(form.format(letters, other), code) is (number == other)
    assert not _right(str(number), code)
    assert not _right(f"-{number}", code)
    assert not _right(code, str(number))


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("H_2O", "H2O", True),
        ("H₂O", "H2O", True),
        ("$\\text{H}_2\\text{O}$", "H_2O", True),
        ("\\mathrm{Ca(OH)_2}", "Ca(OH)2", True),
        ("H2O2", "H2O", False),
        ("2HO", "H2O", False),
        ("xiv", "XIV", True),
        ("XVI", "XIV", False),
        ("the 1990s", "1990s", True),
        ("1990年代", "1990s", True),
        ("1990", "1990s", False),
        ("1990s", "1990", False),
        ("1980s", "1990s", False),
        ("early 1990s", "1990s", False),
        ("500 BCE", "500 BC", True),
        ("公元前500年", "500 BC", True),
        ("500", "500 BC", False),
        ("500 BC", "500", False),
        ("500 AD", "500 BC", False),
        ("1998 AD", "1998", True),
        ("5 am", "5", False),
        ("150 pm", "150 pm", True),
    ],
)
def test_formulas_numerals_decades_and_years(answer: str, truth: str, right: bool) -> None:
    assert _right(answer, truth) is right


@pytest.mark.parametrize("geometry", [("CD", "DC"), ("AB", "BA")])
def test_segments_are_no_numerals(geometry: tuple[str, str]) -> None:
    assert _right(*geometry)


@settings(max_examples=100, deadline=None)
@given(numbers, numbers, st.sampled_from(["{} {}", "{} and {}", "{} ({})", "{}, {}", "{} of {}"]))
def test_a_number_in_words_beside_one_is_another_number(first: int, second: int, form: str) -> None:
    assume(first != second)
    assert not _right(form.format(first, english(second)), str(first))
    assert not _right(form.format(first, english(second)), str(second))


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_a_number_may_be_said_in_words_and_in_digits(number: int) -> None:
    assert _right(f"{english(number)} ({number})", str(number))
    assert _right(f"{number} ({english(number)})", str(number))


CHANGES = """
    twice {} | double {} | {} squared | {} cubed | the square of {} | square root of {} | {} factorial | {} below zero
    | half of {} | {} plus | the reciprocal of {} | the opposite of {} | anything but {} | {} divided | {} doubled
"""


@settings(max_examples=60, deadline=None)
@given(numbers, st.sampled_from([each.strip() for each in CHANGES.split("|")]))
def test_words_that_make_another_value_of_one_are_read(number: int, form: str) -> None:
    assert not _right(form.format(number), str(number))


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 120), st.integers(1, 9))
def test_whole_numbers_are_compared_exactly(exponent: int, off: int) -> None:
    assert _right(f"2*2^{{{exponent - 1}}}", f"2^{{{exponent}}}")
    assert not _right(f"2^{{{exponent}}}+{off}", f"2^{{{exponent}}}")
