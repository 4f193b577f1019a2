"""Does a completion have the form that the prompt asks for?"""

from __future__ import annotations

import re

from mr1.types import Sample

FORM = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)


def well_formed(text: str, sample: Sample | None = None) -> float:  # noqa: ARG001 - rewards share one signature
    """1.0 if the whole completion is a <think> part and then an <answer> part, else 0.0 (R1-V's rule)."""
    return float(FORM.fullmatch(text) is not None)
