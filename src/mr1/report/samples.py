"""A run's samples as the report shows them: completions cut into their parts, images as data URIs.

Which samples are shown is fixed beforehand, so that the choice can't flatter the run: the first of each task's test
samples in the order of the evaluation, and the first group of the first and of the last recorded step.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mr1.tables import numbered

TAGS: tuple[Literal["think", "answer"], ...] = ("think", "answer")
LONGEST_PART = 3000
"""Characters of a part of a completion that are shown; the rest is counted."""
LARGEST_IMAGE = 448
"""Pixels of the longer side. A larger image is shown smaller; others are shown exactly as the model was given them."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A piece of a completion: what stands inside a tag, or outside of the tags."""

    kind: Literal["think", "answer", "other"]
    text: str
    hidden: int = 0
    """Characters that were left out behind `text`."""


@dataclass(frozen=True)
class Shown:
    """A completion and its marks."""

    parts: list[Part]
    truncated: bool
    correct: bool | None = None
    """None where nobody judged it."""
    well_formed: bool | None = None
    rewards: dict[str, float] | None = None
    """Training samples only: each reward's raw score by its name, and `total`."""
    advantage: float | None = None

    @property
    def hidden(self) -> int:
        """Characters that are not shown."""
        return sum(part.hidden for part in self.parts)


@dataclass(frozen=True)
class Pair:
    """One test sample and what the model wrote to it before and after training."""

    images: list[str]
    question: str
    answer: str
    before: Shown | None
    after: Shown | None


@dataclass(frozen=True)
class TrainingGroup:
    """One prompt of a training step with all of its completions."""

    step: int
    images: list[str]
    question: str
    answer: str
    completions: list[Shown]

    @property
    def scored(self) -> bool:
        """Whether rewards were given; a teacher's text is not scored."""
        return any(len(shown.rewards or {}) > 1 for shown in self.completions)

    @property
    def alike(self) -> bool:
        """Whether all that a reward applied to earned the same, so that the group taught nothing."""
        totals = [(shown.rewards or {}).get("total") for shown in self.completions]
        return len({total for total in totals if total is not None and not math.isnan(total)}) <= 1


@dataclass(frozen=True)
class Flips:
    """How many test samples changed sides."""

    gained: int
    """Wrong before, right after."""
    lost: int
    """Right before, wrong after."""


def split_parts(text: str) -> list[Part]:
    """Cut a completion at its <think> and <answer> tags; a tag that is not closed stays where it is, as plain text."""
    found: list[tuple[Literal["think", "answer", "other"], str]] = []
    end = 0
    for tag, start, stop in _tagged(text):
        found.append(("other", text[end : start - len(f"<{tag}>")]))
        found.append((tag, text[start:stop]))
        end = stop + len(f"</{tag}>")
    found.append(("other", text[end:]))
    return [
        Part(kind, body.strip()[:LONGEST_PART], max(0, len(body.strip()) - LONGEST_PART))
        for kind, body in found
        if body.strip() or kind != "other"
    ]


def _tagged(text: str) -> Iterator[tuple[Literal["think", "answer"], int, int]]:
    """Each tag that is closed, and where what it holds starts and stops: from left to right, none inside another.

    Each place is searched once for each tag, so the time is linear in the text; a regular expression goes on from every
    tag that stays open to the text's end.
    """
    opened = {tag: text.find(f"<{tag}>") for tag in TAGS}
    while ahead := [tag for tag in TAGS if opened[tag] >= 0]:
        tag = min(ahead, key=lambda tag: opened[tag])
        start = opened[tag] + len(f"<{tag}>")
        stop = text.find(f"</{tag}>", start)
        if stop < 0:
            opened[tag] = -1  # What isn't closed here is closed nowhere behind.
            continue
        yield tag, start, stop
        for each in ahead:
            if opened[each] < stop:
                opened[each] = text.find(f"<{each}>", stop)


