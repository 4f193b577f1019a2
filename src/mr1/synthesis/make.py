"""All of `mr1 data make`: pictures, questions about them, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from mr1.synthesis.asking import Models
from mr1.synthesis.exact import exact
from mr1.synthesis.folder import PROBLEMS, REPLIES, Folder
from mr1.synthesis.pictures import Picture, pictures
from mr1.synthesis.prompts import written_down
from mr1.synthesis.row import Dropped, Outcome
from mr1.synthesis.settings import Make
from mr1.synthesis.steps import Pipeline

TOGETHER = 128
"""Pictures that are worked on at once, and held in memory meanwhile."""

Ask = Callable[[Sequence[Picture]], Outcome]


@dataclass(frozen=True)
class Made:
    """What was made."""

    file: Path
    """Of the rows."""
    counts: dict[str, int]
    """Pictures, rows, and what was dropped by the step."""
    calls: dict[str, int]
    """Requests of this start, those sent again, questions that failed, and replies that were there already."""
    waiting: list[str]
    """Steps at which a question got no reply, one for each."""


def make_rows(make: Make, overwrite: bool = False, say: Callable[[str], None] = lambda _: None) -> Made:
    """Make rows of pictures, or go on where that was stopped.

    Args:
        make: checked settings (`load_make`).
        overwrite: whether rows of other settings are replaced.
        say: is told how far it has come.

    Raises:
        UserError: no pictures, a folder that is another make's, a model that doesn't answer, no row.
    """
    found = iter(pictures(make))
    first = next(found)  # where there is none, no folder is made
    with Folder(make, written_down() if make.asks else {}, overwrite) as folder:
        models = Models.opened(make, folder.path / REPLIES, check=not folder.finished)
        ask: Ask = Pipeline(make, models) if make.asks else partial(exact, seed=make.seed, questions=make.questions)
        for some in _together(first, found):
            whole = {each.id: each for each in some if isinstance(each, Picture)}
            folder.add({}, Outcome(dropped=[each for each in some if isinstance(each, Dropped)]))
            folder.add(whole, ask([*whole.values()]))
            counts = folder.counts
            say(f"{counts['pictures']} pictures: {counts['rows']} rows")
        folder.publish()
    calls = models.take_counts() if make.asks else {}
    return Made(folder.path / PROBLEMS, dict(sorted(folder.counts.items())), calls, folder.waiting)


def _together(first: Picture | Dropped, rest: Iterator[Picture | Dropped]) -> Iterator[list[Picture | Dropped]]:
    some = [first, *islice(rest, TOGETHER - 1)]
    while some:
        yield some
        some = [*islice(rest, TOGETHER)]
