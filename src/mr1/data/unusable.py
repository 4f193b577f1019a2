"""Rows that can't be used: left out, told, and refused where they are more than a few."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mr1.errors import UserError
from mr1.whole import LARGEST_FILE, read_text
from mr1.writing import write_text

UNUSABLE = "unusable.jsonl"

NAMED = 10
"""Unusable rows that a message names; the others are in the folder's `unusable.jsonl`."""
HANDFUL = 5
"""Rows of a split that may be unusable whatever share of it they are, so that no small set is refused for one row."""


class TooManyError(UserError):
    """More of a split's rows can't be used than may be left out."""


@dataclass(frozen=True)
class BadRow:
    """A row that is left out because it can't be used."""

    source: str
    split: str
    id: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where} (id {self.id}): {self.reason}"


def name_rows(rows: Sequence[BadRow]) -> list[str]:
    """A line for each of the first rows, and how many more there are."""
    rest = [f"  and {len(rows) - NAMED} more"] if len(rows) > NAMED else []
    return [*(f"  {row}" for row in rows[:NAMED]), *rest]


def refuse_many(rows: Sequence[BadRow], total: int, share: float, setting: str) -> None:
    """Raise where too many of a split's rows can't be used; a HANDFUL always may.

    Args:
        rows: those of the split that can't be used.
        total: all of its rows; where it has no end, those looked at so far.
        share: of `total` that may be unusable.
        setting: what `share` is called.

    Raises:
        TooManyError: names the first of them.
    """
    if len(rows) <= max(HANDFUL, share * total) and (len(rows) < total or not rows):
        return
    raise TooManyError(
        "\n".join(
            [
                f"{setting}: {len(rows)} of {total} rows of {rows[0].source}, split {rows[0].split}, can't be used, "
                f"where {share:g} of them may be; fix them, leave them out by the source's filter or skip, or raise "
                f"{setting}:",
                *name_rows(rows),
            ]
        )
    )


class LeftOut:
    """The rows that one run, or one evaluation, leaves out: found by the scan of the sources, or met since.

    A row that was met stays left out, also in the next epoch and after a resume: it is not tried again.
    """

    def __init__(
        self,
        share: float,
        found: Iterable[BadRow] = (),
        tell: Callable[[BadRow], None] = lambda _: None,
        setting: str = "data.max_unusable",
    ) -> None:
        """Begin.

        Args:
            share: of a split's rows that may be unusable (see `refuse_many`).
            found: what the scan of the sources has found.
            tell: is told each row that is met, once it counts as left out.
            setting: what `share` is called, for messages.
        """
        self.share, self.setting, self.tell = share, setting, tell
        self.found = {_key(row): row for row in found}
        self.met: dict[tuple[str, str, str], BadRow] = {}

    @property
    def rows(self) -> list[BadRow]:
        """All of them, those that were met behind the others."""
        return [*self.found.values(), *self.met.values()]

    def known(self, source: str, split: str, identity: str) -> BadRow | None:
        """The row of this name where it has been met."""
        return self.met.get((source, split, identity))

    def expect(self, rows: Iterable[BadRow]) -> None:
        """Leave rows out that are known beforehand, though the source counts them among its own. Nobody is told."""
        for row in rows:
            if _key(row) not in self.found:
                self.met.setdefault(_key(row), row)

    def count(self, source: str) -> int:
        """How many rows of a source have been met."""
        return sum(row.source == source for row in self.met.values())

    def add(self, row: BadRow, total: int) -> None:
        """Leave a row out that was met; `total` as `refuse_many` takes it.

        Raises:
            TooManyError: by now they are.
        """
        if _key(row) in self.met:
            return
        self.met[_key(row)] = row
        self.tell(row)
        of_split = [each for each in self.rows if (each.source, each.split) == (row.source, row.split)]
        refuse_many(of_split, total, self.share, self.setting)

    def copy(self) -> LeftOut:
        """The same rows, of which nobody is told."""
        twin = LeftOut(self.share, self.found.values(), setting=self.setting)
        twin.met = dict(self.met)
        return twin

    def state_dict(self) -> list[dict[str, str]]:
        """The rows that were met."""
        return [asdict(row) for row in self.met.values()]

    def load_state_dict(self, state: Iterable[dict[str, str]]) -> None:
        """Take up what `state_dict` gave, or the lines of an `unusable.jsonl`, behind the rows that are expected."""
        self.expect(BadRow(**row) for row in state)


def write_unusable(folder: Path, rows: Sequence[BadRow]) -> None:
    """Write `unusable.jsonl` into a run's or an evaluation's folder: an object for each row."""
    path = folder / UNUSABLE
    if rows or path.exists():
        write_text(path, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows))


def read_unusable(folder: Path) -> list[dict[str, str]]:
    """What `write_unusable` wrote; nothing where there is no file. Raises UserError where it is damaged."""
    path = folder / UNUSABLE
    try:
        rows = [json.loads(line) for line in read_text(path, LARGEST_FILE).splitlines()] if path.is_file() else []
        return [asdict(BadRow(**row)) for row in rows]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); remove it: its rows are found again when they come") from error


def _key(row: BadRow) -> tuple[str, str, str]:
    return row.source, row.split, row.id
