"""R1-V's rules to the letter, so that published numbers compare.

Source: https://github.com/Deep-Agent/R1-V, src/eval (two rules, one for each test set) and src/r1-v/src/open_r1/grpo.py
(the accuracy reward). They are known to be wrong at times; docs/judge.md says where.
"""

from __future__ import annotations

import re

from mr1.judge.pool import ask
from mr1.judge.tags import CLOSE, OPEN
from mr1.judge.truth import Truth, as_truth
from mr1.judge.verdict import LONGEST_OUTPUT, Verdict

_INTEGER = re.compile(r"<answer>\s*(\d+)\s*</answer>")


def tagged_integer(output: str, truth: str | Truth) -> Verdict:
    """SuperCLEVR's evaluation: the first <answer> tag that holds an integer and nothing else equals the truth."""
    gold = _integer(_text(truth))
    if gold is None:
        return Verdict.UNREADABLE_TRUTH
    if len(output) > LONGEST_OUTPUT:
        return Verdict.TOO_LARGE
    found = _INTEGER.search(output)
    if found is None:
        return Verdict.MISSING
    return Verdict.RIGHT if _integer(found[1]) == gold else Verdict.WRONG


def whole_output(output: str, truth: str | Truth) -> Verdict:
    """GeoQA's evaluation: math-verify, with its defaults, on the whole output."""
    truth = _text(truth)
    if len(truth) > LONGEST_OUTPUT:
        return Verdict.UNREADABLE_TRUTH
    if len(output) > LONGEST_OUTPUT:
        return Verdict.TOO_LARGE
    return ask("whole output", output, truth)


def training_reward(output: str, truth: str | Truth) -> Verdict:
    """The accuracy reward: math-verify on the whole output, or else the first <answer> tag's text equals the truth's.

    Tags of the truth are taken off for the second; an output or truth without tags is compared as a whole; the tag
    must not span lines. The second is asked first, because it costs nothing.
    """
    truth = _text(truth)
    if max(len(output), len(truth)) <= LONGEST_OUTPUT and _tagged_text(output) == _tagged_text(truth):
        return Verdict.RIGHT
    return whole_output(output, truth)


def _text(truth: str | Truth) -> str:
    """R1-V knows one text, and no rules for it."""
    return as_truth(truth).accepted[0]


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # no integer, or longer than Python converts
        return None


def _tagged_text(text: str) -> str:
    """The first match of R1-V's `<answer>(.*?)</answer>`, in which a dot is no line end; else the whole text. Stripped.

    The expression itself takes quadratic time where many tags are open.
    """
    for line in text.split("\n"):
        _, tag, rest = line.partition(OPEN)
        answer, end, _ = rest.partition(CLOSE)
        if tag and end:
            return answer.strip()
    return text.strip()
