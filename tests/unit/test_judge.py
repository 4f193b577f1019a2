"""The judge's rules: where an answer is, what it says, and whether that is the truth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import r1v, strict
from mr1.judge.notation import canonical
from mr1.judge.numbers import read_decimal, read_fraction, with_digits
from mr1.judge.reading import Reading, is_equation, read
from mr1.judge.tags import last_answer
from mr1.judge.units import Unit, split_unit
from mr1.judge.verdict import DEEPEST_ANSWER, LONGEST_ANSWER, LONGEST_OUTPUT, Verdict

DOCS = Path(__file__).parents[2] / "docs" / "judge.md"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think><answer>7</answer>", "7"),
        ("<answer>1</answer> no, <answer> 2\n</answer>", "2"),
        ("<answer>\n12\n</answer>", "12"),
        ("<answer>1 <answer>2</answer>", "2"),
        ("<answer>1</answer></answer>", "1"),
        ("<answer>1</answer><answer>2", "1"),
        ("<answer></answer>", ""),
        ("the answer is 7", None),
        ("<answer>7", None),
        ("7</answer>", None),
        ("</answer><answer>", None),
    ],
)
def test_the_last_closed_tag_counts(text: str, answer: str | None) -> None:
    assert last_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        (" 8√{3} ", r"8\sqrt{3}"),
        ("2√3", r"2\sqrt{3}"),
        ("√(1+√(2))", r"\sqrt{1+\sqrt{2}}"),
        ("5sqrt(3)", r"5\sqrt {3}"),
        ("4π", r"4\pi"),
        ("2 pi", r"2 \pi"),
        ("−３×２", "-3*2"),
        ("cm²", "cm^{2}"),
        ("2**10", "2^{10}"),
        ("90^{\\circ}", "90°"),
        (r"\left(\dfrac{1}{2}\right)", r"(\frac{1}{2} )"),
        (r"$$\text{about } 5\%$$", "about   5%"),
        (r"so \boxed{1} no, \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1", r"\boxed{1"),
        ("**7**", "7"),
        ("3(4)", "3*(4)"),
    ],
)
def test_notation(text: str, latex: str) -> None:
    assert canonical(text) == latex


@pytest.mark.parametrize(
    ("text", "value", "dimension", "size"),
    [
        ("8cm", "8", "length", "1/100"),
        ("8 km", "8", "length", "1000"),
        ("4\\pi cm", "4\\pi", "length", "1/100"),
        ("400cm^{2}", "400", "area", "1/10000"),
        ("5cm^2^", "5", "area", "1/10000"),
        ("5 m2", "5", "area", "1"),
        ("5 cubic metres", "5", "volume", "1"),
        ("16平方米", "16", "area", "1"),
        ("20海里", "20", "length", "1852"),
        ("1 nautical mile", "1", "length", "1852"),
        ("70°", "70", "angle", "1"),
        ("3 percent", "3", "percent", "1/100"),
        ("5min", "5", "time", "60"),
        ("2小时", "2", "time", "3600"),
        ("500 g", "500", "mass", "1/1000"),
    ],
)
def test_units(text: str, value: str, dimension: str, size: str) -> None:
    assert split_unit(text) == (value, Unit(dimension, Fraction(size)))


@pytest.mark.parametrize("text", ["8", "m", "2ab", "2m + 1", "xm", "8 cubes"])
def test_what_ends_in_no_unit(text: str) -> None:
    assert split_unit(text) == (text, None)


def test_numbers() -> None:
    assert read_decimal("1,234.50") == (Fraction("1234.5"), 2)
    assert read_decimal("-7") == (Fraction(-7), 0)
    assert read_decimal("1.5e3") == (Fraction(1500), 1)
    assert read_decimal("1,23") is None
    assert read_fraction("3/4") == read_fraction(r"\frac{3}{4}") == read_fraction("3:4") == Fraction(3, 4)
    assert read_fraction(r"-1\frac{1}{2}") == read_fraction("-1 1/2") == Fraction(-3, 2)
    assert read_fraction("1/0") is None
    assert read_fraction(r"1\frac{1}{0}") is None
    assert with_digits("Twenty-one or seventeen, zero, sixty") == "21 or 17, 0, 60"
    assert with_digits("none alone, tone, \\ten") == "none alone, tone, \\ten"


def test_what_an_answer_says() -> None:
    assert read("The area is 9π square cm.") == Reading(latex=r"9\pi", unit=Unit("area", Fraction(1, 10_000)))
    assert read("B. 5 cm") == Reading(
        "B", latex="5", number=Fraction(5), decimals=0, unit=Unit("length", Fraction("0.01"))
    )
    assert read("the answer is Red") == Reading(words="red")
    assert read("AB = 2") == Reading(latex="2", number=Fraction(2), decimals=0)
    assert read("x+y=2", equation=True) == Reading(latex="x+y=2")
    for nothing in ("", " ", ".", "7 or 8", "3 red and 4 blue", "not 7", "0{3}{5}", "7 8", "=", "\0", "A. 1 B. 2"):
        assert read(nothing) is None
    assert not is_equation("x = 3")
    assert not is_equation("3")
    assert is_equation("x^2 + y^2 = 1")
    assert is_equation("x = 1, y = 2")


def _documented() -> list[list[str]]:
    """The rows of docs/judge.md's table of examples."""
    lines = DOCS.read_text(encoding="utf-8").split("\n")
    start = lines.index("| answer | truth | verdict | why |") + 2
    rows = [line.strip("|").split("|") for line in lines[start : lines.index("", start)]]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


