"""What a text says of a counting scene: how many objects there are of which colour, shape and size.

A claim is a number in front of attributes: `3 large red cubes`, `two metal objects`, `a blue sphere`, `no cones`. It
holds where exactly so many objects have these attributes, in the whole scene or among those that the question asks for.
Where the numbers run 1, 2, 3, ... in front of single or bare words, as in the task's own reasoning (`1 red, 2 blue, 3
red`), they number the objects: that states two red ones and a blue one. Other sentences are not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mr1.tasks.counting.questions import ATTRIBUTES, Described, matching
from mr1.tasks.counting.scene import CLEVR, MATERIALS, SHIFTED, SIZE_NAMES
from mr1.tasks.facts import Reading
from mr1.types import Sample

KINDS = {
    **dict.fromkeys(SIZE_NAMES, "size"),
    **dict.fromkeys([*CLEVR.colors, *SHIFTED.colors], "color"),
    **dict.fromkeys(MATERIALS, "material"),
    **dict.fromkeys([*CLEVR.shapes, *SHIFTED.shapes], "shape"),
}
"""The attribute that each word is a value of."""
SYNONYMS = {
    "big": "large",
    "tiny": "small",
    "grey": "gray",
    "metallic": "metal",
    "shiny": "metal",
    "matte": "rubber",
    "block": "cube",
    "ball": "sphere",
}
"""CLEVR's, and the other spelling of gray."""
OBJECTS = ("object", "item", "thing")
NUMBERS = {
    "no": 0,
    "a": 1,
    "an": 1,
    **{word: n for n, word in enumerate("zero one two three four five six seven eight nine ten".split())},
}


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(words, reverse=True))})"


SHAPES = {word for word in [*KINDS, *SYNONYMS] if KINDS[SYNONYMS.get(word, word)] == "shape"}
ADJECTIVE, NOUN = _any({*KINDS, *SYNONYMS} - SHAPES), _any({*SHAPES, *OBJECTS})
PHRASE = re.compile(
    rf"(?<![\w.])(\d{{1,4}}|{_any(NUMBERS)})[.):]? (?:an? )?"
    rf"((?:{ADJECTIVE},? )*{NOUN}(s?)\b|{ADJECTIVE}(?: {ADJECTIVE})*\b)"
)
WORD = re.compile("[a-z]+")

Attributes = frozenset[tuple[str, str]]
"""Pairs of an attribute and its value."""


def has(item: Described, attributes: Attributes) -> bool:
    """Whether an object has all of these."""
    return all(item[name] == value for name, value in attributes)


class Claim(NamedTuple):
    """So many objects, and no more, have these attributes."""

    attributes: Attributes
    number: int

    def words(self) -> str:
        """As one writes it."""
        value = dict(self.attributes)
        words = [value[name] for name in ATTRIBUTES if name in value and name != "shape"]
        noun = value.get("shape", "object") + ("" if self.number == 1 else "s")
        return " ".join([str(self.number), *words, noun])

    def seen(self, objects: Sequence[Described], query: Attributes) -> set[int] | None:
        """The objects that it speaks of, by their numbers; None where it doesn't hold."""
        for attributes in (self.attributes | query, self.attributes):
            found = {number for number, item in enumerate(objects) if has(item, attributes)}
            if len(found) == self.number:
                return found
        return None


def facts(objects: Sequence[Described], query: Attributes) -> list[Claim]:
    """Of the objects that are asked for, how many have each colour, shape and size that the question doesn't name.

    Where it names all of them, or there is none of these objects: how many there are.
    """
    asked, names = matching(objects, dict(query)), {name for name, _ in query}
    left = [name for name in ("color", "shape", "size") if name not in names]
    values = dict.fromkeys((name, item[name]) for name in left for item in asked)
    found = [Claim(query | {value}, len(matching(asked, dict([value])))) for value in values]
    return found or [Claim(query, len(asked))]


def claims(text: str) -> set[Claim]:
    """All that a text claims."""
    found: set[Claim] = set()
    numbered: list[Attributes] = []
    for number, attributes, counts in _phrases(text):
        if counts:
            found.add(Claim(attributes, number))
            continue
        if number != len(numbered) + 1:  # it begins anew, or breaks the order
            found |= _tally(numbered)
            numbered = []
        if number == len(numbered) + 1:
            numbered.append(attributes)
        else:
            found.add(Claim(attributes, number))
    return {claim for claim in found | _tally(numbered) if claim.attributes}


def read(text: str, sample: Sample) -> Reading:
    """Which facts of a sample's scene a text states, and which of its claims don't hold.

    A fact is stated where claims that hold, and name its attribute, speak of all objects that it is about: `1 large red
    cube and 1 small red sphere` states that two objects are red.
    """
    objects, query = sample.meta["scene"]["objects"], frozenset(sample.meta["query"].items())
    known, claimed = facts(objects, query), claims(text)
    seen = {claim: claim.seen(objects, query) for claim in claimed}
    return Reading(
        tuple(fact.words() for fact in known),
        tuple(_stated(fact, seen, objects, query) for fact in known),
        frozenset(claim.words() for claim, found in seen.items() if found is None),
    )


def _stated(fact: Claim, seen: dict[Claim, set[int] | None], objects: Sequence[Described], query: Attributes) -> bool:
    of, own = fact.seen(objects, query) or set(), fact.attributes - query
    about = [found for claim, found in seen.items() if found is not None and _names(claim, own, query)]
    return bool(about) and of <= set().union(*about)


def _names(claim: Claim, own: Attributes, query: Attributes) -> bool:
    """Whether a claim tells what a fact adds to the question; one that adds nothing is told by the question's words."""
    return own <= claim.attributes if own else claim.attributes <= query


def _phrases(text: str) -> Iterable[tuple[int, Attributes, bool]]:
    """Each number with the attributes behind it, and whether it surely counts: it is a word, or a plural follows."""
    for number, words, plural in PHRASE.findall(" ".join(text.lower().split())):
        values = [SYNONYMS.get(word, word) for word in WORD.findall(words.removesuffix(plural))]
        named = frozenset((KINDS[value], value) for value in values if value in KINDS)
        yield int(NUMBERS.get(number, number)), named, bool(plural) or number in NUMBERS


def _tally(numbered: Sequence[Attributes]) -> set[Claim]:
    """What a numbered list states: how many of its objects have what each of them has."""
    return {Claim(each, sum(each <= other for other in numbered)) for each in numbered}
