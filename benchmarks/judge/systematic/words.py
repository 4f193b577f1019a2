"""Notations of choices, yes and no, versions and texts."""

from __future__ import annotations

from random import Random

from benchmarks.judge.pair import Form
from benchmarks.judge.systematic.forms import forms, math, text
from benchmarks.judge.values.words import Choice, Crossed, Version, Words, YesNo
from mr1.judge.truth import Kind


@forms.register
def _(value: Choice, rng: Random) -> list[Form]:
    if value.said == "text":
        return text(value.text)
    if len(value.letters) > 1:
        letters = value.letters
        return [
            *text(
                ", ".join(letters),
                "".join(letters),
                " and ".join(letters),
                ",".join(letters),
                "、".join(letters),
                f"{'、'.join(letters[:-1])}和{letters[-1]}",
            ),
            *text(", ".join(f"({each})" for each in letters), *([" & ".join(letters)] if len(letters) == 2 else [])),
            *math(f"\\text{{{', '.join(letters)}}}"),
        ]
    letter = value.letters[0]
    if value.said == "both":
        return text(*_with(letter, value.text))
    found = text(
        letter,
        letter,
        f"({letter})",
        f"[{letter}]",
        f"{letter})",
        letter.lower(),
        f"（{letter}）",
        f"{letter}.",
        f"[[{letter}]]",
        chr(ord(letter) + 0xFEE0),
    )
    return found + math(f"\\text{{{letter}}}", f"\\textbf{{({letter})}}", f"\\mathrm{{{letter}}}")


def _with(letter: str, written: str) -> list[str]:
    return [
        f"{letter}. {written}",
        f"({letter}) {written}",
        f"{letter}: {written}",
        f"{letter}) {written}",
        f"{letter}、{written}",
    ]


@forms.register
def _(value: Crossed, rng: Random) -> list[Form]:
    return text(*_with(value.letter, value.text))


@forms.register
def _(value: YesNo, rng: Random) -> list[Form]:
    word = "yes" if value.yes else "no"
    return text(word, word.capitalize(), word.upper(), "是" if value.yes else "否")


@forms.register
def _(value: Version, rng: Random) -> list[Form]:
    number = ".".join(map(str, value.parts))
    return text(number, number, f"v{number}", f"version {number}", f"Version {number}")


@forms.register
def _(value: Words, rng: Random) -> list[Form]:
    found = text(value.text, value.text, value.text.capitalize(), value.text.upper(), value.text.title())
    return found if value.kind is Kind.TEXT else found + math(f"\\text{{{value.text}}}")
