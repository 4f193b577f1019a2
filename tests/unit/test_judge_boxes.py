r"""A box is what is inside, with what stands right beside it: nothing beside it is dropped."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mr1.judge import strict
from mr1.judge.verdict import Verdict

small = st.integers(2, 999)


def _right(answer: str, truth: str) -> bool:
    return strict.judge_answer(answer, truth) is Verdict.RIGHT


AROUND = st.sampled_from(
    [
        "\\boxed{{{}}}",
        "$\\boxed{{{}}}$.",
        "**\\boxed{{{}}}**",
        "(\\boxed{{{}}})",
        "x = \\boxed{{{}}}",
        "The answer is \\boxed{{{}}}.",
        "3 red and 4 blue give \\boxed{{{}}} objects",
        "\\boxed{{{}}}. Check: it is what we wanted.",
        "\\boxed{{{0}}}. Final answer: \\boxed{{{0}}}",
        "\\boxed{{{0}}} \\boxed{{{0}}}",
        "\\boxed{{\\boxed{{{}}}}}",
        "答案为\\boxed{{{}}}。",
    ]
)


@settings(max_examples=100, deadline=None)
@given(small, small, AROUND)
def test_a_box_states_what_is_inside(value: int, other: int, form: str) -> None:
    assert _right(form.format(value), str(value))
    assert _right(form.format(value), str(other)) is (value == other)


BESIDE = st.sampled_from(
    [
        "\\boxed{{{0}}} or {1}",
        "\\boxed{{{0}}}, no, {1}",
        "\\boxed{{{0}}} and \\boxed{{{1}}}",
        "\\boxed{{{1}}}, \\boxed{{{0}}}",
        "\\boxed{{{0}}} million",
        "\\boxed{{{0}}}\\%",
        "-\\boxed{{{0}}}",
        "2\\boxed{{{0}}}",
        "{1} + \\boxed{{{0}}}",
        "\\boxed{{{0}}}^2",
        "\\boxed{{{0}}}x",
        "\\boxed{{{0}}}\\sqrt{{2}}",
        "\\boxed{{{0}}} is wrong",
        "not \\boxed{{{0}}}",
        "\\boxed{{{0}}}{{2}}",
    ]
)


@settings(max_examples=150, deadline=None)
@given(small, small, BESIDE)
def test_what_stands_beside_a_box_belongs_to_it(value: int, other: int, form: str) -> None:
    assume(value != other)
    assert not _right(form.format(value, other), str(value))
    assert not _right(form.format(value, other), str(other))


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("\\boxed{5}\\text{ cm}", "5 cm", True),
        ("\\boxed{5} m", "5 cm", False),
        ("\\boxed{5}\\%", "5%", True),
        ("-\\boxed{5}", "-5", True),
        ("\\$\\boxed{5}", "$5", True),
        ("\\boxed{5} and \\boxed{6}", "5, 6", True),
        ("\\boxed{x = 2} and \\boxed{x = 3}", "x = 3 or x = 2", True),
        ("\\boxed{B} is incorrect", "B", False),
        ("\\boxed{A} or \\boxed{B}", "B", False),
        ("\\boxed{\\frac{1}{2}}\\pi", "\\frac{\\pi}{2}", True),
    ],
)
def test_units_signs_and_several_boxes(answer: str, truth: str, right: bool) -> None:
    assert _right(answer, truth) is right
