"""Pairs written by hand, after public reports about other checkers, without a look at the judge.

written.jsonl holds a line for each truth: the texts that state it (`right`) and that don't (`wrong`), its `settings` as
a source states them (`accepted` are the truths of which any is right), a `kind` in words, and the `batch`. Each batch
was labelled before the judge was run on it, and the judge was fixed by kind before the next one was written. Pairs on
whose label reasonable people differ, such as 19 for the 19th century, were taken out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.judge.pair import Pair
from mr1.judge.truth import Kind, Tolerance, Truth

WRITTEN = Path(__file__).with_name("written.jsonl")


def written() -> Iterator[Pair]:
    """All pairs, batch by batch."""
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        truth = _truth(found["truth"], found.get("settings", {}))
        for right in (True, False):
            for answer in found["right" if right else "wrong"]:
                change = "" if right else "written so"
                yield Pair(found["kind"], answer, truth, right, f"batch {found['batch']}", change)


def _truth(text: str, settings: dict[str, Any]) -> Truth:
    kind, tolerance = settings.get("answer_kind"), settings.get("tolerance", {})
    return Truth(
        accepted=tuple(settings.get("accepted", (text,))),
        kind=None if kind is None else Kind(kind),
        tolerance=Tolerance(Fraction(str(tolerance.get("relative", 0))), tolerance.get("decimals")),
        percent=settings.get("percent", "either"),
        units=settings.get("units", "optional"),
        case=settings.get("case", False),
        choices=tuple(settings.get("choices", ())),
    )
