"""Counting in words: the counting task's scenes as lists, without a picture.

    "There are a large red metal cube, a small blue rubber sphere. How many cubes are there?"

It is for what is learned from text alone before images come, as in LMM-R1 (arXiv 2503.07536). What is in a scene, and
which split it belongs to, is drawn as for the pictures; nothing is placed or rendered.
"""

from __future__ import annotations

from mr1.tasks.base import Demonstration, Teacher, generator
from mr1.tasks.counting import CountingTask, solve
from mr1.tasks.counting.questions import ATTRIBUTES, ask, draw_query, enumerate_objects, matching
from mr1.tasks.counting.scene import FEWEST, MOST, draw_items, world_of
from mr1.types import Sample

NAME = "counting-words"


class WordsTask:
    """Lists of 3 to 10 objects, and the counting task's questions."""

    name = NAME
    splits = CountingTask.splits

    def __init__(self, image_size: int = 112) -> None:
        """Make the task, which has no use for the size that the procedural tasks' pictures take."""

    def size(self, split: str) -> int | None:  # noqa: ARG002
        """None: samples never run out."""
        return None

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Draw a list and a question about it. Raises ValueError for an unknown split."""
        if split not in self.splits:
            raise ValueError(f"unknown split {split!r} of task {NAME!r}: expected one of {', '.join(self.splits)}")
        rng = generator(NAME, split, seed, index)
        items = draw_items(split, int(rng.integers(FEWEST, MOST + 1)), rng)
        objects = [{name: getattr(item, name) for name in ATTRIBUTES} for item in items]
        query = draw_query(objects, world_of(split), rng)
        counted = matching(objects, query)
        listed = ", ".join(f"a {' '.join(each.values())}" for each in objects)
        return Sample(
            id=f"{NAME}/{split}/{seed}/{index}",
            images=(),
            question=f"There are {listed}. {ask(query, '')}",
            answer=str(len(counted)),
            reasoning=enumerate_objects(counted),
            meta={
                "scene": {"objects": objects},
                "query": query,
                "subject": "attributes" if query else "all",
                "difficulty": len(objects),
            },
        )

    def demonstrate(self, sample: Sample, teacher: Teacher) -> Demonstration:
        """As for the pictures, in the order of the list."""
        return solve(sample, matching(sample.meta["scene"]["objects"], sample.meta["query"]), teacher)

    def baseline(self, split: str) -> None:
        """None: the words are all there is."""
