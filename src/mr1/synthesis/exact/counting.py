"""Questions about a counting scene, each of a kind of its own; the scene's description answers them.

    How many more cubes than spheres are there in the image? -> "cubes: 1 small red cube, ... 3 - 1 = 2" -> "2"
    What color is the object that is closest to the front? -> "the large blue sphere. blue: C" -> "C"

Yes and no, and differences, are drawn before what is asked, so that none is much more frequent than the others. Places
are asked for only where they are plain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from mr1.synthesis.exact.drawn import choice, number, pick, shuffled, yes_no
from mr1.synthesis.row import Asked
from mr1.tasks.counting.questions import ATTRIBUTES, SUBSETS, Described, ask, counted, draw_attributes, matching
from mr1.tasks.counting.scene import CLEVR, SHIFTED, World

APART = 0.06
"""How far objects are from each other, as a share of the picture's width, where it is asked which is on the left."""
DEEPER = 0.8
"""How far, on the ground, where it is asked which is in front; a small object is at most 0.7 high."""
SIDES: dict[str, tuple[Callable[[Described], float], float]] = {
    "furthest to the left": (lambda item: item["pixel"][0], APART),
    "furthest to the right": (lambda item: -item["pixel"][0], APART),
    "closest to the front": (lambda item: item["position"][1], DEEPER),
    "furthest to the back": (lambda item: -item["position"][1], DEEPER),
}
"""What is least of the object that is meant, and by how much."""
SEEN, COUNTED, PLACED = ("recognition",), ("recognition", "math"), ("recognition", "spatial")
"""Abilities beside reasoning."""

Query = Mapping[str, str]
Scene = Mapping[str, Any]


def count(scene: Scene, rng: np.random.Generator) -> Asked:
    """How many objects have these attributes?"""
    query = draw_attributes(scene["objects"], _world(scene), rng)
    found = matching(scene["objects"], query)
    return number(ask(query), len(found), "count", COUNTED, f"{_tell(query, found)}. {len(found)}")


