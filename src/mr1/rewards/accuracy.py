"""Is a completion's answer right?"""

from __future__ import annotations

import re
from functools import lru_cache

import math_verify

from mr1.types import Sample

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
LONGEST_ANSWER = 200
"""Characters. A longer answer is compared as a string only: parsing hostile strings can take seconds."""


def extract_answer(text: str) -> str | None:
    """The text inside the last <answer> tag, stripped; None where there is no such tag."""
    answers = ANSWER.findall(text)
    return answers[-1].strip() if answers else None


def accuracy(text: str, sample: Sample) -> float:
    """1.0 if the answer inside the last <answer> tag equals the sample's, as text or by math-verify, else 0.0.

    Only the tag's content is judged. R1-V also accepts a completion whose text as a whole parses to the truth; there a
    number of the reasoning can be taken for the answer, which a policy would learn to exploit.
    """
    answer = extract_answer(text)
    return float(answer is not None and equal(answer, sample.answer.strip()))


@lru_cache(maxsize=65536)
def equal(answer: str, truth: str) -> bool:
    """Whether two answers state the same value. Remembered, because a group's completions repeat few answers."""
    if answer == truth:
        return True
    if len(answer) > LONGEST_ANSWER:
        return False
    return bool(math_verify.verify(math_verify.parse(f"${truth}$"), math_verify.parse(f"${answer}$")))