@pytest.mark.parametrize("row", _documented(), ids=lambda row: f"{row[0]} = {row[1]}")
def test_strict_does_as_documented(row: list[str]) -> None:
    answer, truth, verdict, _ = row
    assert strict.judge_answer(answer, truth) == verdict
    assert strict.judge(f"<think>{truth}</think>\n<answer> {answer}\n</answer>", truth) == verdict


TEMPLATES = (
    "{}",
    "{}.0",
    " {} ",
    "{}°",
    "{} cm",
    "${}$",
    "There are {} cubes.",
    "x = {}",
    "\\boxed{{{}}}",
    "9 and so {}",
)


@settings(max_examples=200, deadline=None)
@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from(TEMPLATES))
def test_strict_tells_any_two_integers_apart(said: int, truth: int, template: str) -> None:
    expected = Verdict.RIGHT if said == truth else Verdict.WRONG
    assert strict.judge_answer(template.format(said), str(truth)) is expected
    assert strict.judge_answer(template.format(truth), str(truth)) is Verdict.RIGHT


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 99), st.integers(2, 99), st.integers(1, 5))
def test_a_decimal_stands_for_a_fraction_within_half_a_unit_of_its_last_place(
    above: int, below: int, more: int
) -> None:
    digits = 2 + more
    value = Fraction(above, below)
    said = f"{float(value):.{digits}f}"
    exact = Fraction(said) == value
    significant = len(said.replace(".", "").lstrip("0")) >= strict.FEWEST_DIGITS
    expected = Verdict.RIGHT if exact or significant else Verdict.WRONG
    assert strict.judge_answer(said, f"\\frac{{{above}}}{{{below}}}") is expected
    beyond = f"{float(value) + 2 * 10.0**-digits:.{digits}f}"
    assert strict.judge_answer(beyond, f"\\frac{{{above}}}{{{below}}}") is Verdict.WRONG


def test_strict_leaves_large_answers_and_truths_unread() -> None:
    assert strict.judge_answer("1" * (LONGEST_ANSWER + 1), "7") is Verdict.TOO_LARGE
    assert strict.judge_answer("(" * (DEEPEST_ANSWER + 1), "7") is Verdict.TOO_LARGE
    assert strict.judge_answer(" " * 100_000 + "7", "7") is Verdict.RIGHT
    assert strict.judge_answer("7", "7" * (LONGEST_ANSWER + 1)) is Verdict.UNREADABLE_TRUTH
    assert strict.judge("no tag", "7") is Verdict.MISSING
    assert strict.judge("no tag", "\\frac{1}{") is Verdict.UNREADABLE_TRUTH
    assert strict.judge_answer("(" * 1000, "\\frac{1}{") is Verdict.UNREADABLE_TRUTH


@pytest.mark.parametrize(
    ("output", "truth", "verdict"),
    [
        ("<answer> 4 </answer>", "4", Verdict.RIGHT),
        ("<answer>04</answer>", "4", Verdict.RIGHT),
        ("<answer>4</answer><answer>5</answer>", "4", Verdict.RIGHT),  # the first tag
        ("<answer>four</answer><answer>5</answer>", "5", Verdict.RIGHT),  # the first that holds an integer
        ("<answer>4.0</answer>", "4", Verdict.MISSING),
        ("<answer>5</answer>", "4", Verdict.WRONG),
        ("4", "4", Verdict.MISSING),
        ("<answer>4</answer>", "four", Verdict.UNREADABLE_TRUTH),
        (f"<answer>{'4' * 9999}</answer>", "4", Verdict.WRONG),
        ("4" * (LONGEST_OUTPUT + 1), "4", Verdict.TOO_LARGE),
    ],
)
def test_r1v_on_superclevr(output: str, truth: str, verdict: Verdict) -> None:
    assert r1v.tagged_integer(output, truth) is verdict


@pytest.mark.parametrize(
    ("output", "truth", "verdict"),
    [
        ("so it is 40. <answer>40</answer>", "40°", Verdict.RIGHT),
        ("therefore the answer is 40.", "40°", Verdict.RIGHT),
        ("from 8 follows <answer>9</answer>", "8√{3}", Verdict.RIGHT),  # the truth is read as 8
        ("<answer>√3</answer>", "√{3}", Verdict.UNREADABLE_TRUTH),
        ("4" * (LONGEST_OUTPUT + 1), "4", Verdict.TOO_LARGE),
    ],
)
def test_r1v_on_geoqa(output: str, truth: str, verdict: Verdict) -> None:
    assert r1v.whole_output(output, truth) is verdict


@pytest.mark.parametrize(
    ("output", "truth", "verdict"),
    [
        ("1 red, so <answer>no</answer>", "1", Verdict.RIGHT),
        ("<answer> √3 </answer> <answer>2</answer>", "√3", Verdict.RIGHT),  # the first tag's text
        ("<answer> √3 </answer>", "<answer>√3</answer>", Verdict.RIGHT),
        ("red", "red", Verdict.RIGHT),  # without tags the whole texts
        ("<answer>red\n</answer>", "red", Verdict.UNREADABLE_TRUTH),  # the tag must not span lines
        ("<answer>5</answer>", "4", Verdict.WRONG),
    ],
)
def test_r1v_in_training(output: str, truth: str, verdict: Verdict) -> None:
    assert r1v.training_reward(output, truth) is verdict
