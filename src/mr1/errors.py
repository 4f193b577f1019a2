"""The exceptions for what a user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 60
"""Characters of a wrong value that a message shows."""
NAMED = 40
"""Words of a list that a message shows."""


class UserError(Exception):
    """A mistake in a recipe, an argument or a file: one line that names it and the fix. The command exits with 2."""


class UnusableError(UserError):
    """A row that can't be used: the reason and the fix, in words that follow the row's name.

    Whoever asks for many samples leaves the row out (`data.unusable`); the others let it pass as a user's mistake.
    """


class DiskError(UserError):
    """What was to be written can't be: the disk is full, read-only or gone. Names path, bytes and the way out."""


class MissingPackageError(UserError):
    """A package that is not among MR1's own has to be installed for what is asked for."""


class RolloutError(UserError):
    """Servers that write a run's completions don't answer, or compute something else than the trainer."""


class RankError(Exception):
    """A process of several has waited in vain for another one: who waits for whom, and where each was seen last."""


class ToldError(UserError):
    """Another process's error, which that one says itself."""


class ToldRolloutError(ToldError, RolloutError):
    """Another process's error with the servers, after which all of them can save the run."""


class GuardError(Exception):
    """A guard of `guards.stop` has ended the run, which is saved and can be gone on with. The command exits with 3."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to an unknown one: "; did you mean 'x'?", or the list of what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {listing(known)}"


def listing(words: Iterable[object]) -> str:
    """Words for a message, with commas: not too many of them, and none that is too long."""
    texts = [text if len(text) <= SHOWN else f"{text[:SHOWN]}..." for text in map(str, words)]
    return ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED} more" if len(texts) > NAMED else "")


def note(error: BaseException, text: str) -> None:
    """Add a line to what is said of an error, once; nothing where the text is empty."""
    if text and text not in getattr(error, "__notes__", ()):
        error.add_note(text)


def shown(value: object) -> str:
    """A wrong value for a message: on one line, and not too long for one."""
    if value is None:
        return "null"
    text = str(value) if isinstance(value, int | float) or _is_number(value) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None and value == value.strip()
    except ValueError:
        return False
