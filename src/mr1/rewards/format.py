"""Does an output keep to the format that the prompt asks for?"""

from __future__ import annotations

import re

from mr1.judge.tags import CLOSE, OPEN, THINK, UNTHINK
from mr1.types import Sample

EMPTY = re.compile(r"^<think>\s*</think>\s*(?=<think>)")
BETWEEN = re.compile(r"</think>\s*<answer>")


def well_formed(text: str, sample: Sample | None = None) -> float:
    """1.0 if the whole output is one thinking part and then one answer part, else 0.0.

    No tag comes twice: an output with a second thought, or a second answer, earns nothing. An empty thought in front of
    one, as chat templates write it for models that are not to think, doesn't count.
    """
    text = EMPTY.sub("", text)
    once = all(text.count(tag) == 1 for tag in (THINK, UNTHINK, OPEN, CLOSE))
    return well_formed_r1v(text, sample) if once else 0.0


def well_formed_r1v(text: str, sample: Sample | None = None) -> float:  # noqa: ARG001
    """R1-V's rule, for runs that are to compare with it: whether the whole output matches
    `<think>.*?</think>\\s*<answer>.*?</answer>`.

    The dots stand for anything at all, so it is the ends and the place between the parts that decide; looking for these
    takes time in proportion to the text, where the regular expression takes the square on hostile ones.
    """
    framed = text.startswith(THINK) and text.endswith(CLOSE)
    return float(framed and BETWEEN.search(text) is not None)
