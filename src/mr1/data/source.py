"""A source as a task: what the loop, the evaluation and the methods know of data."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mr1.data.fingerprint import Fingerprint
from mr1.data.images import decode, find
from mr1.data.opening import open_splits
from mr1.data.problem import LOOKED_AT, Problem, Reader
from mr1.data.rows import Row, Rows
from mr1.data.settings import Source, Split
from mr1.data.truths import unreadable
from mr1.data.unusable import BadRow, name_rows, refuse_many
from mr1.errors import UnusableError, UserError, nearest
from mr1.tasks.base import Demonstration, Teacher, generator
from mr1.types import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

    from mr1.config.tree import Config


@dataclass
class Part:
    """A split: its rows' numbers, and how many of the others were left out and why."""

    rows: Rows
    usable: np.ndarray[Any, np.dtype[np.int64]]
    """(N,) int64, in the source's order."""
    places: np.ndarray[Any, np.dtype[np.float64]]
    """(N,) float64 in [0, 1), a hash of what each usable row is held out by: the same whatever other rows there are."""
    unusable: list[BadRow]
    fingerprint: str = ""
    """Of its rows' contents in their order: usable ones and skipped ones, and those that `held_out` moves."""
    filtered: int = 0
    skipped: int = 0
    stood: Counter[str] = field(default_factory=Counter)
    """Usable rows by where their answer was taken out, where it was (`truths.WRAPPINGS`)."""