def difference(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """How many more of these than of those?"""
    pairs = [pair for pair in _pairs(scene) if pair[2] > 0]
    if not pairs:
        return None
    more = pick(sorted({pair[2] for pair in pairs}), rng)
    one, other, _ = pick([pair for pair in pairs if pair[2] == more], rng)
    ours, theirs = matching(scene["objects"], one), matching(scene["objects"], other)
    reasoning = f"{_tell(one, ours)}. {_tell(other, theirs)}. {len(ours)} - {len(theirs)} = {more}"
    asks = f"How many more {_named(one)} than {_named(other)} are there in the image?"
    return number(asks, more, "difference", COUNTED, reasoning)


def comparison(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """Are there more of these than of those?"""
    yes = pick((True, False), rng)
    pairs = [(one, other) for one, other, more in _pairs(scene) if (more > 0) is yes]
    if not pairs:
        return None
    one, other = pick(pairs, rng)
    ours, theirs = matching(scene["objects"], one), matching(scene["objects"], other)
    sign = ">" if yes else "=" if len(ours) == len(theirs) else "<"
    reasoning = f"{_tell(one, ours)}. {_tell(other, theirs)}. {len(ours)} {sign} {len(theirs)}"
    asks = f"Are there more {_named(one)} than {_named(other)} in the image?"
    return yes_no(asks, yes, "comparison", COUNTED, reasoning)


def existence(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """Is there an object with these two attributes? Each of them is in the picture, the two together perhaps not."""
    objects, yes = scene["objects"], pick((True, False), rng)
    queries = [
        {first: one, second: other}
        for first, second in (names for names in SUBSETS if len(names) == 2)
        for one in dict.fromkeys(item[first] for item in objects)
        for other in dict.fromkeys(item[second] for item in objects)
        if bool(matching(objects, {first: one, second: other})) is yes
    ]
    if not queries:
        return None
    query = pick(queries, rng)
    wide = dict([[*query.items()][-1]])
    reasoning = f"{_tell(wide, matching(objects, wide))}. {_tell(query, matching(objects, query))}"
    what = _named(query, plural=False)
    article = "an" if what[0] in "aeiou" else "a"
    return yes_no(f"Is there {article} {what} in the image?", yes, "existence", SEEN, reasoning)


def sameness(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """How many other objects are like this one in an attribute?"""
    if (meant := _unique(scene, rng)) is None:
        return None
    item, query = meant
    attribute, this = pick([each for each in ATTRIBUTES if each not in query], rng), _named(query, plural=False)
    others = [each for each in matching(scene["objects"], {attribute: item[attribute]}) if each is not item]
    reasoning = f"the {this}: {item[attribute]}. others: {_listed(others)}. {len(others)}"
    asks = f"How many other objects in the image have the same {attribute} as the {this}?"
    return number(asks, len(others), "sameness", COUNTED, reasoning)


def beside(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """How many objects are on the left, or the right, of this one?"""
    if (meant := _unique(scene, rng)) is None:
        return None
    item, query = meant
    away = [(each["pixel"][0] - item["pixel"][0], each) for each in scene["objects"] if each is not item]
    if any(abs(distance) < APART for distance, _ in away):
        return None
    side, sign = pick((("left", -1), ("right", 1)), rng)
    found = [each for distance, each in away if sign * distance > 0]
    where = f"to the {side} of the {_named(query, plural=False)}"
    reasoning = f"{where}: {_listed(found)}. {len(found)}"
    return number(f"How many objects are {where} in the image?", len(found), "beside", (*PLACED, "math"), reasoning)


def position(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """What colour, or shape, has the object that is furthest on a side?"""
    side = pick([*SIDES], rng)
    place, margin = SIDES[side]
    first, second, *_ = sorted(scene["objects"], key=place)
    if place(second) - place(first) < margin:
        return None
    attribute = pick(("color", "shape"), rng)
    texts = _values(scene, attribute, first[attribute], rng)
    asks = f"What {attribute} is the object that is {side} in the image?"
    why = f"{side}: the {first['size']} {first['color']} {first['shape']}"
    return choice(asks, texts, rng, "position", PLACED, why)


def most(scene: Scene, rng: np.random.Generator) -> Asked | None:
    """Which colour, or shape, do most objects have?"""
    attribute = pick(("color", "shape"), rng)
    found = Counter(item[attribute] for item in counted(scene["objects"], {})).most_common()
    if len(found) == 1 or found[0][1] == found[1][1]:
        return None
    texts = _values(scene, attribute, found[0][0], rng)
    asks = f"Which {attribute} is the most frequent among the objects in the image?"
    return choice(asks, texts, rng, "most", COUNTED, ", ".join(f"{many} {value}" for value, many in found))


KINDS = (count, difference, comparison, existence, sameness, beside, position, most)


def _named(query: Query, plural: bool = True) -> str:
    """Objects by their attributes: small red cubes."""
    words = [query[name] for name in ATTRIBUTES if name in query and name != "shape"]
    return " ".join([*words, query.get("shape", "object") + ("s" if plural else "")])


def _listed(objects: Sequence[Described]) -> str:
    """Objects numbered as one reads them: 1 small red cube, 2 large blue sphere."""
    words = (f"{item['size']} {item['color']} {item['shape']}" for item in counted(objects, {}))
    return ", ".join(f"{place} {each}" for place, each in enumerate(words, 1)) or "none"


def _tell(query: Query, found: Sequence[Described]) -> str:
    return f"{_named(query)}: {_listed(found)}"


def _pairs(scene: Scene) -> list[tuple[Query, Query, int]]:
    """Any two values of an attribute that are in the picture, and how many more objects have the first."""
    pairs: list[tuple[Query, Query, int]] = []
    for name in ATTRIBUTES:
        found = Counter(item[name] for item in scene["objects"])
        pairs += [({name: one}, {name: other}, found[one] - found[other]) for one, other in permutations(found, 2)]
    return pairs


def _unique(scene: Scene, rng: np.random.Generator) -> tuple[Described, Query] | None:
    """An object, and the fewest attributes that no other one has; None where each has its like."""
    for item in shuffled(scene["objects"], rng):
        queries = [{name: item[name] for name in names} for names in SUBSETS]
        alone = [query for query in queries if len(matching(scene["objects"], query)) == 1]
        if alone:
            return item, pick([query for query in alone if len(query) == len(alone[0])], rng)
    return None


def _values(scene: Scene, attribute: str, right: str, rng: np.random.Generator) -> list[str]:
    """The right value of an attribute and up to three others, those first that are in the picture."""
    there = {item[attribute] for item in scene["objects"]}
    world = _world(scene)
    values = tuple(world.colors) if attribute == "color" else world.shapes
    others = shuffled([value for value in values if value != right], rng)
    return [right, *sorted(others, key=lambda value: value not in there)][:4]


def _world(scene: Scene) -> World:
    return SHIFTED if scene["shifted"] else CLEVR
