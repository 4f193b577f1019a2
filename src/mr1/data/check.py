"""What `mr1 data check` finds: every row read, every image decoded, every prompt made as training would make it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mr1.data.source import SourceTask
from mr1.data.unusable import NAMED, BadRow
from mr1.errors import UnusableError
from mr1.types import Sample

if TYPE_CHECKING:
    from mr1.models.vlm import VLM

NUMBER = r"[-+]?\d[\d,]*(\.\d+)?"
KINDS = (
    ("integer", re.compile(r"[-+]?\d[\d,]*")),
    ("decimal", re.compile(NUMBER)),
    ("fraction", re.compile(r"[-+]?\d+\s*/\s*\d+|-?\\d?frac\{-?\d+\}\{-?\d+\}")),
    ("letter", re.compile(r"\(?[A-J]\)?")),
    ("yes or no", re.compile(r"yes|no", re.IGNORECASE)),
    ("number with a unit", re.compile(rf"{NUMBER}\s*(°|%|[^\W\d_]{{1,12}}[²³]?|\\?\^?\{{?\\?circ\}}?)")),
    ("formula", re.compile(r".*[\\√π^{}=+*/].*", re.DOTALL)),
    ("several words", re.compile(r".*\s.*", re.DOTALL)),
)
"""What an answer looks like, the first that fits; the rest is one word."""


def answer_kind(answer: str) -> str:
    """What an answer looks like, in words."""
    return next((kind for kind, pattern in KINDS if pattern.fullmatch(answer)), "word" if answer else "none")


@dataclass
class SplitCheck:
    """What was found in a split."""

    source: str
    split: str
    rows: int
    """That can be used, before images were decoded and prompts made."""
    filtered: int
    skipped: int
    unusable: list[BadRow]
    """Rows that can't be used, for whatever reason."""
    limit: int | None
    """Tokens of the longest prompt allowed; None where no model was named, or it has no limit."""
    images: Counter[int] = field(default_factory=Counter)
    """Rows by their number of images."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Width and height of every image."""
    tokens: list[int] = field(default_factory=list)
    """Of every prompt; empty where no model was named."""
    answers: Counter[str] = field(default_factory=Counter)
    """Rows by their answer's kind."""
    stood: Counter[str] = field(default_factory=Counter)
    """Rows by where their answer was taken out, where it was."""

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        by_pixels = sorted(self.sizes, key=lambda size: size[0] * size[1])
        return {
            "source": self.source,
            "split": self.split,
            "rows": self.rows,
            "left_out": {"filter": self.filtered, "skip": self.skipped},
            "images_per_row": {str(count): rows for count, rows in sorted(self.images.items())},
            "image_sizes": {name: list(size) for name, size in zip(*_spread(by_pixels), strict=True)},
            "prompt_tokens": dict(zip(*_spread(sorted(self.tokens)), strict=True)),
            "max_prompt_tokens": self.limit,
            "answers": dict(self.answers.most_common()),
            "answers_taken_out": dict(self.stood),
            "unusable": [{"id": row.id, "where": row.where, "reason": row.reason} for row in self.unusable],
        }

    def lines(self) -> list[str]:
        """As a person reads it."""
        found = self.summary()
        sizes = ", ".join(f"{name} {width}x{height}" for name, (width, height) in found["image_sizes"].items())
        tokens = ", ".join(f"{name} {count}" for name, count in found["prompt_tokens"].items())
        left_out = [f"{count} by {how}" for how, count in found["left_out"].items() if count]
        limit = "no limit" if self.limit is None else f"limit {self.limit}"
        return [
            f"{self.source}, {self.split}: {self.rows} rows"
            + (f"; left out: {', '.join(left_out)}" if left_out else ""),
            f"  images per row  {_counts(found['images_per_row'])}",
            f"  image sizes     {sizes or 'no images'}",
            f"  prompt tokens   {f'{tokens}; {limit}' if tokens else 'not counted; --model counts them'}",
            f"  answers         {_counts(found['answers'])}",
            *(f"                  {count} stand {where}, and are taken out" for where, count in self.stood.items()),
            f"  can't be used   {len(self.unusable)}",
            *(f"    {row}" for row in self.unusable[:NAMED]),
            *([f"    and {len(self.unusable) - NAMED} more; --json has all"] if len(self.unusable) > NAMED else []),
        ]


def check_split(
    task: SourceTask, split: str, vlm: VLM | None, limit: int | None, template: str, keep: int = 0
) -> tuple[SplitCheck, list[Sample]]:
    """Read a split as a whole.

    Args:
        task: the source.
        split: one of its splits.
        vlm: makes the prompts; None to leave them out.
        limit: tokens of the longest prompt allowed; None for any number.
        template: the user's turn.
        keep: usable samples to give back, for a sheet.
    """
    part = task.parts[split]
    unreadable = {row.where: row for row in task.unreadable(split)}
    bad = [*part.unusable, *unreadable.values()]
    rows = task.size(split) - len(unreadable)
    found = SplitCheck(task.name, split, rows, part.filtered, part.skipped, bad, limit)
    found.stood = part.stood
    kept: list[Sample] = []
    for row in task.every(split):
        if isinstance(row, BadRow):
            found.unusable.append(row)
            continue
        place, sample = row
        if place in unreadable:
            continue
        found.images[len(sample.images)] += 1
        found.sizes += [image.size for image in sample.images]
        found.answers[answer_kind(sample.answer)] += 1
        if vlm is not None and (reason := _count_tokens(found, vlm, sample, template)):
            found.unusable.append(BadRow(task.name, split, sample.id.split("/", 2)[2], place, reason))
        elif len(kept) < keep:
            kept.append(sample)
    return found, kept


def _count_tokens(found: SplitCheck, vlm: VLM, sample: Sample, template: str) -> str:
    """Count a prompt's tokens; the reason where it can't be used."""
    try:
        prompt = vlm.prompt(sample, template)
    except UnusableError as error:
        return str(error)
    found.tokens.append(len(prompt))
    return vlm.too_long(prompt, found.limit)


def _spread(values: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """Names and values of a sorted list's spread."""
    if not values:
        return [], []
    places = {"smallest": 0, "median": (len(values) - 1) // 2, "95 %": int(0.95 * (len(values) - 1)), "largest": -1}
    return [*places], [values[place] for place in places.values()]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({rows} rows)" if name.isdigit() else f"{name} {rows}" for name, rows in counts.items())
