"""What a task is: a source of samples, and a teacher that demonstrates how they are solved.

A procedural task draws each sample from (split, seed, index) alone, so any sample can be made again anywhere, in any
order. The splits are disjoint by construction, not by luck: a problem's canonical key is hashed to the one split that
it may appear in, and only what belongs to a split is drawn for it (`split_of`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mr1.types import Sample

Teacher = Literal["perfect", "hasty"]
"""`perfect` demonstrates the reference reasoning; `hasty` has the bad habits that its task describes."""

HELD_OUT = {"test": 0, "validation": 1}
BUCKETS = 10


@dataclass(frozen=True)
class Demonstration:
    """A teacher's solution of one sample. A hasty teacher's answer follows from its reasoning, and may be wrong."""

    reasoning: str
    answer: str


@dataclass(frozen=True)
class Baseline:
    """What is right without a look at the image, for an accuracy to be compared with."""

    name: str
    share: float


class Task(Protocol):
    """A source of samples."""

    name: str
    splits: tuple[str, ...]

    def size(self, split: str) -> int | None:
        """How many samples a split has; None where it never runs out."""
        ...

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Make sample `index` of a split; the same arguments always make the same sample."""
        ...

    def demonstrate(self, sample: Sample, teacher: Teacher) -> Demonstration:
        """Solve a sample as the teacher would; the same sample is always solved in the same way."""
        ...

    def baseline(self, split: str) -> Baseline | None:
        """What the words of a split's questions earn at best; None where nobody knows."""
        ...


def generator(*parts: object) -> np.random.Generator:
    """A random generator seeded by the text of `parts`, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def split_of(key: str) -> str:
    """The split that owns a problem by its canonical key: a tenth each to test and validation, the rest to train."""
    bucket = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little") % BUCKETS
    return next((split for split, owned in HELD_OUT.items() if owned == bucket), "train")
