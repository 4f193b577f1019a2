"""Questions about a counting scene, and the list of objects that answers them.

Everything here works on the scene's plain description (`meta["scene"]`), so whoever holds a sample can ask again.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mr1.tasks.counting.scene import MATERIALS, SIZE_NAMES, World

IN_IMAGE = " in the image"
ALL_QUESTION = f"How many different items are there{IN_IMAGE}?"
ALL_SHARE = 0.6
"""The share of samples that ask for all objects."""
NONE_SHARE = 0.1
"""The share of attribute questions that nothing in the picture answers to."""
USUAL = range(1, 6)
"""Answers that the other attribute questions are chosen from, as evenly as the scene allows."""
BANDS = 4
"""Bands of the picture, from top to bottom, in which its objects are read."""
ATTRIBUTES = ("size", "color", "material", "shape")
"""In the order in which a question names them."""
SUBSETS = [subset for count in (1, 2, 3) for subset in itertools.combinations(ATTRIBUTES, count)]

Described = Mapping[str, Any]
"""One object as the scene's description has it."""


def draw_query(objects: Sequence[Described], world: World, rng: np.random.Generator) -> dict[str, str]:
    """Draw the attributes to ask for; none of them means that all objects count."""
    return {} if rng.random() < ALL_SHARE else draw_attributes(objects, world, rng)


def draw_attributes(objects: Sequence[Described], world: World, rng: np.random.Generator) -> dict[str, str]:
    """Draw one to three attributes to ask for."""
    if rng.random() < NONE_SHARE:
        return _absent_query(objects, world, rng)
    by_count = defaultdict(list)
    for subset in SUBSETS:
        found = Counter(tuple(item[name] for name in subset) for item in objects)
        for values, count in found.items():
            by_count[count].append(dict(zip(subset, values, strict=True)))
    counts = [count for count in sorted(by_count) if count in USUAL] or sorted(by_count)
    queries = by_count[counts[int(rng.integers(len(counts)))]]
    return queries[int(rng.integers(len(queries)))]


def _absent_query(objects: Sequence[Described], world: World, rng: np.random.Generator) -> dict[str, str]:
    vocabulary = {"size": SIZE_NAMES, "color": tuple(world.colors), "material": MATERIALS, "shape": world.shapes}
    while True:
        subset = SUBSETS[int(rng.integers(len(SUBSETS)))]
        query = {name: vocabulary[name][int(rng.integers(len(vocabulary[name])))] for name in subset}
        if not matching(objects, query):
            return query


def ask(query: Mapping[str, str], where: str = IN_IMAGE) -> str:
    """Word a query."""
    if not query:
        return ALL_QUESTION.replace(IN_IMAGE, where)
    words = [query[name] for name in ATTRIBUTES if name in query and name != "shape"]
    return f"How many {' '.join([*words, query.get('shape', 'object') + 's'])} are there{where}?"


def matching(objects: Sequence[Described], query: Mapping[str, str]) -> list[Described]:
    """The objects that a query asks for."""
    return [item for item in objects if all(item[name] == value for name, value in query.items())]


def counted(objects: Sequence[Described], query: Mapping[str, str]) -> list[Described]:
    """The objects that a query asks for, as one reads: by bands from the back to the front, each from left to right."""
    return sorted(matching(objects, query), key=lambda item: (int(BANDS * item["pixel"][1]), float(item["pixel"][0])))


def enumerate_objects(objects: Sequence[Described]) -> str:
    """The reasoning: the objects numbered from 1, each by its colour, or "none"."""
    return ", ".join(f"{n} {item['color']}" for n, item in enumerate(objects, 1)) or "none"
