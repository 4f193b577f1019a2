"""What chat models put around an answer inside the tag."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form, Value
from benchmarks.judge.values.numbers import Closed, Number, Quotient, Spelled
from benchmarks.judge.values.quantities import Quantity
from benchmarks.judge.values.words import Choice, Crossed, Words

_ALONE = ("{}", "{}", "{}", "{}.", " {}", "\n{}\n", "**{}**", "{}。")
_SENTENCES = (
    "The answer is {}.",
    "The answer is {}",
    "The answer is: {}",
    "The correct answer is {}.",
    "The final answer is {}.",
    "Final answer: {}",
    "**Final Answer:** {}",
    "Answer: {}",
    "Answer: **{}**",
    "**Answer: {}**",
    "The answer is **{}**",
    "The answer is **{}**.",
    "So, the answer is {}.",
    "So the answer is {}.",
    "Therefore, the answer is {}.",
    "Thus, the answer is {}.",
    "Hence, the answer is {}.",
    "Based on the image, the answer is {}.",
    "答案是{}",
    "答案是{}。",
    "答案：{}",
    "答案为{}。",
    "所以答案是{}。",
    "因此，答案为 {}。",
    "故答案为：{}",
    "故答案为{}。",
    "综上所述，答案是{}。",
    "The answer:\n{}",
    "### Answer\n{}",
    "**Answer**: {}",
    "Final answer: **{}**",
    "My answer is {}.",
    "I think the answer is {}.",
    "The answer would be {}.",
)
_COUNTED: tuple[str, ...] = (
    "There are {} cubes.",
    "There are {} objects in the image.",
    "{} objects",
    "I count {} objects.",
)
_COUNTED += (
    "The number of cubes is {}.",
    "There are {} things left.",
    "We have {} cubes in total.",
    "一共有{}个。",
    "{}个",
)
_NUMBERS = (
    "The value of x is {}.",
    "The total number is {}.",
    "The result is {}.",
    "x = {}",
    "= {}",
    "The total is {}.",
)
_CHOICES = (
    "故选：{}",
    "故选{}。",
    "故选:{}.",
    "故选 {}",
    "选{}",
    "应选{}。",
    "正确答案是{}。",
    "选项{}",
    "选择{}。",
    "故答案选{}。",
    "正确选项为：{}",
    "{}选项",
    "{} is correct.",
    "The correct option is {}.",
    "The correct choice is {}.",
    "Option {}",
    "option {}.",
    "Choice {}",
    "The answer is option {}.",
    "The correct answer is option {}.",
    "({})",
)


_LENGTHS = ("The length is {}.", "AB = {}", "The length of AB is {}.", "So the distance is {}.")
_QUANTITIES = {
    "length": _LENGTHS,
    "angle": ("The angle is {}.", "∠ABC = {}", "Therefore, angle ABC = {}.", "The measure of angle A is {}."),
    "area": ("The area is {}.", "The area of the circle is {}."),
    "speed": ("The speed is {}.", "v = {}"),
    "time": ("It takes {}.", "The time is {}."),
    "mass": ("The mass is {}.", "It weighs {}."),
}
_QUOTED = ('The answer is "{}".', 'The answer is "{}"', "The answer is '{}'.", "答案是“{}”。", "*{}*", '"{}"')


def frame(form: Form, value: Value, rng: Random) -> str:
    """A form alone in four of ten; else in a sentence of its sort."""
    text = form.text
    if form.math:
        text = rng.choice(("{}", "${}$", "\\({}\\)", "\\boxed{{{}}}", "$\\boxed{{{}}}$", "**${}$**")).format(text)
    chosen = rng.choice(_frames(form, value, rng))
    if "*" in chosen and "*" in text:
        chosen = "{}"
    return chosen.format(text).replace("..", ".").replace(".。", "。")


def _frames(form: Form, value: Value, rng: Random) -> tuple[str, ...]:
    """The sort of frames for a form."""
    if rng.random() < 0.4:
        return ("{}", "{}", "{}.") if form.math else _ALONE
    if (
        isinstance(value, Number)
        and value.counts
        and form.text.isdigit()
        and 2 <= value.value < 200
        and rng.random() < 0.4
    ):
        return _COUNTED
    if isinstance(value, Crossed):
        return ("{}", "{}.", "The answer is {}.")
    if isinstance(value, (Number, Quotient, Closed, Spelled)) and rng.random() < 0.3:
        return _NUMBERS
    if isinstance(value, Quantity) and value.unit.dimension in _QUANTITIES and rng.random() < 0.3:
        return _QUANTITIES[value.unit.dimension]
    if isinstance(value, Words) and rng.random() < 0.3:
        return _QUOTED
    if isinstance(value, Choice) and value.said == "letter" and form.text.isalpha() and rng.random() < 0.5:
        return _CHOICES if form.text.isupper() else _SENTENCES
    return _SENTENCES
