"""Ways of writing an answer that were once refused, and what is near to them and wrong, by kind."""

from __future__ import annotations

from fractions import Fraction

import pytest
from benchmarks.judge.spoken import english
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import strict
from mr1.judge.truth import Kind, Tolerance, Truth
from mr1.judge.verdict import Verdict

RIGHT = """
1'234'567 | 1234567
12\\ 345 | 12345
18\\mathrm{~cm} | 18 cm
三分之二 | \\frac{2}{3}
二又三分之一 | 7/3
一亿二千万 | 1.2亿
百万 | 1000000
零下40摄氏度 | -40 °C
40 °C below zero | -40 °C
100 C | 100 °C
212 F | 100 °C
5 ft 10 in | 5'10"
6' | 6 feet
an hour and a half | 90 min
half an hour | 30 min
一个半小时 | 90 min
3 \\frac{m}{s} | 3 m/s
5 kg m/s^2 | 5 N
80 kmh | 80 km/h
3 + 4 is 7 | 7
3 plus 4 equals 7 | 7
1-1/e | 1 - \\frac{1}{e}
infinity | \\infty
{\\frac{3}{4}} | 0.75
\\sin 30^\\circ | 0.5
三比四 | 3:4
on Monday | Monday
on the left | left
red and blue | red, blue
\\left(\\begin{matrix}1&2\\\\3&4\\end{matrix}\\right) | \\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}
03/2020 | March 2020
**A** and **C** | A, C
【B】 | B
{B} | B
B - 5 cm | B
I choose B. | B
(D) None of the above | D
=> 5 | 5
→ 5 | 5
### 5 | 5
<b>5</b> | 5
&nbsp;5 | 5
✅ 5 | 5
\u200e12 | 12
{"answer": 5} | 5
\\begin{align*}5\\end{align*} | 5
ans: 5 | 5
It's B. | B
B! | B
only B | B
B (6 cm) | B
Answer - B | B
The answer is B because the triangle is isosceles. | B
$15/hour | $15 per hour
15 dollars an hour | $15 per hour
30 pounds per square inch | 30 psi
3 out of 8 | 3/8
1 in 4 | 0.25
9.8 +/- 0.2 | 9.8 ± 0.2
0.1666... | 1/6
2 + 3 i | 2 + 3i
14 - 1i | 14 - i
x: 5, y: 7 | x = 5, y = 7
40° north | 40° N
Q3, 2021 | Q3 2021
img_001.png | img_001.png
3d printer | 3D printer
**2*3** | 6
***5*** | 5
5 cm (50 mm) | 5 cm
$15 per hour | $15
15 dollars per hour | $15
"""

WRONG = """
1'234'56 | 123456
三分之二 | \\frac{3}{2}
一亿二千万 | 1.2万
零下40摄氏度 | 40 °C
100 C | 100 °F
5 ft 10 in | 5'11"
6' | 6 inches
half an hour | 90 min
3 \\frac{m}{s} | 3 km/h
3 + 4 is 8 | 7
-\\infty | \\infty
\\sin 30 | 0.5
四比三 | 3:4
not on Monday | Monday
to the right | left
red and green | red, blue
\\left(\\begin{matrix}1&2\\\\3&5\\end{matrix}\\right) | \\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}
03/2021 | March 2020
**A** and **B** | A, C
{C} | B
B - C | B
I choose C. | B
(C) None of the above | D
5 → 6 | 5
{"answer": 6} | 5
=> 6 | 5
both A and B | B
A because B is wrong | B
B is not correct | B
$15 per day | $15 per hour
8 out of 3 | 3/8
9.8 | 9.8 ± 0.2
9.8 ± 0.3 | 9.8 ± 0.2
x: 7, y: 5 | x = 5, y = 7
40° S | 40° N
19 centuries | 19th century
Q2 2021 | Q3 2021
img_002.png | img_001.png
3 | 3D printer
The wrong answer is 5 | 5
It is false that the answer is 5. | 5
I doubt the answer is 5 | 5
The answer would be 5 if it were red. | 5
5 = 6 | 6
5 cm (5 m) | 5 cm
15 cents per hour | $15
$16 per hour | $15
"""


def _pairs(table: str) -> list[list[str]]:
    return [line.split(" | ") for line in table.strip().splitlines()]


@pytest.mark.parametrize(("answer", "truth"), _pairs(RIGHT))
def test_the_same_written_otherwise(answer: str, truth: str) -> None:
    assert strict.judge_answer(answer, truth) is Verdict.RIGHT


@pytest.mark.parametrize(("answer", "truth"), _pairs(WRONG))
def test_what_is_near_and_is_something_else(answer: str, truth: str) -> None:
    assert strict.judge_answer(answer, truth) is Verdict.WRONG


CHINESE = "零一二三四五六七八九"


def _chinese(number: int) -> str:
    """Below ten thousand, as it is said."""
    text, gap = "", False
    for scale, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // scale % 10
        if digit:
            text += ("零" if gap else "") + CHINESE[digit] + name
        gap = bool(text) and not digit
    return text


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 9999))
def test_chinese_numerals_with_their_scales(high: int, low: int, other: int) -> None:
    said = f"{_chinese(high)}亿{'' if low > 999 else '零'}{_chinese(low)}万"
    assert strict.judge_answer(said, str(high * 10**8 + low * 10**4)) is Verdict.RIGHT
    wrong = str(high * 10**8 + other * 10**4)
    assert (strict.judge_answer(said, wrong) is Verdict.RIGHT) is (low == other)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(1, 9))
def test_chinese_fractions(above: int, below: int, other: int) -> None:
    said = f"{CHINESE[below]}分之{CHINESE[above]}"
    assert strict.judge_answer(said, str(Fraction(above, below))) is Verdict.RIGHT
    assert (strict.judge_answer(said, f"{other}/{below}") is Verdict.RIGHT) is (above == other)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 19), st.integers(2, 19), st.integers(2, 19))
def test_ratios_in_words(first: int, second: int, other: int) -> None:
    said = f"{english(first)} to {english(second)}"
    truth = Truth((f"{first}:{second}",), Kind.RATIO)
    assert strict.judge_answer(said, truth) is Verdict.RIGHT
    said = f"{english(other)} to {english(second)}"
    assert (strict.judge_answer(said, truth) is Verdict.RIGHT) is (first == other)


CHOICES = ("Paris", "London", "None of the above", "5 or 6", "not a triangle")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_a_choice_with_its_own_text_whatever_the_text_says(gold: int, letter: int, text: int) -> None:
    truth = Truth(("ABCDE"[gold],), choices=CHOICES)
    said = f"{'ABCDE'[letter]}. {CHOICES[text]}"
    assert (strict.judge_answer(said, truth) is Verdict.RIGHT) is (gold == letter == text)


def test_a_closed_form_is_rounded_as_the_source_says() -> None:
    assert strict.judge_answer("\\sqrt{2}", Truth(("1.4",), tolerance=Tolerance(decimals=1))) is Verdict.RIGHT
    assert strict.judge_answer("\\sqrt{2}", Truth(("1.5",), tolerance=Tolerance(decimals=1))) is Verdict.WRONG
