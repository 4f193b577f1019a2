"""Kinds compare with kinds: what each kind of answer is read as, and that another value of it is never the same."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mr1.cli import app
from mr1.errors import UserError
from mr1.judge import strict
from mr1.judge.reading import read
from mr1.judge.truth import Kind, Tolerance, Truth
from mr1.judge.verdict import LONGEST_ANSWER, Verdict

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases"

RIGHT = """
10 to 20 | 10-20
from 10 to 20 | 10-20
between 10 and 20 | 10-20
10–20 cm | 10-20 cm
10 cm to 20 cm | 10-20 cm
$10-$20 | $10 - $20
$10-20 | $10-$20
5%-10% | 5-10%
January 15, 2024 | 2024-01-15
15 Jan 2024 | 2024-01-15
Jan. 15th, 2024 | 2024-01-15
2024年1月15日 | 2024-01-15
01/15/2024 | 2024-01-15
The date is January 15, 2024. | 2024-01-15
March 2024 | Mar 2024
2:30 PM | 2:30 pm
14:30 | 2:30 pm
2:30 p.m. | 14:30
The time is 2:30. | 2:30
3 o'clock | 3:00
下午2点半 | 14:30
noon | 12:00 pm
1 h 2 min 3 s | 1:02:03
1 hour and 30 minutes | 90 min
1.5 hours | 90 minutes
6:4 | 3:2
1.5 | 3:2
2:4:6 | 1:2:3
( 1 , 2 ) | (1,2)
1, 2 | (1,2)
\\langle 1, 2 \\rangle | (1,2)
1, 2 | \\{2, 1\\}
82, 46 and 19 | 19, 46, and 82
[0,1) | [0, 1)
(-\\infty, 1) \\cup (2, \\infty) | (-∞,1)∪(2,∞)
3 < x | x > 3
2x+1 | y = 2x + 1
y^2 + x^2 = 1 | x^2 + y^2 = 1
two hundred | 200
1.5 million | 1500000
3万 | 30000
5 dozen | 60
101_{2} | 101_2
0b101 | 101_2
101 base 2 | 101_2
3rd | 3
third | 3rd
Yes, there are. | yes
True | yes
No, there is not. | no
The cube is red. | red
"red" | red
the red cube | red cube
C, A | A, C
A and C | AC
[B] | B
故选：B | B
Answer: **D** | D
The correct answer is (C) | C
J. 5 cm | J
77°F | 25°C
298.15 K | 25 ℃
60 kilometers per hour | 60 km/h
5 dollars | $5
¥5 | 5元
1807 | 1807千焦
一共有15个。 | 15
\\{80, \\frac{32}{14}\\} | 80 and 16/7
-6 - 7t^3 | -7t³ - 6
2756 mW | 2756毫瓦
30°15' | 30.25°
30^\\circ 15' | 30°15′
5 ft 3 in | 63 inches
about 5 | 5
3.1416 | about 3.14
at least 3 | at least 3
0.\\overline{3} | 1/3
y = 4, x = 3 | x=3, y=4
\\pm 2 | 2, -2
5, because the triangle is isosceles | 5
There are 5 apples in the picture. | 5 apples
3 × 10^8 m/s | 3e8 m/s
[[1,2],[3,4]] | \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}
2\\sqrt{3} cm | √12 cm
(\\sqrt{2}, 1) | (√2, 1)
75% | 3/4
三百二十一 | 321
"""

WRONG = """
20-10 | 10-20
15 | 10-20
-10 | 10-20
10-20 | -10
5 - 3 | 2
2024-01-16 | 2024-01-15
01/02/2024 | 2024-01-02
2008 | 2024-01-15
2:30 am | 2:30 pm
2:30 | 2:30 pm
6:15 | 12:30
2:3 | 3:2
(2, 1) | (1,2)
(0,1) | [0,1)
(-\\infty, 2) | (-∞,1)
19, 46 | 19, 46, and 82
19 | 19, 46, and 82
x < 3 | x > 3
2x+2 | y = 2x + 1
5 thousand | 5
5 billion | 5 million
101_3 | 101_2
101 | 101_2
5 | 101_2
4th | 3rd
yes | no
It is not red | red
blue | red
red | red cube
A | A, C
25 °F | 25°C
25° | 25°C
60 m/s | 60 km/h
€5 | $5
2 radians | 2 degrees
at least 3 | 3
more than 3 | at least 3
x = 4, y = 3 | x=3, y=4
x = 3, y = 4 | 4
7 or 8 | 7
5 oranges | 5 apples
5 red apples | 5 apples
London is big | Paris is big
CD = 5 | AB = 5
one | the one on the left
5 is wrong | 5
not x = 2 | x = 2
(B) or X | B
up to ≈ 3.6056 | √13
139 dollars | 139 cubes
139 cubes | 139 dollars
x = 2 or x = 3 | x = 2
\\begin{vmatrix} 1 & 2 \\\\ 3 & 4 \\end{vmatrix} | \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}
"""


def _pairs(lines: str) -> list[tuple[str, str]]:
    return [(answer, truth) for answer, truth in (line.split(" | ") for line in lines.strip().split("\n"))]


@pytest.mark.parametrize(("answer", "truth"), _pairs(RIGHT))
def test_the_same_in_another_notation_is_right(answer: str, truth: str) -> None:
    assert strict.judge_answer(answer, truth) is Verdict.RIGHT


@pytest.mark.parametrize(("answer", "truth"), _pairs(WRONG))
def test_another_value_or_another_kind_is_wrong(answer: str, truth: str) -> None:
    assert strict.judge_answer(answer, truth) is Verdict.WRONG
    assert strict.judge_answer(truth, truth) is Verdict.RIGHT


@pytest.mark.parametrize(
    ("answer", "truth", "stated", "verdict"),
    [
        ("1.10", "1.1", {"kind": Kind.VERSION}, Verdict.WRONG),
        ("version 1.10", "1.10", {"kind": Kind.VERSION}, Verdict.RIGHT),
        ("10:20", "1:2", {"kind": Kind.RATIO}, Verdict.RIGHT),
        ("3:2", "3-2", {"kind": Kind.SCORE}, Verdict.RIGHT),
        ("2-3", "3-2", {"kind": Kind.SCORE}, Verdict.WRONG),
        ("Room 12b", "Room 12B", {"kind": Kind.TEXT}, Verdict.RIGHT),
        ("Room 12A", "Room 12B", {"kind": Kind.TEXT}, Verdict.WRONG),
        ("2024", "2024", {"kind": Kind.DATE}, Verdict.RIGHT),
        ("A, C", "AC", {"kind": Kind.CHOICE}, Verdict.RIGHT),
        ("2, 1", "1, 2", {"kind": Kind.TUPLE}, Verdict.WRONG),
        ("red", "red", {"kind": Kind.NUMBER}, Verdict.UNREADABLE_TRUTH),
        ("105", "100", {"tolerance": Tolerance(Fraction(1, 20))}, Verdict.RIGHT),
        ("106", "100", {"tolerance": Tolerance(Fraction(1, 20))}, Verdict.WRONG),
        ("10√110", "105", {"tolerance": Tolerance(Fraction(1, 20))}, Verdict.RIGHT),
        ("3.14159", "3.14", {"tolerance": Tolerance(decimals=2)}, Verdict.RIGHT),
        ("3.146", "3.14", {"tolerance": Tolerance(decimals=2)}, Verdict.WRONG),
        ("3", "3%", {"percent": "strict"}, Verdict.WRONG),
        ("0.03", "3%", {"percent": "strict"}, Verdict.RIGHT),
        ("8", "8cm", {"units": "required"}, Verdict.WRONG),
        ("80 mm", "8cm", {"units": "required"}, Verdict.RIGHT),
        ("Red", "red", {"case": True}, Verdict.WRONG),
        ("5 cm", "B", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.RIGHT),
        ("B. 5 cm", "B", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.RIGHT),
        ("B. 7 cm", "B", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.WRONG),
        ("7 cm", "B", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.WRONG),
        ("B", "5 cm", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.RIGHT),
        ("C", "5 cm", {"choices": ("3 cm", "5 cm", "7 cm")}, Verdict.WRONG),
        ("The answer is red", "A", {"choices": ("red", "blue")}, Verdict.RIGHT),
        ("A. red", "red", {"choices": ("red", "blue")}, Verdict.RIGHT),
        ("blue", "A", {"choices": ("red", "blue")}, Verdict.WRONG),
    ],
)
def test_what_a_source_states_decides(answer: str, truth: str, stated: dict[str, Any], verdict: Verdict) -> None:
    assert strict.judge_answer(answer, Truth((truth,), **stated)) is verdict


def test_any_of_several_truths_is_right() -> None:
    truth = Truth(("Paris", "the capital of France"))
    assert [strict.judge_answer(said, truth) for said in ("paris", "capital of France", "London")] == [
        Verdict.RIGHT,
        Verdict.RIGHT,
        Verdict.WRONG,
    ]


def test_truths_pass_to_a_worker_whole() -> None:
    truth = Truth(("1", "2"), Kind.NUMBER, Tolerance(Fraction(1, 20), 2), "strict", "required", True, ("a", "b"))
    assert Truth.loads(truth.dumps()) == truth
    assert Truth.loads(Truth(("é",)).dumps()) == Truth(("é",))


def test_a_judgement_says_why() -> None:
    found = strict.explain("20-30", "10-20")
    assert (found.verdict, found.rule) == (Verdict.WRONG, "both ends, in their order")
    assert (str(found.said), str(found.gold)) == ("20 to 30", "10 to 20")
    assert strict.explain("3 red", "3 blue").rule == "the words beside the values differ"
    assert strict.explain("7", "yes").rule == "number is not yes/no"
    assert strict.told("<answer>20-30</answer>", "10-20") == (
        "read as range 20 to 30; the truth as range 10 to 20; both ends, in their order"
    )
    assert strict.told("20-30", "10-20") == "no closed <answer> tag"
    assert strict.told("<answer>7</answer>", "7 or 8").startswith("the truth says nothing: it states several values")
    assert "says nothing that can be compared" in strict.unreadable("7 or 8")
    assert not strict.unreadable(Truth(("7", "8")))


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the data beside the repository")
@pytest.mark.parametrize(
    ("file", "verdict", "but"),
    [
        ("wrong-but-right-sums.jsonl", Verdict.WRONG, {"1.10"}),  # a decimal, unless the source says version
        ("wrong-but-right-words.jsonl", Verdict.WRONG, set()),
        ("matrix-wrong-but-right.jsonl", Verdict.WRONG, set()),
        ("matrix-right-but-wrong.jsonl", Verdict.RIGHT, set()),
        ("right-but-wrong-numbers.jsonl", Verdict.RIGHT, set()),
        ("right-but-wrong-choices.jsonl", Verdict.RIGHT, set()),
    ],
)
def test_reported_cases(file: str, verdict: Verdict, but: set[str]) -> None:
    rows = [json.loads(line) for line in (CASES / file).read_text(encoding="utf-8").splitlines()]
    found = {row["model_output"]: strict.judge(row["model_output"], row["ground_truth"]) for row in rows}
    assert {output for output, each in found.items() if each is not verdict} == {
        f"<answer>{each}</answer>" for each in but
    }


# Each kind as a property: the same thing written otherwise is right, any other thing is wrong.

small = st.integers(0, 400)
ends = st.tuples(small, small)
letter = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=9)
FRAMES = ("{}", "The answer is {}.", "**{}**", "\\boxed{{{}}}", "so, {}", "答案是{}")


def _verdict(same: bool) -> Verdict:
    return Verdict.RIGHT if same else Verdict.WRONG


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(small, small),
    st.tuples(small, small),
    st.sampled_from(["{}-{}", "{} to {}", "{} – {}"]),
    st.sampled_from(FRAMES),
)
def test_a_range_is_its_ends(said: tuple[int, int], gold: tuple[int, int], form: str, frame: str) -> None:
    assert strict.judge_answer(frame.format(form.format(*said)), f"{gold[0]}-{gold[1]}") is _verdict(said == gold)
    assert strict.judge_answer(frame.format(form.format(*gold)), f"{gold[0]}-{gold[1]}") is Verdict.RIGHT
    assert strict.judge_answer(f"{said[0]}-{said[1]}", str(said[0] - said[1])) is Verdict.WRONG


@settings(max_examples=150, deadline=None)
@given(
    st.dates(date(1900, 1, 1), date(2099, 12, 31)),
    st.integers(-400, 400),
    st.sampled_from(["%Y-%m-%d", "%B %d, %Y", "%d %b %Y", "%Y年%m月%d日", "%Y/%m/%d"]),
)
def test_a_date_is_its_day(gold: date, days: int, form: str) -> None:
    said = gold + timedelta(days)
    assert strict.judge_answer(said.strftime(form), gold.isoformat()) is _verdict(days == 0)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1439), st.integers(0, 1439))
def test_a_time_is_its_minute(said: int, gold: int) -> None:
    def twelve(minute: int) -> str:
        return f"{(minute // 60 - 1) % 12 + 1}:{minute % 60:02} {'am' if minute < 720 else 'pm'}"

    assert strict.judge_answer(twelve(said), twelve(gold)) is _verdict(said == gold)
    assert strict.judge_answer(twelve(gold), twelve(gold)) is Verdict.RIGHT
    assert strict.judge_answer(f"{said // 60:02}:{said % 60:02}", f"{gold // 60:02}:{gold % 60:02}") is _verdict(
        said == gold
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(small, min_size=2, max_size=5), st.data())
def test_order_counts_in_a_tuple_and_not_in_a_list(items: list[int], data: st.DataObject) -> None:
    said = data.draw(st.permutations(items))
    written = ", ".join(map(str, said))
    assert strict.judge_answer(f"({written})", f"({', '.join(map(str, items))})") is _verdict(said == items)
    assert strict.judge_answer(written, ", ".join(map(str, items))) is Verdict.RIGHT
    changed = [items[0] + 1, *items[1:]]
    assert strict.judge_answer(", ".join(map(str, changed)), ", ".join(map(str, items))) is Verdict.WRONG


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(-99, 99), min_size=2, max_size=2), min_size=1, max_size=3), st.data())
def test_a_matrix_is_its_entries(rows: list[list[int]], data: st.DataObject) -> None:
    def latex(rows: list[list[int]], shape: str = "pmatrix") -> str:
        return f"\\begin{{{shape}}}" + "\\\\".join("&".join(map(str, row)) for row in rows) + f"\\end{{{shape}}}"

    assert strict.judge_answer(latex(rows, "bmatrix"), latex(rows)) is Verdict.RIGHT
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 1))
    changed = [[*each] for each in rows]
    changed[row][column] += data.draw(st.sampled_from([-1, 1, 10]))
    assert strict.judge_answer(latex(changed), latex(rows)) is Verdict.WRONG


MEASURES = ("cm", "kg", "hours", "km/h", "°C", "degrees", "dollars", "liters", "Hz", "N", "volts", "m^2", "percent")


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 999), st.sampled_from(MEASURES), st.sampled_from(MEASURES))
def test_units_of_different_things_are_never_the_same(value: int, said: str, gold: str) -> None:
    assert strict.judge_answer(f"{value} {said}", f"{value} {gold}") is _verdict(said == gold)


SCALES = {"": 1, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "万": 10**4, "亿": 10**8}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 99), st.sampled_from([*SCALES]), st.sampled_from([*SCALES]))
def test_multipliers_multiply(value: int, said: str, gold: str) -> None:
    assert strict.judge_answer(f"{value} {said}", f"{value} {gold}") is _verdict(said == gold)
    assert strict.judge_answer(f"{value} {said}", str(value * SCALES[said])) is Verdict.RIGHT


@settings(max_examples=100, deadline=None)
@given(
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=9),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=9),
)
def test_words_that_nobody_understands_must_agree(said: str, gold: str) -> None:
    from mr1.judge.frame import HEDGES, content_words
    from mr1.judge.numbers import literal_at
    from mr1.judge.quantity import _CHANGED
    from mr1.judge.units import unit_at

    assume(not _CHANGED.search(f"{said} {gold}"))  # 3 factorial is another value than 3
    assume(said.rstrip("s") != gold.rstrip("s") and not {said, gold} & HEDGES)
    assume(all(content_words(word) and literal_at(word) is None and unit_at(word) is None for word in (said, gold)))
    assert strict.judge_answer(f"3 {said}", f"3 {gold}") is Verdict.WRONG
    assert strict.judge_answer(f"3 {gold}", f"3 {gold}") is Verdict.RIGHT


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.sampled_from([2, 3, 7, 8, 16]), st.sampled_from([2, 3, 7, 8, 16]), st.integers(-1, 1))
def test_a_number_in_a_base_keeps_its_base(value: int, said: int, gold: int, off: int) -> None:
    def digits(value: int, base: int) -> str:
        return (digits(value // base, base) if value >= base else "") + "0123456789ABCDEF"[value % base]

    same = said == gold and off == 0
    assert strict.judge_answer(f"{digits(value + off, said)}_{{{said}}}", f"{digits(value, gold)}_{gold}") is _verdict(
        same
    )


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=1, max_size=4),
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)
def test_letters_are_a_set(gold: set[str], other: str) -> None:
    truth = Truth((", ".join(sorted(gold)),), Kind.CHOICE)
    assert strict.judge_answer(", ".join(sorted(gold, reverse=True)), truth) is Verdict.RIGHT
    assert strict.judge_answer("".join(sorted(gold)), truth) is Verdict.RIGHT
    assert strict.judge_answer(", ".join(gold | {other}), truth) is _verdict(other in gold)


@pytest.mark.parametrize(
    "text",
    [
        "20√{20√{\\int_0^220√{20√{\\int_0^2}" * 4 + "海里",
        "\\alpha\\beta 123456789" * 20 + "海",
        "A  B  C  " * 40 + "x",
        "[[1]   " * 60,
        "one hundred and " * 30 + "x",
        "1, 2, and " * 40 + "?x",
        "((((" + "a b " * 80,
    ],
)
def test_no_text_is_read_twice_over(text: str) -> None:
    start = time.process_time()
    for kind in (None, *Kind):
        read(text[:500], kind)
    assert time.process_time() - start < 1.0


def test_the_command_says_what_is_read_and_what_decided() -> None:
    runner = CliRunner()
    told = runner.invoke(app, ["judge", "10 to 20 cm", "10-20cm", "--explain"])
    assert told.exit_code == 0
    assert told.output.splitlines() == [
        "verdict right",
        "answer  range: 10 in cm to 20 in cm",
        "truth   range: 10 in cm to 20 in cm",
        "rule    both ends, in their order",
    ]
    assert runner.invoke(app, ["judge", "7", "8"]).output == "wrong\n"
    assert runner.invoke(app, ["judge", "7", "8"]).exit_code == 1
    assert runner.invoke(app, ["judge", "8", "7", "8"]).exit_code == 0
    assert runner.invoke(app, ["judge", "1.10", "1.1", "--kind", "version"]).exit_code == 1
    assert runner.invoke(app, ["judge", "red", "A", "--choice", "red", "--choice", "blue"]).exit_code == 0
    found = json.loads(runner.invoke(app, ["judge", "--json", "--", "-5", "minus five"]).output)
    assert found == {
        "verdict": "right",
        "answer": "number: -5",
        "truth": "number: minus five",
        "rule": "values are compared in the truth's unit",
    }
    mistaken = runner.invoke(app, ["judge", "7", "7", "--kind", "numbr"])
    assert isinstance(mistaken.exception, UserError)
    assert "--kind: unknown 'numbr'" in str(mistaken.exception)


def test_of_a_choice_longer_than_is_read_the_letter_alone_counts() -> None:
    truth = Truth(("B",), choices=("5", "7" * (LONGEST_ANSWER + 1)))
    assert strict.judge_answer("B", truth) is Verdict.RIGHT
    assert strict.judge_answer("A", truth) is Verdict.WRONG
    assert strict.judge_answer("7" * LONGEST_ANSWER, truth) is Verdict.WRONG
