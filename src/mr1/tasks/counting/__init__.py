"""Counting objects in pictures of simple solids on a plane, after CLEVR; the `shifted` split is another such world.

    "How many different items are there in the image?" -> "1 red, 2 blue, 3 gray" -> "3"

The picture is drawn here, by ray casting, so every sample carries the truth about its scene, and no data is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mr1.tasks.base import Baseline, Demonstration, Teacher, generator
from mr1.tasks.baselines import WORDS_ALONE, Case, Words
from mr1.tasks.counting.questions import (
    ALL_QUESTION,
    ALL_SHARE,
    ATTRIBUTES,
    Described,
    ask,
    counted,
    draw_attributes,
    draw_query,
    enumerate_objects,
    matching,
)
from mr1.tasks.counting.render import render
from mr1.tasks.counting.scene import FEWEST, MOST, draw_items, draw_scene, world_of
from mr1.types import Sample

OVERLOOKED = 0.35
"""The chance that the hasty teacher overlooks a small object."""
RANGES = {"counting": (FEWEST, MOST), "counting-3-5": (3, 5), "counting-6-8": (6, 8), "counting-9-10": (9, 10)}
"""The fewest and the most objects of a scene, by the task's name."""
WORDS_SHARES = {"counting": 0.229, "counting-3-5": 0.402, "counting-6-8": 0.363, "counting-9-10": 0.460}
"""What the likeliest number for each kind of question earns, by the task's name: where all objects are asked for, one
number of those that there may be. Splits differ in nothing that matters here. From 150,000 scenes; a test holds them to
what `cases` gives."""


class CountingTask:
    """Scenes of 3 to 10 objects and questions that ask for all of them or for those with certain attributes."""

    splits: tuple[str, ...] = ("train", "validation", "test", "shifted")

    def __init__(self, image_size: int = 112, name: str = "counting") -> None:
        """Make the task.

        Args:
            image_size: pictures are square with so many pixels a side; the scenes do not depend on it.
            name: of `RANGES`, which says how many objects there are.
        """
        if image_size < 1:
            raise ValueError(f"image_size must be positive, got {image_size}")
        self.image_size, self.name = image_size, name
        fewest, most = RANGES[name]
        self.numbers = range(fewest, most + 1)

    def size(self, split: str) -> int | None:  # noqa: ARG002
        """None: samples never run out."""
        return None

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Draw a scene and a question about it. Raises ValueError for an unknown split."""
        if split not in self.splits:
            raise ValueError(f"unknown split {split!r} of task {self.name!r}: expected one of {', '.join(self.splits)}")
        rng = generator(self.name, split, seed, index)
        scene = draw_scene(split, rng, self.numbers)
        described = scene.meta()
        query = draw_query(described["objects"], scene.world, rng)
        matching = counted(described["objects"], query)
        return Sample(
            id=f"{self.name}/{split}/{seed}/{index}",
            images=(render(scene, self.image_size),),
            question=ask(query),
            answer=str(len(matching)),
            reasoning=enumerate_objects(matching),
            meta={
                "scene": described,
                "query": query,
                "subject": "attributes" if query else "all",
                "difficulty": len(described["objects"]),
            },
        )

    def demonstrate(self, sample: Sample, teacher: Teacher) -> Demonstration:
        """`perfect` lists every counted object; `hasty` overlooks some small ones and counts what it listed."""
        return solve(sample, counted(sample.meta["scene"]["objects"], sample.meta["query"]), teacher)

    def baseline(self, split: str) -> Baseline:  # noqa: ARG002
        """The most that a rule which knows the words alone can get right."""
        return Baseline(WORDS_ALONE, WORDS_SHARES[self.name])


def solve(sample: Sample, asked: Sequence[Described], teacher: Teacher) -> Demonstration:
    """A sample's solution by a teacher (see `CountingTask.demonstrate`), with the objects that are asked for in order.

    Raises:
        ValueError: there is no such teacher.
    """
    if teacher == "perfect":
        return Demonstration(sample.reasoning, sample.answer)
    if teacher != "hasty":
        raise ValueError(f"unknown teacher {teacher!r}: expected perfect or hasty")
    rng = generator("teacher", sample.id)
    noticed = [item for item in asked if item["size"] != "small" or rng.random() >= OVERLOOKED]
    return Demonstration(enumerate_objects(noticed), str(len(noticed)))


few = partial(CountingTask, name="counting-3-5")
some = partial(CountingTask, name="counting-6-8")
many = partial(CountingTask, name="counting-9-10")


def cases(split: str, scenes: int, name: str = "counting") -> list[Case]:
    """What a split asks and how likely: exactly where all objects are asked for, else as in a number of its scenes.

    A question by attributes is one kind with all that name the same attributes, since values are drawn evenly. The
    formulas are the numbers from 0 to `MOST`. Nothing is placed or rendered: questions depend on what is in a scene.
    """
    answers = tuple(str(number) for number in range(MOST + 1))
    numbers = CountingTask(name=name).numbers
    found = [Case(Words(ALL_QUESTION, "all", answers), number, ALL_SHARE / len(numbers)) for number in numbers]
    for index in range(scenes):
        rng = generator(name, "cases", split, index)
        items = draw_items(split, int(rng.choice(numbers)), rng)
        objects = [{name: getattr(item, name) for name in ATTRIBUTES} for item in items]
        query = draw_attributes(objects, world_of(split), rng)
        words = Words(ask(query), " ".join(query), answers)
        found.append(Case(words, len(matching(objects, query)), (1 - ALL_SHARE) / scenes))
    return found
