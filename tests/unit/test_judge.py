"""The judge's rules: where an answer is, what it says, and whether that is the truth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import compare, r1v, strict
from mr1.judge.notation import canonical
from mr1.judge.numbers import literal_at
from mr1.judge.reading import read
from mr1.judge.tags import last_answer
from mr1.judge.units import unit_at
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
        (r"\boxed{1", r"\boxed{1"),
        ("**7**", "7"),
        ("3*4*5", "3*4*5"),
        (r"12{,}345 and 12,\!345 and 10\,000", "12,345 and 12,345 and 10,000"),
        ("½ and 3½", r"\frac{1}{2} and 3\frac{1}{2}"),
        ("10⁻³ H₂O", "10^{-3} H_{2}O"),
        ("$5 and $6", "$5 and $6"),
        (r"\$5 and $x$", "$5 and  x"),
        ("25℃", "25°C"),
    ],
)
def test_notation(text: str, latex: str) -> None:
    assert canonical(text) == latex


@pytest.mark.parametrize(
    ("text", "dimension", "size"),
    [
        ("cm", "length", "1/100"),
        ("km", "length", "1000"),
        ("cm^{2}", "length 2", "1/10000"),
        ("m2", "length 2", "1"),
        ("cubic metres", "length 3", "1"),
        ("平方米", "length 2", "1"),
        ("海里", "length", "1852"),
        ("nautical mile", "length", "1852"),
        ("°", "angle", "1"),
        ("percent", "percent", "1/100"),
        ("min", "time", "60"),
        ("小时", "time", "3600"),
        ("g", "mass", "1/1000"),
        ("km/h", "length time -1", "5/18"),
        ("metres per second", "length time -1", "1"),
        ("米/秒", "length time -1", "1"),
        ("N m", "length 2 mass time -2", "1"),
        ("kg m^{-3}", "length -3 mass", "1"),
        ("dollars", "money:USD", "1"),
    ],
)
def test_units(text: str, dimension: str, size: str) -> None:
    found = unit_at(text)
    assert found is not None
    unit, end = found
    assert end == len(text)
    assert " ".join(name if power == 1 else f"{name} {power}" for name, power in unit.dimension) == dimension
    assert unit.size == Fraction(size)


@pytest.mark.parametrize("text", ["", "8", "cubes", "red", "hands", "points", "people", "a", "as", "xm"])
def test_what_is_no_unit(text: str) -> None:
    assert unit_at(text) is None


def test_temperatures_have_a_zero_of_their_own() -> None:
    celsius, fahrenheit = (found[0] for found in map(unit_at, ("°C", "degrees Fahrenheit")) if found)
    assert celsius.same(fahrenheit)
    factor, offset = celsius.to(fahrenheit)
    assert 25 * factor + offset == 77


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("1,234.50", "1234.5", ""),
        ("-7 cm", "-7", " cm"),
        ("1.5e3", "1500", ""),
        ("3 * 10^{8}", "3e8", ""),
        ("10^{-3}", "1/1000", ""),
        ("1,23", "1", ",23"),
        ("3/4", "3/4", ""),
        (r"\frac{3}{4}", "3/4", ""),
        (r"-1\frac{1}{2}", "-3/2", ""),
        ("-1 1/2", "-3/2", ""),
        (r"0.1\overline{6}", "1/6", ""),
        ("0.(3)", "1/3", ""),
        ("0.333...", "1/3", ""),
        ("3.1415...", "3.1415", ""),
        ("1.5 million", "1500000", ""),
        ("5k", "5000", ""),
        ("3万", "30000", ""),
        ("3rd", "3", ""),
        ("Twenty-one cubes", "21", " cubes"),
        ("two hundred and five", "205", ""),
        ("minus three", "-3", ""),
        ("two thirds", "2/3", ""),
        ("one and a half", "3/2", ""),
        ("three point one four", "3.14", ""),
        ("twenty-first", "21", ""),
        ("a dozen", "12", ""),
        ("三百二十一", "321", ""),
        ("两万", "20000", ""),
        ("负三点五", "-3.5", ""),
    ],
)
def test_numbers(text: str, value: str, rest: str) -> None:
    found = literal_at(text)
    assert found is not None
    assert (found[0].value, text[found[1] :]) == (Fraction(value), rest)


@pytest.mark.parametrize(
    "text", ["1/0", r"1\frac{1}{0}", "none", "alone", "tone", "a", "and", "hundred", "twenty eleven", ""]
)
def test_what_is_no_number(text: str) -> None:
    found = literal_at(text)
    assert found is None or found[1] < len(text)


def test_what_an_answer_says() -> None:
    def said(text: str) -> str:
        reading = read(text)
        return f"{reading.kind}: {reading}"

    assert said("The area is 9π square cm.") == r"number: 9\pi in square cm (area)"
    assert said("B. 5 cm") == "number: B: 5 in cm"
    assert said("the answer is Red") == "text: Red"
    assert said("AB = 2") == "number: 2 (ab)"
    assert said("x+y=2") == "equation: x+y=2"
    assert said("between 10 and 20 red cubes") == "range: 10 to 20 (cube red)"
    assert said("x = 1, y = 2") == "list: 1 (x), 2 (y)"
    for nothing in ("", " ", ".", "7 or 8", "not 7", "0{3}{5}", "7 8", "=", "\0", "A. 1 B. 2", "2 - 1 = or"):
        assert read(nothing).value is None, nothing


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
    significant = len(said.replace(".", "").lstrip("0")) >= compare.FEWEST_DIGITS
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
