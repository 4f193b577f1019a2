"""Counting objects in pictures of simple solids on a plane, after CLEVR; the `shifted` split is another such world.

    "How many different items are there in the image?" -> "1 red, 2 blue, 3 gray" -> "3"

The picture is drawn here, by ray casting, so every sample carries the truth about its scene, and no data is needed.
"""

from __future__ import annotations

from mr1.tasks.base import Demonstration, Teacher, generator
from mr1.tasks.counting.questions import ask, counted, draw_query, enumerate_objects
from mr1.tasks.counting.render import render
from mr1.tasks.counting.scene import draw_scene
from mr1.types import Sample

OVERLOOKED = 0.35
"""The chance that the hasty teacher overlooks a small object."""


class CountingTask:
    """Scenes of 3 to 10 objects and questions that ask for all of them or for those with certain attributes."""

    name = "counting"
    splits: tuple[str, ...] = ("train", "validation", "test", "shifted")

    def __init__(self, image_size: int = 112) -> None:
        """Pictures are square with `image_size` pixels a side; the scenes do not depend on it."""
        if image_size < 1:
            raise ValueError(f"image_size must be positive, got {image_size}")
        self.image_size = image_size

    def size(self, split: str) -> int | None:  # noqa: ARG002
        """None: samples never run out."""
        return None

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Draw a scene and a question about it. Raises ValueError for an unknown split."""
        if split not in self.splits:
            raise ValueError(f"unknown split {split!r} of task {self.name!r}: expected one of {', '.join(self.splits)}")
        rng = generator(self.name, split, seed, index)
        scene = draw_scene(split, rng)
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
        if teacher == "perfect":
            return Demonstration(sample.reasoning, sample.answer)
        if teacher != "hasty":
            raise ValueError(f"unknown teacher {teacher!r}: expected perfect or hasty")
        rng = generator("teacher", sample.id)
        matching = counted(sample.meta["scene"]["objects"], sample.meta["query"])
        noticed = [item for item in matching if item["size"] != "small" or rng.random() >= OVERLOOKED]
        return Demonstration(enumerate_objects(noticed), str(len(noticed)))
