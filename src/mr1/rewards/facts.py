"""How much of what a picture shows does an output state, and how much that isn't so?

Perception-R1 (arXiv 2506.07218) rewards the share of a row's visual facts that an output states, r_v = (1/m) sum_j o_j,
and has a language model judge each. Procedural tasks know their scenes, so that a plain reader can tell
(`mr1.tasks.facts`). A share alone is earned in full by who claims everything; what is false is counted beside it.
"""

from __future__ import annotations

import math

from mr1.tasks.facts import read
from mr1.types import Sample

FACTS = ("facts", "false-facts")
"""Rewards that read the scene of a procedural task."""


def facts(text: str, sample: Sample) -> float:
    """The share of the sample's facts that the text states, 0 to 1; NaN where nobody knows the sample's facts."""
    reading = read(text, sample)
    return sum(reading.stated) / len(reading.stated) if reading else math.nan


def false_facts(text: str, sample: Sample) -> float:
    """How many things the text states of the sample's picture that are not so, each once; NaN as for `facts`."""
    reading = read(text, sample)
    return float(len(reading.false)) if reading else math.nan
