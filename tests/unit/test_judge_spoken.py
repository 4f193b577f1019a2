"""Times of day in words are times of day: each minute of a face, in each way of saying it, and no other minute."""

from __future__ import annotations

import pytest
from benchmarks.judge.spoken import in_chinese, in_english
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import strict
from mr1.judge.reading import read
from mr1.judge.truth import Kind
from mr1.judge.verdict import Verdict

hours, minutes = st.integers(1, 12), st.integers(0, 59)


@settings(max_examples=300, deadline=None)
@given(hours, minutes, hours, minutes, st.data())
def test_words_say_their_minute_and_no_other(
    hour: int, minute: int, other: int, others: int, data: st.DataObject
) -> None:
    said = data.draw(st.sampled_from(in_english(hour, minute) + in_chinese(hour, minute)))
    assert strict.judge_answer(said, f"{hour}:{minute:02d}") is Verdict.RIGHT
    same = (hour, minute) == (other, others)
    assert (strict.judge_answer(said, f"{other}:{others:02d}") is Verdict.RIGHT) is same


@pytest.mark.parametrize(
    ("said", "truth", "right"),
    [
        ("half past two in the afternoon", "14:30", True),
        ("half past two in the afternoon", "2:30 am", False),
        ("half past two at night", "2:30 pm", False),
        ("ten at night", "10 pm", True),
        ("quarter to twelve in the morning", "11:45 am", True),
        ("quarter to twelve at night", "11:45 pm", True),
        ("quarter to 12 pm", "11:45 pm", False),  # before noon, or before midnight
        ("It is a quarter to nine.", "8:45", True),
        ("下午两点半", "2:30 pm", True),
        ("晚上12点", "midnight", True),
        ("差一刻九点", "8:45", True),
        ("24:00", "midnight", True),
        ("00:00", "midnight", True),
        ("00:00", "noon", False),
        ("12 noon", "12:00 pm", True),
        ("2.30 pm", "14:30", True),
        ("half past thirteen", "13:30", False),
        ("half past two or three", "2:30", False),
        ("not half past two", "2:30", False),
    ],
)
def test_halves_of_the_day_and_names(said: str, truth: str, right: bool) -> None:
    assert (strict.judge_answer(said, truth) is Verdict.RIGHT) is right


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("half past two", Kind.TIME),
        ("quarter to nine", Kind.TIME),
        ("十点一刻", Kind.TIME),
        ("ten to twelve", Kind.RANGE),
        ("三点五", Kind.NUMBER),
        ("twenty-five", Kind.NUMBER),
    ],
)
def test_what_may_be_something_else_is_a_time_only_where_a_time_is_asked_for(text: str, kind: Kind) -> None:
    assert read(text).kind is kind


def test_a_truth_in_words_is_a_time() -> None:
    assert strict.judge_answer("2:30", "half past two") is Verdict.RIGHT
    assert strict.judge_answer("3:30", "half past two") is Verdict.WRONG
