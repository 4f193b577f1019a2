"""Choices, yes and no, versions, texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from string import ascii_uppercase
from typing import Any

from benchmarks.judge.pair import Value
from mr1.judge.truth import Kind, Truth

COLOURS = ("red", "blue", "green", "yellow", "purple", "cyan", "brown", "gray")
SIZES = ("small", "large")
STUFFS = ("metal", "rubber", "glass")
SHAPES = ("cube", "sphere", "cylinder", "bus", "bicycle")
PLACES = ("on the table", "behind the door", "near the window", "in the box")
NAMES: tuple[str, ...] = (
    "Paris",
    "Marie Curie",
    "New York",
    "Lake Geneva",
    "photosynthesis",
    "the Eiffel Tower",
    "isosceles triangle",
)
NAMES += ("Albert Einstein", "oak tree", "silver nitrate", "South Africa", "the left ventricle", "New Zealand")


@dataclass(frozen=True)
class Choice(Value):
    """One or several letters. `texts` are those of all choices, where the truth knows them."""

    letters: tuple[str, ...]
    texts: tuple[str, ...] = ()
    said: str = "letter"
    """What of it is written: letter, text, or both; one letter only for the last two."""
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("choice", frozenset(self.letters))

    def truth(self, write: Callable[[Value], str]) -> Truth:
        text = write(self) if self.said != "letter" else (", " if len(self.letters) == 3 else "").join(self.letters)
        return Truth((text,), kind=self.kind, choices=self.texts)

    @property
    def text(self) -> str:
        """Of the first letter."""
        return self.texts[ascii_uppercase.index(self.letters[0])]

    def paraphrased(self, rng: Random) -> Value:
        if self.texts:
            return replace(self, said=rng.choice(("letter", "text", "both")))
        return replace(self, letters=tuple(rng.sample(self.letters, len(self.letters))))

    def mutated(self, rng: Random) -> tuple[str, Value]:
        known = ascii_uppercase[: len(self.texts) or 26]
        others = [each for each in known if each not in self.letters]
        if self.texts:
            said = rng.choice(
                ("letter", "text", "both", "another letter with this text", "this letter with another text")
            )
            other = rng.choice(others)
            if said.startswith("another"):
                return said, Crossed(other, self.text)
            if said.startswith("this"):
                return said, Crossed(self.letters[0], replace(self, letters=(other,)).text)
            return f"other choice by its {said}", replace(self, letters=(other,), said=said)
        change = rng.choice(("letter", "letter more", "letter fewer"))
        at = rng.randrange(len(self.letters))
        rest = self.letters[:at] + self.letters[at + 1 :]
        if change == "letter more":
            return change, replace(self, letters=(*self.letters, rng.choice(others)))
        if change == "letter fewer" and rest:
            return change, replace(self, letters=rest)
        return "letter", replace(self, letters=(*rest, rng.choice(others)))


@dataclass(frozen=True)
class Crossed(Value):
    """A letter with the text of another choice: it contradicts itself, so that it states neither."""

    letter: str
    text: str
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("crossed", self.letter, self.text)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        return "letter", replace(self, letter=rng.choice(ascii_uppercase))


def draw_choice(rng: Random) -> Choice:
    """A letter, mostly A to E, up to Z."""
    kind = rng.choice((None, Kind.CHOICE))
    return Choice((rng.choice(ascii_uppercase[: rng.choice((4, 5, 10, 26))]),), kind=kind)


def draw_choices(rng: Random) -> Choice:
    """Two to four letters."""
    known = ascii_uppercase[: rng.choice((4, 5, 8))]
    return Choice(tuple(sorted(rng.sample(known, rng.choice((2, 2, 3, min(4, len(known) - 1)))))), kind=Kind.CHOICE)


def draw_choice_with_texts(rng: Random) -> Choice:
    """Texts of one sort: numbers with a unit, numbers, colours, names, things."""
    sort = rng.randrange(4)
    if sort == 0:
        unit = rng.choice((" cm", "°", " m", ""))
        texts = [f"{each}{unit}" for each in rng.sample(range(1, 200), 5)]
    elif sort == 1:
        texts = rng.sample(COLOURS, 5)
    elif sort == 2:
        texts = rng.sample(NAMES, 5)
    else:
        texts = [f"{rng.choice(SIZES)} {colour} {rng.choice(SHAPES)}" for colour in rng.sample(COLOURS, 5)]
    texts = texts[: rng.choice((4, 4, 5, 2, 3))]
    return Choice((rng.choice(ascii_uppercase[: len(texts)]),), tuple(texts), kind=Kind.CHOICE)


@dataclass(frozen=True)
class YesNo(Value):
    yes: bool
    kind: Kind | None = None

    @property
    def meaning(self) -> Any:
        return ("yes", self.yes)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        return "negation", replace(self, yes=not self.yes)


def draw_yes_no(rng: Random) -> YesNo:
    return YesNo(rng.random() < 0.5, rng.choice((None, Kind.YES_NO)))


@dataclass(frozen=True)
class Version(Value):
    """Numbers with points between: 1.10 is not 1.1."""

    parts: tuple[int, ...]
    kind: Kind | None = Kind.VERSION

    @property
    def meaning(self) -> Any:
        return ("version", self.parts)

    def mutated(self, rng: Random) -> tuple[str, Value]:
        parts = list(self.parts)
        change = rng.choice(("zero", "part", "part lost", "order"))
        if change == "zero":
            parts[-1] = parts[-1] * 10 if parts[-1] % 10 or not parts[-1] else parts[-1] // 10
        elif change == "part lost" and len(parts) > 2:
            del parts[rng.randrange(len(parts))]
        elif change == "order":
            parts.reverse()
        else:
            parts[rng.randrange(len(parts))] += rng.choice((1, 2, 10))
        # A missing part may be read as a zero: 1.2 and 1.2.0 are not told apart here.
        return change, replace(self, parts=tuple(parts) if parts[-1] or len(parts) == len(self.parts) else self.parts)


def draw_version(rng: Random) -> Version:
    return Version(tuple(rng.randrange(rng.choice((10, 40))) for _ in range(rng.choice((2, 2, 3, 3, 4)))))


@dataclass(frozen=True)
class Words(Value):
    """A phrase."""

    text: str
    kind: Kind | None = None
    case: bool = False
    """Whether it is written in this case only."""

    @property
    def meaning(self) -> Any:
        return ("words", self.text.lower())

    def mutated(self, rng: Random) -> tuple[str, Value]:
        words = self.text.split()
        change = rng.choice(("colour", "negation", "word more", "word lost", "another phrase"))
        colours = [index for index, word in enumerate(words) if word in COLOURS]
        if change == "colour" and colours:
            words[colours[0]] = rng.choice([each for each in COLOURS if each != words[colours[0]]])
        elif change == "negation":
            words.insert(0, "not")
        elif change == "word more":
            words.insert(rng.randrange(len(words) + 1), rng.choice(("striped", "broken", "second")))
        elif change == "word lost" and colours and len(words) > 1:  # a surname may stand for a name
            del words[rng.randrange(len(words))]
        else:
            return "another phrase", draw_words(rng)
        return change, replace(self, text=" ".join(words))


def draw_words(rng: Random) -> Words:
    kind = rng.choice((None, Kind.TEXT))
    thing = f"{rng.choice(SIZES)} {rng.choice(COLOURS)} {rng.choice(STUFFS)} {rng.choice(SHAPES)}"
    short = f"{rng.choice(COLOURS)} {rng.choice(SHAPES)}"
    placed = f"{rng.choice(COLOURS)} {rng.choice(SHAPES)} {rng.choice(PLACES)}"
    return Words(rng.choice((thing, short, placed, rng.choice(COLOURS), rng.choice(NAMES))), kind)


DRAWS: dict[str, Callable[[Random], Value]] = {
    "choice": draw_choice,
    "choices": draw_choices,
    "choice with texts": draw_choice_with_texts,
    "yes/no": draw_yes_no,
    "version": draw_version,
    "text": draw_words,
}
