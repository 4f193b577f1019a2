"""Files of rows: JSONL, JSON, tables, Parquet, compressed; damaged, or saying what nobody means."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.fuzz.kinds import corpus, mutated, said
from mr1.config.reading import make_source
from mr1.data.source import SourceTask
from mr1.data.unusable import BadRow
from mr1.errors import UserError

WORDS = r"""
null NaN Infinity -0.0 1e999 1E400 true "" [] {} [[ ]] {" "} \u0000 \ud800 \" \\ <image> <image1> <image_999>
question answer images prompt messages role user assistant content type text image image_url url
data:image/png;base64, path bytes file:///etc/passwd /dev/zero http://x.invalid/a.png ../../x
{{question}} {% %} , ; : \t
"""
CSV = b'id,question,answer,image\n1,"How many?\n",7,a.png\n2,x;y,"[""1""]",\n'
ROWS: list[dict[str, Any]] = [
    {"id": 1, "question": "How many <image>?", "answer": "7", "images": ["a.png"]},
    {"question": "2, 3 or 4?", "answer": ["2", "3"], "choices": ["2", "3", "4"], "difficulty": 0.5},
    {"prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "x?"}]}], "answer": 1.5},
    {"messages": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "<answer>y</answer>"}]},
]
SETTINGS: list[dict[str, Any]] = [
    {"columns": {"id": "id", "subject": "difficulty"}},
    {"columns": {"choices": "choices", "difficulty": "difficulty"}},
    {"answer_kind": "number"},
    {"answer_kind": "list"},
    {"question": "{{ question }}\n{{ answer | lettered }}"},
    {"answer": "answer | letter"},
    {"filter": "answer > 1"},
    {"answer_pattern": "([0-9]+)", "max_images": 1},
    {"held_out": 0.3},
    {"columns": {"images": ["images", "question"]}},
]
"""Of a source; half of the files are read with none."""


def picture() -> bytes:
    """The file of a small image."""
    file = io.BytesIO()
    Image.new("RGB", (28, 28), "red").save(file, "PNG")
    return file.getvalue()


class Rows:
    """A file is rows, each a sample or a reason why it can't be used; or it is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.png").write_bytes(picture())
        lines = [json.dumps(row) for row in ROWS]
        held, tables = {"bytes": picture(), "path": None}, []
        for columns in (
            {"question": ["x?", "y?"], "answer": ["1", None], "image": [held] * 2},
            {"question": pa.array(["x?"], pa.large_string()), "answer": [2.5], "images": [[b"x", None]]},
        ):
            table = io.BytesIO()
            pq.write_table(pa.table(columns), table)
            tables.append(table.getvalue())
        texts = [f"{line}\n" * 2 for line in lines]
        self.seeds: dict[str, list[bytes]] = {
            "jsonl": [text.encode() for text in texts],
            "json": [f"[{','.join(lines[:2])}]".encode(), json.dumps({"rows": ROWS[:2]}).encode()],
            "csv": [CSV, b"question\tanswer\nx\t1\n"],
            "parquet": tables,
            "jsonl.gz": [gzip.compress(text.encode()) for text in texts] + [gzip.compress(bytes(2**24))],
            "jsonl.bz2": [bz2.compress(text.encode()) for text in texts],
        }
        for file in corpus("rows"):
            self.seeds.setdefault(file.name.partition(".")[2], []).append(file.read_bytes())
        words = [*WORDS.split(), "\n", "\r", "\ufeff", "[" * 5000, '{"a":' * 3000, "9" * 5000]
        self.words = [word.encode() for word in words]

    def draw(self, rng: random.Random, _number: int) -> tuple[str, bytes, dict[str, Any]]:
        ending = rng.choice(["jsonl", "jsonl", *self.seeds])
        settings = rng.choice(SETTINGS) if rng.random() < 0.5 else {}
        return ending, mutated(rng, self.seeds[ending], self.words), settings

    def kept(self, file: Path) -> tuple[str, bytes, dict[str, Any]]:
        return file.name.partition(".")[2], file.read_bytes(), {}

    def read(self, value: tuple[str, bytes, dict[str, Any]]) -> str:
        ending, content, settings = value
        file = self.folder / f"rows.{ending}"
        file.write_bytes(content)
        try:
            task = SourceTask("own", make_source("own", {"path": str(file), **settings}))
            found = [each for split in task.splits for each in task.every(split)]
            for row in [*task.unusable, *task.unreadable(task.splits[0]), *found]:
                if isinstance(row, BadRow):
                    said(UserError(str(row)))
            task.describe()
        except UserError as error:
            return said(error)
        finally:
            file.unlink()
        return "read"
