"""What questions of all scenes have in common: what is drawn by chance, and the forms of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mr1.data.truths import LETTERS
from mr1.synthesis.row import Asked

T = TypeVar("T")


def pick(items: Sequence[T], rng: np.random.Generator) -> T:
    """One of the items, all equally likely."""
    return items[int(rng.integers(len(items)))]


def shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """All items in an order that is drawn."""
    return [items[place] for place in rng.permutation(len(items))]


def number(question: str, answer: int, category: str, abilities: tuple[str, ...], reasoning: str) -> Asked:
    """A question that a number answers; the abilities are those beside reasoning."""
    return Asked(question, str(answer), "short", category, ("reasoning", *abilities), reasoning, kind="number")


def yes_no(question: str, yes: bool, category: str, abilities: tuple[str, ...], reasoning: str) -> Asked:
    """A question that yes or no answers."""
    answer = "yes" if yes else "no"
    wanted = ("reasoning", *abilities)
    return Asked(question, answer, "short", category, wanted, f"{reasoning}. {answer}", kind="yes/no")


def choice(
    question: str, texts: Sequence[str], rng: np.random.Generator, category: str, abilities: tuple[str, ...], why: str
) -> Asked:
    """A multiple choice of these texts, of which the first is right, in an order that is drawn."""
    choices = tuple(shuffled(texts, rng))
    letter = LETTERS[choices.index(texts[0])]
    reasoning = f"{why}. {texts[0]}: {letter}"
    return Asked(question, letter, "choice", category, ("reasoning", *abilities), reasoning, choices, "choice")
