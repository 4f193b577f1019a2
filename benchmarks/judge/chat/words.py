"""How chat models write choices, yes and no, versions and texts."""

from __future__ import annotations

from random import Random

from benchmarks.judge.chat.say import pick, say
from benchmarks.judge.pair import Form
from benchmarks.judge.values.words import Choice, Crossed, Version, Words, YesNo


@say.register
def _(value: Choice, rng: Random) -> Form:
    if value.said == "text":
        return pick(rng, {value.text: 3, value.text.capitalize(): 1})
    if len(value.letters) > 1:
        listed = ", ".join(value.letters)
        return pick(
            rng, {listed: 3, "".join(value.letters): 2, f"{', '.join(value.letters[:-1])} and {value.letters[-1]}": 1}
        )
    letter = value.letters[0]
    if value.said == "both":
        return pick(rng, {f"{letter}. {value.text}": 3, f"({letter}) {value.text}": 1, f"{letter}: {value.text}": 1})
    return pick(rng, {letter: 4, f"({letter})": 1, f"{letter}.": 0.5})


@say.register
def _(value: Crossed, rng: Random) -> Form:
    return pick(
        rng,
        {f"{value.letter}. {value.text}": 3, f"({value.letter}) {value.text}": 1, f"{value.letter}: {value.text}": 1},
    )


@say.register
def _(value: YesNo, rng: Random) -> Form:
    word = "Yes" if value.yes else "No"
    long = "Yes, it is" if value.yes else rng.choice(("No, it is not", "No, it isn't"))
    return pick(rng, {word: 3, word.lower(): 2, long: 1, "是的" if value.yes else "不是": 0.5})


@say.register
def _(value: Version, rng: Random) -> Form:
    number = ".".join(map(str, value.parts))
    return pick(rng, {number: 4, f"v{number}": 1, f"version {number}": 1})


@say.register
def _(value: Words, rng: Random) -> Form:
    return pick(rng, {value.text: 3, value.text.capitalize(): 1})
