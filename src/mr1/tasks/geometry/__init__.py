"""Plane geometry in GeoQA's manner: a question whose given angle stands in the text, and a figure that decides it.

Each theorem has several figures for every wording (`problem.py`). The words of a question never tell which figure it
has: which sides carry ticks, where the square of a right angle stands, on which side of a chord a point lies. To answer
from the words alone is to guess the variant.

The canonical key is the wording (theorem, letters and numbers), and a wording with all of its figures belongs to one
split: no question of a split is asked in another, so what was learned of a wording's figures tells nothing about those
of a held-out one. The picture of a problem (its shape where that is free, turn, scale, where its letters stand) varies
from sample to sample.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, TypeVar

import numpy as np

from mr1.tasks.base import Baseline, Demonstration, Teacher, generator, split_of
from mr1.tasks.baselines import WORDS_ALONE, Case, Words, ceiling
from mr1.tasks.geometry.figures import draw
from mr1.tasks.geometry.lines import LINES
from mr1.tasks.geometry.problem import Names, Problem, Theorem, Values
from mr1.tasks.geometry.triangles import TRIANGLES
from mr1.types import Sample

T = TypeVar("T")
THEOREMS: dict[str, Theorem] = TRIANGLES | LINES
GLANCED = 0.5
"""How often the hasty teacher takes the figure for the theorem's most familiar one, without a look."""


class GeometryTask:
    """Angles in figures drawn to scale; `image_size` is the side of the picture in pixels."""

    name = "geometry"
    splits: tuple[str, ...] = ("train", "validation", "test")

    def __init__(self, image_size: int = 112) -> None:
        self.image_size = image_size

    def size(self, split: str) -> int | None:  # noqa: ARG002
        """None: samples never run out."""
        return None

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Draw a problem that belongs to the split. Raises ValueError if there is no such split."""
        if split not in self.splits:
            raise ValueError(f"geometry has no split {split!r}; its splits are {', '.join(self.splits)}")
        rng = generator(self.name, split, seed, index)
        name = pick(rng, tuple(THEOREMS))
        theorem = THEOREMS[name]
        variant = pick(rng, theorem.variants)
        names, values = pick(rng, wordings(name, split))
        problem = theorem.build(variant, names, values, rng)
        meta = describe(problem) | {
            "theorem": name,
            "subject": name,
            "variant": variant,
            "names": names,
            "values": list(values),
        }
        return Sample(
            id=f"{self.name}/{split}/{seed}/{index}",
            images=(draw(problem.figure, self.image_size, rng),),
            question=problem.question,
            answer=str(problem.answer),
            reasoning=problem.reasoning,
            meta=meta,
        )

    def demonstrate(self, sample: Sample, teacher: Teacher) -> Demonstration:
        """`perfect` solves the problem; `hasty` often solves the most familiar variant instead, whatever it sees."""
        if teacher == "hasty" and glances(sample):
            theorem = THEOREMS[sample.meta["theorem"]]
            taken = theorem.build(
                theorem.variants[0], sample.meta["names"], tuple(sample.meta["values"]), generator("shape")
            )
            return Demonstration(taken.reasoning, str(taken.answer))
        return Demonstration(sample.reasoning, sample.answer)

    def baseline(self, split: str) -> Baseline:
        """The most that any rule which knows the words alone can get right, exactly."""
        return Baseline(WORDS_ALONE, ceiling(cases(split)))


def pick(rng: np.random.Generator, choices: tuple[T, ...]) -> T:
    """One of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def key(theorem: str, names: Names, values: Values) -> str:
    """The canonical key of a wording: what decides to which split all of its figures belong."""
    return f"geometry/{theorem}/{names}/{','.join(map(str, values))}"


@cache
def wordings(theorem: str, split: str) -> tuple[tuple[Names, Values], ...]:
    """The letters and numbers of a theorem that belong to a split; each is used with every variant."""
    every = product(THEOREMS[theorem].names, THEOREMS[theorem].values)
    return tuple(wording for wording in every if split_of(key(theorem, *wording)) == split)


@cache
def cases(split: str) -> tuple[Case, ...]:
    """Everything that a split can ask, with its probability."""
    found = []
    for name, theorem in THEOREMS.items():
        weight = 1 / (len(THEOREMS) * len(theorem.variants) * len(wordings(name, split)))
        for wording in wordings(name, split):
            problems = [theorem.build(variant, *wording, generator("any shape")) for variant in theorem.variants]
            words = Words(problems[0].question, name, tuple(str(problem.answer) for problem in problems))
            found += [Case(words, formula, weight) for formula in range(len(problems))]
    return tuple(found)


def describe(problem: Problem) -> dict[str, Any]:
    """The figure and the angles as JSON can hold them; points are in the figure's own, undistorted coordinates."""
    figure = problem.figure
    return {
        "points": {name: [point.real, point.imag] for name, point in figure.points.items()},
        "marks": {
            "equal_sides": list(figure.ticks),
            "right_angles": list(figure.squares),
            "equal_angles": list(figure.arcs),
            "numerals": dict(figure.numbers),
        },
        "angles": dict(problem.angles),
        "given": dict(problem.given),
        "asked": problem.asked,
    }


def glances(sample: Sample) -> bool:
    """Whether the hasty teacher only glances at this sample's figure."""
    return bool(generator("teacher", sample.id).random() < GLANCED)
