"""The judge on real outputs whose labels were made by reading them, before any judge was run on them.

labels.jsonl holds a line for each row: its file and number (counted from 0), `label`, and a word on why. The question
that a label answers: does the text in the last closed <answer> tag state the truth? `true` and `false` say so; `form`
says that there is no closed tag. The files are R1-V's published outputs (docs/judge.md), which are not in this
repository.

The rows: the 55 of GeoQA on which `strict` and `r1v` differ; all others that are hard, which are 251 of GeoQA (the
truth is no integer with or without a degree sign, or the tag holds something else than such an integer); and 149 of the
rest, 99 of GeoQA and 50 of SuperCLEVR, drawn by random.Random(0).sample, in this order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mr1.judge.truth import Truth
from mr1.judge.verdict import Verdict

LABELS = Path(__file__).with_name("labels.jsonl")
EXPECTED = {"true": Verdict.RIGHT, "false": Verdict.WRONG, "form": Verdict.MISSING}
"""The verdict that a label asks for."""


@dataclass(frozen=True)
class Row:
    """A labelled output."""

    file: str
    number: int
    output: str
    truth: Truth
    label: str
    """A key of EXPECTED."""
    why: str


def labelled(folder: Path) -> list[Row]:
    """The labelled rows of the outputs in a folder.

    Raises:
        FileNotFoundError: a file of outputs is not there.
    """
    labels = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    outputs: dict[str, list[dict[str, object]]] = {}
    for file in {label["file"] for label in labels}:
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        outputs[file] = [json.loads(line) for line in lines]
    rows = []
    for each in labels:
        found = outputs[each["file"]][each["row"]]
        truth = Truth((str(found["ground_truth"]),))
        label = each["label"] if each["label"] == "form" else str(each["label"]).lower()
        rows.append(Row(each["file"], each["row"], str(found["model_output"]), truth, label, each["why"]))
    return rows
