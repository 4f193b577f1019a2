"""What a kind of input is, and which there are.

A kind draws an input from a random number generator alone, or takes one from the corpus, and reads it as MR1 would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

CORPUS = Path(__file__).parents[2] / "tests" / "corpus"
"""Inputs that stay: what once went wrong, and what is meant to hurt. A folder for each kind."""
LONGEST_LINE = 4000
"""Characters of a message."""

KINDS = ("answers", "batches", "chats", "checkpoints", "evaluations", "folders", "images", "recipes", "rows")
"""Each is a module of this package, with a class of its name."""


class Kind(Protocol):
    """Inputs of one kind. It is made with an empty folder of its own, in the process that reads them."""

    def draw(self, rng: random.Random, number: int) -> Any:
        """An input; `number` goes up by one from each to the next."""
        ...

    def kept(self, file: Path) -> Any:
        """An input from the corpus."""
        ...

    def read(self, value: Any) -> str:
        """Read an input; returns in a word what became of it. Whatever is raised counts as a crash."""
        ...


class WrongError(AssertionError):
    """An input was taken for what it isn't, or a message is not one that can be printed."""


def make_kind(name: str, folder: Path) -> Kind:
    """A kind by its name."""
    make: Callable[[Path], Kind] = getattr(import_module(f"benchmarks.fuzz.{name}"), name.capitalize())
    return make(folder)


def corpus(name: str) -> list[Path]:
    """The files of a kind's corpus."""
    folder = CORPUS / name
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def said(error: BaseException) -> str:
    """An expected error's outcome. Raises WrongError for a message that is too long or can't be written."""
    text = str(error)
    if len(text) > LONGEST_LINE or not text.strip() or text.encode("utf-8", "replace").decode() != text:
        raise WrongError(f"a message of {len(text)} characters: {text[:100]!r}")
    return "named"


def mutated(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes] = (b"",)) -> bytes:
    """One of the seeds, now and then as it is, else cut, overwritten, doubled or filled in some places."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 8))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 2, 4, 16, 256, len(data))))
        other = rng.choice(seeds)
        at = rng.randrange(len(other) + 1)
        data[start:end] = rng.choice(
            (b"", rng.randbytes(rng.randrange(6)), rng.choice(words), other[at : at + 64], 2 * data[start:end])
        )
    return bytes(data)
