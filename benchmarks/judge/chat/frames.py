"""What chat models put around an answer inside the tag."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form, Value
from benchmarks.judge.values.numbers import Closed, Number, Quotient, Spelled
from benchmarks.judge.values.words import Choice, Crossed

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
    "The correct option is {}.",
    "The correct choice is {}.",
    "Option {}",
    "option {}.",
    "Choice {}",
    "The answer is option {}.",
    "The correct answer is option {}.",
    "({})",
)


def frame(form: Form, value: Value, rng: Random) -> str:
    """A form alone in four of ten; else in a sentence of its sort."""
    text = form.text.removesuffix(".")
    if form.math:
        text = rng.choice(("{}", "${}$", "\\({}\\)", "\\boxed{{{}}}", "$\\boxed{{{}}}$", "**${}$**")).format(text)
    if rng.random() < 0.4:
        return (rng.choice(_ALONE) if not form.math else rng.choice(("{}", "{}", "{}."))).format(text)
    if isinstance(value, (Number, Quotient, Closed, Spelled)) and rng.random() < 0.3:
        return rng.choice(_NUMBERS).format(text)
    if isinstance(value, Choice) and value.said == "letter" and len(text) <= len(value.letters) and rng.random() < 0.5:
        return rng.choice(_CHOICES).format(text)
    sentences = [each for each in _SENTENCES if "*" not in each] if "*" in text else _SENTENCES
    return rng.choice(sentences if not isinstance(value, Crossed) else ("{}", "{}.", "The answer is {}.")).format(text)
