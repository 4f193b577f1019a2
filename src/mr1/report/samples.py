"""A run's samples as the report shows them: completions cut into their parts, images as data URIs.

Which samples are shown is fixed beforehand, so that the choice can't flatter the run: the first of each task's test
samples in the order of the evaluation, and the first group of the first and of the last recorded step.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import pyarrow as pa

from mr1.data.images import open_image
from mr1.report.reading import IMAGES, Reader, Row
from mr1.tables import numbered

TAGS: tuple[Literal["think", "answer"], ...] = ("think", "answer")
LONGEST_PART = 3000
"""Characters of a part of a completion that are shown; the rest is counted."""
LARGEST_IMAGE = 448
"""Pixels of the longer side. A larger image is shown smaller; others are shown exactly as the model was given them."""

SAMPLE = {"id": pa.string(), "images": IMAGES, "question": pa.string(), "answer": pa.string()}
SAMPLE |= {"completion": pa.string(), "judged": pa.string()}
TESTED = SAMPLE | {"task": pa.string(), **dict.fromkeys(("correct", "well_formed", "truncated"), pa.bool_())}
"""The columns of a stage's test samples."""
TRAINED = SAMPLE | {"finish_reason": pa.string(), "advantage": pa.float64(), "reward/*": pa.float64()}
"""The columns of a step's samples."""


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
    truncated: bool | None
    correct: bool | None = None
    """None where nobody judged it, as anything else that is not known."""
    well_formed: bool | None = None
    rewards: dict[str, float] | None = None
    """Training samples only: each reward's raw score by its name, and `total`."""
    advantage: float | None = None
    judged: str = ""
    """How the answer and the truth were read, and what decided."""

    @property
    def hidden(self) -> int:
        """Characters that are not shown."""
        return sum(part.hidden for part in self.parts)


@dataclass(frozen=True)
class Pair:
    """One test sample and what the model wrote to it before and after training."""

    images: list[str | None]
    question: str
    answer: str
    before: Shown | None
    after: Shown | None


@dataclass(frozen=True)
class TrainingGroup:
    """One prompt of a training step with all of its completions."""

    step: int
    images: list[str | None]
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
    with open_image(encoded) as image:
        if max(image.size) > LARGEST_IMAGE:
            kind, small = "jpeg", image.convert("RGB")
            small.thumbnail((LARGEST_IMAGE, LARGEST_IMAGE))
            small.save(buffer, "JPEG", quality=88)
        else:
            kind = "png"
            image.save(buffer, "PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def images_of(reader: Reader, name: str, row: Row) -> list[str | None]:
    """The images of a file's row as data URIs; None for one that can't be read."""
    shown: list[str | None] = []
    for image in row["images"] or ():
        try:
            shown.append(data_uri(image["bytes"]))
        except Exception as error:  # decoders raise whatever comes up on bytes that are no image
            reader.note(name, f"an image of {row['id']} can't be read ({type(error).__name__})")
            shown.append(None)
    return shown


def read_stages(reader: Reader) -> dict[str, pa.Table | None]:
    """The test samples `before` and `after` training; None where there are none."""
    return {stage: reader.table(_stage_file(stage), TESTED, keys=("task", "id")) for stage in ("before", "after")}


def _stage_file(stage: str) -> str:
    return f"samples/{stage}.parquet"


def sample_pairs(reader: Reader, stages: Mapping[str, pa.Table | None], count: int) -> dict[str, list[Pair]]:
    """The first `count` test samples of each task, in the evaluation's order, with the completions of both stages."""
    leading = next((stage for stage, table in stages.items() if table is not None), None)
    if leading is None:
        return {}
    rows = {stage: _rows_by_id(table) for stage, table in stages.items()}
    pairs: dict[str, list[Pair]] = {}
    table = stages[leading]
    assert table is not None, "the leading stage has rows"
    for number, task in enumerate(table["task"].to_pylist()):
        of_task = pairs.setdefault(task, [])
        if len(of_task) == count:
            continue
        known = _row(table, number)
        assert known is not None, "the row is there"
        found = {stage: _row(stages[stage], rows[stage].get(known["id"])) for stage in stages}
        of_task.append(
            Pair(
                images=images_of(reader, _stage_file(leading), known),
                question=known["question"] or "",
                answer=known["answer"] or "",
                before=_outcome(found["before"]),
                after=_outcome(found["after"]),
            )
        )
    return pairs


def flips(stages: Mapping[str, pa.Table | None]) -> dict[str, Flips]:
    """For each task, how many of the samples that both stages have went from wrong to right and from right to wrong."""
    before, after = stages["before"], stages["after"]
    if before is None or after is None:
        return {}
    later = dict(zip(after["id"].to_pylist(), after["correct"].to_pylist(), strict=True))
    changes: dict[str, list[int]] = {}
    for row in before.select(["task", "id", "correct"]).to_pylist():
        was, now = row["correct"], later.get(row["id"])
        if was is not None and now is not None:
            changes.setdefault(row["task"], [0, 0])[was] += now != was
    return {task: Flips(gained, lost) for task, (gained, lost) in changes.items()}


def training_groups(reader: Reader) -> list[TrainingGroup]:
    """The first group of the first and of the last recorded step that can be read; one where there is only one."""
    steps = [*numbered(reader.folder / "samples", "step-")]
    first = next((group for step in steps if (group := _first_group(reader, step))), None)
    if first is None:
        return []
    later = (step for step in reversed(steps) if step > first.step)
    last = next((group for step in later if (group := _first_group(reader, step))), None)
    return [first, last] if last else [first]


def _first_group(reader: Reader, step: int) -> TrainingGroup | None:
    name = f"samples/step-{step:06d}.parquet"
    table = reader.table(name, TRAINED, keys=("id",))
    if table is None:
        return None
    ids = table["id"].to_pylist()
    size = len(list(takewhile(lambda identity: identity == ids[0], ids)))
    rows: list[Row] = table.slice(0, size).to_pylist()
    question, answer = (rows[0][key] or "" for key in ("question", "answer"))
    return TrainingGroup(step, images_of(reader, name, rows[0]), question, answer, [_trained(row) for row in rows])


def _trained(row: Row) -> Shown:
    scores = {key.removeprefix("reward/"): value for key, value in row.items() if key.startswith("reward/")}
    rewards = {name: score for name, score in scores.items() if score is not None}
    right, formed = rewards.get("accuracy"), rewards.get("format")
    return Shown(
        parts=split_parts(row["completion"] or ""),
        truncated=row["finish_reason"] == "length",
        correct=None if right is None else right == 1.0,
        well_formed=None if formed is None else formed == 1.0,
        rewards=rewards,
        advantage=row["advantage"],
        judged=row["judged"] or "",
    )


def _outcome(row: Row | None) -> Shown | None:
    if row is None:
        return None
    return shown(row)


def shown(row: Row) -> Shown:
    """A judged completion."""
    parts = split_parts(row["completion"] or "")
    return Shown(parts, row["truncated"], row["correct"], row["well_formed"], judged=row["judged"] or "")


def _rows_by_id(table: pa.Table | None) -> dict[str, int]:
    return {} if table is None else {identity: row for row, identity in enumerate(table["id"].to_pylist())}


def _row(table: pa.Table | None, index: int | None) -> Row | None:
    """One row as Python values; the others, and their images, are left as they are."""
    return None if table is None or index is None else table.slice(index, 1).to_pylist()[0]
