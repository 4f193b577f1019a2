"""Questions about a figure of the geometry task, beside the task's own; its variants are what choices are made of.

As shown in the figure, angle 1 = 70°, angle 2 = 40°. How large is angle 3? (A) 110° (B) 30° (C) 70° -> "B"
"""

from __future__ import annotations

import numpy as np

from mr1.synthesis.exact.drawn import choice, number, pick, yes_no
from mr1.synthesis.row import Asked
from mr1.tasks.base import generator
from mr1.tasks.geometry import THEOREMS
from mr1.types import Sample

ABILITIES = ("recognition", "spatial", "math")
"""Beside reasoning."""
SORTS = ("acute", "right", "obtuse")


def degrees(sample: Sample, rng: np.random.Generator) -> Asked:  # noqa: ARG001
    """The task's own question."""
    return number(sample.question, int(sample.answer), "degrees", ABILITIES, sample.reasoning)


def which(sample: Sample, rng: np.random.Generator) -> Asked | None:
    """The degrees as a multiple choice: what the angle would be in the theorem's other figures, and what is given."""
    meta, (facts, asked) = sample.meta, _parts(sample)
    theorem = THEOREMS[meta["theorem"]]
    variants = (theorem.build(each, meta["names"], tuple(meta["values"]), generator("")) for each in theorem.variants)
    values = dict.fromkeys([int(sample.answer), *(each.answer for each in variants), *_given(sample).values()])
    texts = [f"{value}°" for value in values][:4]
    if len(texts) < 2:
        return None
    return choice(f"{facts}. How large is angle {asked}?", texts, rng, "which", ABILITIES, sample.reasoning)


def sort(sample: Sample, rng: np.random.Generator) -> Asked:
    """Acute, right or obtuse?"""
    facts, asked = _parts(sample)
    size = int(sample.answer)
    name = SORTS[(size >= 90) + (size > 90)]
    texts = [name, *(each for each in SORTS if each != name)]
    return choice(f"{facts}. What is angle {asked}?", texts, rng, "sort", ABILITIES, f"{sample.reasoning}. {size}°")


def larger(sample: Sample, rng: np.random.Generator) -> Asked | None:
    """Is the asked angle larger than a given one?"""
    given = _given(sample)
    if not given:
        return None
    (facts, asked), name = _parts(sample), pick([*given], rng)
    size, other = int(sample.answer), given[name]
    sign = ">" if size > other else "=" if size == other else "<"
    reasoning = f"{sample.reasoning}. {size} {sign} {other}"
    return yes_no(f"{facts}. Is angle {asked} larger than angle {name}?", size > other, "larger", ABILITIES, reasoning)


KINDS = (degrees, which, sort, larger)


def _parts(sample: Sample) -> tuple[str, str]:
    """What the task's question tells, and what it calls the angle that it asks for."""
    facts, _, asked = sample.question.removesuffix(" is ()").rpartition(", then the degree of angle ")
    return facts, asked


def _given(sample: Sample) -> dict[str, int]:
    """Degrees of the given angles, by what the question calls them."""
    return {called: sample.meta["angles"][name] for called, name in sample.meta["given"].items()}