def data_uri(encoded: bytes) -> str:
    """An encoded image as a data URI, as PNG; made smaller first, and JPEG, where it is larger than LARGEST_IMAGE."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(encoded)) as image:
        if max(image.size) > LARGEST_IMAGE:
            kind, small = "jpeg", image.convert("RGB")
            small.thumbnail((LARGEST_IMAGE, LARGEST_IMAGE))
            small.save(buffer, "JPEG", quality=88)
        else:
            kind = "png"
            image.save(buffer, "PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def sample_pairs(folder: Path, count: int) -> dict[str, list[Pair]]:
    """The first `count` test samples of each task, in the evaluation's order, with the completions of both stages."""
    tables = {stage: _read(folder / "samples" / f"{stage}.parquet") for stage in ("before", "after")}
    leading = tables["before"] or tables["after"]
    if leading is None:
        return {}
    rows = {stage: _rows_by_id(table) for stage, table in tables.items()}
    pairs: dict[str, list[Pair]] = {}
    for task, identity in zip(leading["task"].to_pylist(), leading["id"].to_pylist(), strict=True):
        of_task = pairs.setdefault(task, [])
        if len(of_task) == count:
            continue
        before, after = (_row(tables[stage], rows[stage].get(identity)) for stage in ("before", "after"))
        known = before or after
        assert known is not None, "the id is from one of the tables"
        of_task.append(
            Pair(
                images=_images(known),
                question=known["question"],
                answer=known["answer"],
                before=_outcome(before),
                after=_outcome(after),
            )
        )
    return pairs


def flips(folder: Path) -> dict[str, Flips]:
    """For each task, how many of the samples that both stages have went from wrong to right and from right to wrong."""
    before = _read(folder / "samples" / "before.parquet", ["task", "id", "correct"])
    after = _read(folder / "samples" / "after.parquet", ["id", "correct"])
    if before is None or after is None:
        return {}
    later = dict(zip(after["id"].to_pylist(), after["correct"].to_pylist(), strict=True))
    changes: dict[str, list[int]] = {}
    for row in before.to_pylist():
        gained_lost = changes.setdefault(row["task"], [0, 0])
        if later.get(row["id"], row["correct"]) != row["correct"]:
            gained_lost[row["correct"]] += 1
    return {task: Flips(gained, lost) for task, (gained, lost) in changes.items()}


def training_groups(folder: Path) -> list[TrainingGroup]:
    """The first group of the first and of the last recorded step; one group where only one step was recorded."""
    paths = [*numbered(folder / "samples", "step-").values()]
    tables = [_read(path) for path in dict.fromkeys([*paths[:1], *paths[-1:]])]
    return [_first_group(table) for table in tables if table is not None]


def _first_group(table: pa.Table) -> TrainingGroup:
    ids = table["id"].to_pylist()
    size = len(list(takewhile(lambda identity: identity == ids[0], ids)))
    rows: list[Row] = table.slice(0, size).to_pylist()
    first = rows[0]
    return TrainingGroup(
        first["step"], _images(first), first["question"], first["answer"], [_trained(row) for row in rows]
    )


def _trained(row: Row) -> Shown:
    rewards = {key.removeprefix("reward/"): value for key, value in row.items() if key.startswith("reward/")}
    right, formed = rewards.get("accuracy"), rewards.get("format")
    return Shown(
        parts=split_parts(row["completion"]),
        truncated=row["finish_reason"] == "length",
        correct=None if right is None else right == 1.0,
        well_formed=None if formed is None else formed == 1.0,
        rewards=rewards,
        advantage=row["advantage"],
    )


def _outcome(row: Row | None) -> Shown | None:
    if row is None:
        return None
    return Shown(split_parts(row["completion"]), row["truncated"], row["correct"], row["well_formed"])


def _images(row: Row) -> list[str]:
    return [data_uri(image["bytes"]) for image in row["images"]]


def _read(path: Path, columns: list[str] | None = None) -> pa.Table | None:
    """A Parquet file's rows; None where there is no file or no row."""
    if not path.is_file():
        return None
    table = pq.read_table(path, columns=columns)
    return table if table.num_rows else None


def _rows_by_id(table: pa.Table | None) -> dict[str, int]:
    return {} if table is None else {identity: row for row, identity in enumerate(table["id"].to_pylist())}


def _row(table: pa.Table | None, index: int | None) -> Row | None:
    """One row as Python values; the others, and their images, are left as they are."""
    return None if table is None or index is None else table.slice(index, 1).to_pylist()[0]