class SourceTask:
    """Rows of one's own. A training split is drawn from without replacement, anew in each epoch."""

    def __init__(self, name: str, source: Source) -> None:
        """Open the files and look at every row, at no image: what is unusable is known before anything is trained.

        Raises:
            UserError: a file, a column or a split that isn't there, a column that nothing reads, no usable row.
        """
        self.name, self.source = name, source
        try:
            opened = open_splits(source)
            first = [row for rows in opened.values() for row in islice(rows.brief(), LOOKED_AT)]
            media = {column: holds for rows in opened.values() for column, holds in rows.media().items()}
            self.reader = Reader(source, first, media)
            self.parts: dict[str, Part] = {split: self._scan(split, rows) for split, rows in opened.items()}
            self._hold_out()
        except UserError as error:
            raise UserError(f"sources.{name}.{error}") from error
        self.splits = tuple(self.parts)
        self._order = lru_cache(maxsize=2)(self._shuffled)
        self._unreadable: dict[int, dict[int, str]] = {}

    @property
    def answered(self) -> bool:
        """Whether the rows have answers."""
        return self.reader.answered

    @property
    def unusable(self) -> list[BadRow]:
        """All rows that can't be used."""
        return [row for part in self.parts.values() for row in part.unusable]

    def unreadable(self, split: str, first: int | None = None) -> list[BadRow]:
        """The usable rows whose answers the judge can't compare with anything. They are read when this is first asked.

        Args:
            split: of which.
            first: look at the samples of seed 0 before this number alone.
        """
        part = self.parts[split]
        reasons = self._unreadable.get(id(part.rows))
        if reasons is None:
            usable = {number for each in self.parts.values() if each.rows is part.rows for number in each.usable}
            problems = ((number, row) for number, row in enumerate(part.rows.brief()) if number in usable)
            truths = ((number, self.reader.problem(row).truth) for number, row in problems) if self.answered else ()
            reasons = self._unreadable[id(part.rows)] = dict(unreadable(truths))
        numbers = [int(number) for number in part.usable if int(number) in reasons]
        if first is not None and reasons:
            asked = {self._place(split, 0, index)[0] for index in range(first)}
            numbers = [number for number in numbers if number in asked]
        return [
            BadRow(
                self.name, split, self._identity(part.rows[number], number), part.rows.where(number), reasons[number]
            )
            for number in numbers
        ]

    def identity(self) -> dict[str, str | None]:
        """What the samples depend on beside the settings, to be compared when a run or an evaluation goes on.

        Returns:
            `commit`, that of a data set on the hub, None for other sources; and for each split the hash of its rows'
            contents (see `Fingerprint`), for one made by `held_out` that of train. `skip` changes no hash.
        """
        commit = next(iter(self.parts.values())).rows.commit
        return {"commit": commit} | {split: part.fingerprint for split, part in self.parts.items()}

    def baseline(self, split: str) -> None:
        """None: what its words tell is not known beforehand."""

    def size(self, split: str) -> int:
        """Usable rows of a split."""
        return len(self.parts[split].usable)

    def looked_at(self, split: str) -> int:
        """Rows of a split, those that the scan found unusable included."""
        return self.size(split) + len(self.parts[split].unusable)

    def sample(self, split: str, seed: int, index: int) -> Sample:
        """Sample `index` of a split, its images read and decoded.

        The training split is walked in an order that (seed, epoch) give, each row once an epoch; held-out splits in
        the source's order, whatever the seed.

        Raises:
            UnusableError: an image that turns out to be damaged.
        """
        number, again = self._place(split, seed, index)
        return self._sample(split, number, again)

    def name_row(self, split: str, seed: int, index: int) -> tuple[str, str]:
        """The id of the row that sample `index` is made of, the same in each epoch, and its place in its file."""
        rows, (number, _) = self.parts[split].rows, self._place(split, seed, index)
        return self._identity(rows[number], number), rows.where(number)

    def identify(self, split: str, seed: int, index: int) -> tuple[int, str]:
        """The number of the row that sample `index` is made of, and the sample's id; nothing is decoded."""
        number, again = self._place(split, seed, index)
        return number, self._id(split, self.parts[split].rows[number], number, again)

    def every(self, split: str) -> Iterator[tuple[str, Sample] | BadRow]:
        """All usable rows of a split in order: the place and the sample, or what is wrong with its images."""
        rows = self.parts[split].rows
        for number in map(int, self.parts[split].usable):
            try:
                yield rows.where(number), self._sample(split, number)
            except UnusableError as error:
                yield self._bad(split, number, str(error))

    def demonstrate(self, sample: Sample, teacher: Teacher) -> Demonstration:
        """The row's own reasoning and answer.

        Raises:
            UserError: no teacher with bad habits knows these rows, or they have no answer.
        """
        if teacher != "perfect":
            raise UserError(f"demonstrations.teacher: source {self.name} has no '{teacher}' teacher; use 'perfect'")
        if not sample.answer:
            raise UserError(f"sources.{self.name}.columns.answer: the rows have no answers, which method sft learns")
        return Demonstration(sample.reasoning, sample.answer)

    def describe(self, expected: Sequence[BadRow] = ()) -> str:
        """One line: usable rows of each split, and what was left out. Unusable rows follow, the first of them named.

        Args:
            expected: rows that are left out beside those that the scan found unusable.
        """
        of_split = Counter(row.split for row in expected)
        sizes = ", ".join(f"{self.size(split) - of_split[split]} {split}" for split in self.splits)
        parts = self.parts.values()
        counts = {
            "by its filter": sum(part.filtered for part in parts),
            "by skip": sum(part.skipped for part in parts),
        }
        left_out = [f"{count} {how}" for how, count in counts.items() if count]
        lines = [f"{self.name}: {sizes} rows" + (f"; left out: {', '.join(left_out)}" if left_out else "")]
        for where, count in sum((part.stood for part in parts), Counter[str]()).items():
            lines.append(f"{self.name}: {count} answers stand {where}, and are taken out")
        if bad := [*self.unusable, *expected]:
            looked_at = sum(map(self.looked_at, self.splits))
            lines += [f"{self.name}: {len(bad)} of {looked_at} rows can't be used:", *name_rows(bad)]
        return "\n".join(lines)

    def _bad(self, split: str, number: int, reason: str) -> BadRow:
        rows = self.parts[split].rows
        return BadRow(self.name, split, self._identity(rows[number], number), rows.where(number), reason)

    def _place(self, split: str, seed: int, index: int) -> tuple[int, str]:
        """The row of a sample, and what its id ends in.

        A batch may reach from one epoch into the next: the same row again must not be sampled alike.
        """
        usable = self.parts[split].usable
        epoch, place = divmod(index, len(usable))
        number = int(usable[self._order(seed, epoch)[place] if split == "train" else place])
        return number, f"@{epoch}" if epoch else ""

    def _id(self, split: str, row: Row, number: int, again: str) -> str:
        return f"{self.name}/{split}/{self._identity(row, number)}{again}"

    def _sample(self, split: str, number: int, again: str = "") -> Sample:
        """The sample of a row, its images decoded. Raises UnusableError where that can't be done."""
        rows = self.parts[split].rows
        row = rows[number]
        problem = self.reader.problem(row)
        root = self._root(rows, number)
        return Sample(
            id=self._id(split, row, number, again),
            images=tuple(decode(find(held, root)) for held in problem.images),
            question=problem.question,
            answer=problem.answer,
            reasoning=problem.reasoning,
            stated=problem.stated,
            meta=problem.meta,
            messages=problem.messages,
        )

    def _scan(self, split: Split, rows: Rows) -> Part:
        """Read every row of a split in brief, and sort out those that can't be used."""
        part = Part(rows, np.empty(0, np.int64), np.empty(0), [])
        usable: list[int] = []
        places: list[float] = []
        fingerprint = Fingerprint()
        seen: dict[str, int] = {}
        skip = set(self.source.skip)
        for number, row in enumerate(rows.brief()):
            if len(usable) == self.source.limit:
                break
            identity = self._identity(row, number)
            root, skipped = self._root(rows, number), identity in skip
            part.skipped += skipped
            try:
                read = self._read(row, root)
            except UnusableError as error:
                if not skipped:
                    part.unusable.append(BadRow(self.name, split, identity, rows.where(number), str(error)))
                continue
            if read is None:
                part.filtered += not skipped
                continue
            fingerprint.add(identity, *read, root)
            if skipped:
                continue
            if where := read[0].stood:
                part.stood[where] += 1
            if identity in seen:
                raise UserError(
                    f"columns.id: '{self.source.columns.id}' names two rows '{identity}' ({rows.where(seen[identity])} "
                    f"and {rows.where(number)}); name another column, or none"
                )
            seen[identity] = number
            usable.append(number)
            places.append(_hashed(self.reader.together(row) or identity))
        if not usable:
            why = f"; {part.unusable[0]}" if part.unusable else ""
            raise UserError(f"path: no row of split {split} can be used{why}")
        part.usable = np.array(usable, np.int64)
        part.places = np.array(places)
        part.fingerprint = fingerprint.hexdigest()
        return part

    def _read(self, row: Row, root: Path) -> tuple[Problem, list[Path | bytes | Image]] | None:
        """What a row says and where its images are; None where the filter leaves it out.

        Raises:
            UnusableError: the row can't be used.
        """
        if not self.reader.accepted(row):
            return None
        problem = self.reader.problem(row)
        return problem, [find(held, root) for held in problem.images]

    def _hold_out(self) -> None:
        """Give the share `held_out` of train to each of test and validation that has no rows of its own."""
        share, whole = self.source.held_out, self.parts.get("train")
        lacking = [split for split in ("test", "validation") if split not in self.parts]
        if not share or not lacking:
            return
        if whole is None:
            raise UserError("held_out: there is no split train to take rows from; leave it out")
        places = whole.places
        for order, split in enumerate(lacking):
            chosen = (places >= order * share) & (places < (order + 1) * share)
            self.parts[split] = Part(whole.rows, whole.usable[chosen], places[chosen], [], whole.fingerprint)
        whole.usable = whole.usable[places >= len(lacking) * share]
        for split in ("train", *lacking):
            if not len(self.parts[split].usable):
                raise UserError(f"held_out: {share} leaves split {split} without a row; choose another share")

    def _shuffled(self, seed: int, epoch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return generator(self.name, seed, epoch).permutation(self.size("train"))

    def _root(self, rows: Rows, number: int) -> Path:
        """What a row's paths are relative to."""
        root = self.source.image_root
        return rows.root(number) if root is None else rows.folder / root

    def _identity(self, row: Row, number: int) -> str:
        """A row's id, or its number counted from 1."""
        return self.reader.identity(row) or str(number + 1)


def _hashed(identity: str) -> float:
    """A number in [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "little") / 2**64


_OPENED: dict[tuple[str, str], SourceTask] = {}


def load_source(name: str, source: Source) -> SourceTask:
    """The source as a task; looked at once in a process, however many ask for it.

    Raises:
        UserError: see `SourceTask`.
    """
    key = name, source.model_dump_json()
    if key not in _OPENED:
        _OPENED[key] = SourceTask(name, source)
    return _OPENED[key]


def forget_sources() -> None:
    """Let go of all opened sources: a program that goes on may have changed their files meanwhile."""
    _OPENED.clear()


def open_sources(config: Config) -> list[SourceTask]:
    """The sources that a run uses, each looked at; where the judge is to compare answers, it has read them.

    Raises:
        UserError: a source that can't be read, lacks a split or the answers that the run needs, or has too many rows
            that can't be used.
    """
    needed = _needed_splits(config)
    opened = [load_source(name, config.sources[name]) for name in needed if name in config.sources]
    for task in opened:
        for split in needed[task.name]:
            if split not in task.splits:
                raise UserError(
                    f"sources.{task.name}.splits: it has no split {split}, which the run reads; name one, or set "
                    f"sources.{task.name}.held_out" + (", or evaluation.tasks" if split != "train" else "")
                )
        require_answers(config, task)
        expected = expected_rows(config, task)
        for split in needed[task.name]:
            rows = [*task.parts[split].unusable, *(row for row in expected if row.split == split)]
            refuse_many(rows, task.looked_at(split), config.data.max_unusable, "data.max_unusable")
    return opened


def require_answers(config: Config, task: SourceTask) -> None:
    """Raise where a run compares with answers, or asks for facts, that a source has not.

    Raises:
        UserError: the source's rows have none.
    """
    from mr1.rewards.judgements import COMPARING, PRESENCE

    trained = task.name in config.tasks and any(name.startswith(COMPARING) for name in config.rewards)
    evaluated = task.name in config.evaluation.tasks and config.measured_splits
    if not task.answered and (trained or evaluated):
        raise UserError(
            f"sources.{task.name}.columns.answer: the rows have no answers, which reward accuracy and evaluation "
            "compare with; name their column, or do without both"
        )
    column = config.endpoint.facts
    if PRESENCE in config.rewards and task.name in config.tasks and column not in task.reader.known:
        raise UserError(
            f"endpoint.facts: source {task.name} has no column '{column}', whose facts reward {PRESENCE} asks for"
            f"{nearest(column, task.reader.known)}"
        )


def expected_rows(config: Config, task: SourceTask) -> list[BadRow]:
    """The rows that a run leaves out because it would compare with an answer that can't be compared."""
    judged = [split for split in _needed_splits(config)[task.name] if split in config.judged_splits]
    return [row for split in judged for row in task.unreadable(split)]


def _needed_splits(config: Config) -> dict[str, list[str]]:
    """The splits that a run reads of each task."""
    needed: dict[str, list[str]] = {name: ["train"] for name in config.tasks}
    evaluated = [*config.measured_splits]
    for name in config.evaluation.tasks if evaluated else ():
        needed[name] = needed.get(name, []) + evaluated
    return needed
