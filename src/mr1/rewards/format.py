"""Does an output keep to the format that the prompt asks for?"""

from __future__ import annotations

import re

from mr1.judge.tags import CLOSE, THINK
from mr1.types import Sample

BETWEEN = re.compile(r"</think>\s*<answer>")


def well_formed(text: str, sample: Sample | None = None) -> float:  # noqa: ARG001
    """1.0 if the whole output matches R1-V's `<think>.*?</think>\\s*<answer>.*?</answer>`, else 0.0.

    The dots stand for anything at all, so it is the ends and the place between the parts that decide; looking for these
    takes time in proportion to the text, where the regular expression takes the square on hostile ones.
    """
    framed = text.startswith(THINK) and text.endswith(CLOSE)
    return float(framed and BETWEEN.search(text) is not None)
