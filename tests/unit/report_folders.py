"""Run folders made by hand for the report's tests, and a page read back as a browser would: with an HTML parser."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mr1.config import Config, dump_config

HOSTILE = '</div><script>alert("x")</script> & <img src=http://evil.example/a.png> {{ 7 * 7 }}'
VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}
IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
PER_TASK = 15
STEPS = 20


@dataclass
class Element:
    """A parsed element with the text inside it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    parents: list[Element] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()


class Page(HTMLParser):
    """All elements of a page; every tag must be closed where it should be."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, f"not closed: {[element.tag for element in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, parents=list(self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str, class_: str | None = None) -> list[Element]:
        return [each for each in self.elements if each.tag == tag and (class_ is None or each.has(class_))]

    def inside(self, parent: Element, class_: str) -> list[Element]:
        return [each for each in self.elements if each.has(class_) and any(up is parent for up in each.parents)]

    @property
    def text(self) -> str:
        return next(each.text for each in self.elements if each.tag == "body")


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 40, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows in the form in which a run keeps its samples."""
    path.parent.mkdir(exist_ok=True)
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0] if name != "images"}
    images = [[{"bytes": each, "path": None} for each in row["images"]] for row in rows]
    pq.write_table(pa.table({**columns, "images": pa.array(images, type=IMAGES)}), path)


def outcome(task: str, index: int, completion: str, correct: bool, well_formed: bool = True) -> dict[str, Any]:
    return {
        "task": task,
        "split": "test",
        "id": f"{task}/test/0/{index}",
        "images": [png(index)],
        "question": f"{task} question {index}?",
        "answer": str(index),
        "completion": completion,
        "correct": correct,
        "well_formed": well_formed,
        "judged": "read as number 5; the truth as number 5; values are compared in the truth's unit",
        "truncated": False,
    }


def write_outcomes(folder: Path) -> None:
    """Counting: 0 and 2 become right, 1 becomes wrong, the rest stay wrong; 0 was malformed. Geometry is right."""
    before, after = [], []
    for index in range(PER_TASK):
        then, now = f"<think>{HOSTILE}</think><answer>{index}b</answer>", f"<think>t</think>\n<answer>{index}a</answer>"
        before.append(outcome("counting", index, "no tags" if index == 0 else then, index == 1, index != 0))
        after.append(outcome("counting", index, now, index in {0, 2}))
    for index in range(PER_TASK):
        before.append(outcome("geometry", index, f"<answer>{index}</answer>", True, False))
        after.append(outcome("geometry", index, f"<think>t</think><answer>{index}</answer>", True))
    write_rows(folder / "samples" / "before.parquet", before)
    write_rows(folder / "samples" / "after.parquet", after[::-1])
    write_evaluation(folder)


def write_evaluation(folder: Path) -> None:
    def summary(accuracy: float, low: float, high: float, format_rate: float) -> dict[str, Any]:
        figures = {"accuracy": accuracy, "low": low, "high": high, "n": 512, "format_rate": format_rate}
        return figures | {"baseline": {"name": "words alone", "share": 0.229}}

    # Geometry stands first: the page puts the trained task there.
    before = {"geometry": summary(0.5, 0.457, 0.543, 0.9), "counting": summary(0.25, 0.2144, 0.2893, 0.333)}
    after = {"geometry": summary(0.45, 0.4074, 0.4933, 0.95), "counting": summary(0.875, 0.8434, 0.9009, 1.0)}
    (folder / "evaluation.json").write_text(json.dumps({"before": before, "after": after}))


def write_group(folder: Path, step: int, totals: list[float], advantages: list[float]) -> None:
    """Two groups of a step; only the first is to be shown."""
    rows = []
    for group in ("first", "second"):
        for index, (total, advantage) in enumerate(zip(totals, advantages, strict=True)):
            row = {
                "step": step,
                "id": f"counting/train/0/{step}-{group}",
                "images": [png(step)],
                "question": f"the {group} question of step {step}",
                "answer": "4",
                "completion": f"<think>{group} {step} {index}</think><answer>4</answer>",
                "tokens": 9,
                "finish_reason": "length" if index == 1 else "stop",
                "judged": "no closed <answer> tag",
                "reward/accuracy": total - 1.0,
                "reward/format": 1.0,
                "reward/total": total,
                "advantage": advantage,
            }
            rows.append(row)
    write_rows(folder / "samples" / f"step-{step:06d}.parquet", rows)


def metrics_of(step: int, scored: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"step": step, "loss": 2.0 - step / 20, "entropy": 0.4, "grad_norm": 1.5}
    line |= {"kl": 0.01 * step if scored and step % 7 else None, "kl_weight": 0.02 if scored and step % 7 else 0.0}
    rewards = {"reward/total": 1.5, "reward/accuracy": 0.5, "reward/format": 1.0, "advantage/zero_std_fraction": 0.25}
    line |= {key: value if scored else None for key, value in rewards.items()}
    line |= {"completion/length_mean": 30.0, "completion/truncated_fraction": 0.1, "tokens": 900, "learning_rate": 1e-5}
    if step % 5 == 0:
        line |= {"eval/counting/accuracy": 0.25, "eval/geometry/accuracy": 0.5, "time/evaluation": 2.0}
    return line | {"time/rollout": 1.0, "time/reward": 0.1, "time/score": 0.2, "time/update": 0.7}


def config_of(method: str) -> Config:
    kl: dict[str, Any] = {"weight": 0.02} if method == "grpo" else {}
    return Config.model_validate(
        {"name": "a-run", "steps": STEPS, "seed": 3, "method": method, "task": "counting", "kl": kl}
        | {"evaluation": {"every": 5, "samples": 64}}
    )


def make_run(folder: Path, method: str = "grpo") -> Path:
    """A run's folder with settings and metrics alone."""
    folder.mkdir()
    (folder / "config.yaml").write_text(dump_config(config_of(method)), encoding="utf-8")
    lines = [json.dumps(metrics_of(step, method != "sft")) + "\n" for step in range(STEPS)]
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
