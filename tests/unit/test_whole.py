"""Files of any size: each place that reads one whole refuses it by its size, and takes no memory for it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mr1.config import load_config
from mr1.data.images import decode, find
from mr1.data.opening import open_splits
from mr1.data.settings import Source
from mr1.data.source import load_source
from mr1.data.unusable import BadRow, read_unusable
from mr1.errors import UnusableError, UserError
from mr1.folders import read_mark
from mr1.judge.score import read_rows
from mr1.models.loading import model_path
from mr1.models.saved import base_of
from mr1.report.reading import Reader
from mr1.study.order import read_measured
from mr1.study.record import read_record
from mr1.train.batches import load_batch
from mr1.train.checkpoint import Checkpoints
from mr1.whole import TooLargeError, read_line, read_lines, read_stream, read_whole

Huge = Callable[..., Path]
HUGE = 20 * 10**9
"""Bytes, of a sparse file."""


@pytest.fixture
def huge(tmp_path: Path) -> Huge:
    """Makes sparse files; what is asked for stands at their beginning."""

    def make(name: str, start: bytes = b"") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(start)
        os.truncate(path, HUGE)
        return path

    return make


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reading a huge file all the same fails a test, and not the machine; a line is too long from 1 MB on."""
    for function in (read_line, read_lines, read_stream):
        monkeypatch.setattr(function, "__defaults__", (10**6,))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    used = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
    resource.setrlimit(resource.RLIMIT_DATA, (used + 2**32, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


TOO_LARGE = "20 GB are more than the"


def test_a_huge_image_is_an_unusable_row_before_it_is_read(huge: Huge) -> None:
    file = huge("a.png", b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UnusableError, match=rf"image .*a\.png is too large: {TOO_LARGE} 1.07 GB .*; scale it down"):
        decode(find("a.png", file.parent))


def test_a_row_with_a_huge_image_is_named_and_left_out(huge: Huge) -> None:
    folder = huge("a.png").parent
    Image.new("RGB", (8, 8)).save(folder / "b.png")
    rows = [{"question": "How many?", "answer": name, "image": f"{name}.png"} for name in ("b", "a", "b")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_source("own", Source(path=str(folder / "rows.jsonl")))
    (row,) = [row for row in task.every("train") if isinstance(row, BadRow)]
    assert row.where.endswith("rows.jsonl, row 2")
    assert TOO_LARGE in row.reason


@pytest.mark.parametrize("held", ["data:image/png;base64,", ""])
def test_an_image_in_a_row_that_is_too_long_is_refused_before_it_is_decoded(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mr1.data.images.LARGEST_FILE", 1000)
    for cell in (held + "A" * 1010, (held + "A" * 1010).encode(), {"bytes": b"\x89PNG" + bytes(1000)}):
        with pytest.raises(UnusableError, match=r"image in the row is too large: 1.* kB are more than the 1 kB"):
            find(cell, tmp_path)


ROWS = {
    "rows.jsonl": (b'{"question": "a"}\n', r"rows.jsonl, row 2 is too long: .* more than the 1 MB"),
    "first.jsonl": (b'{"question": ', r"first.jsonl, row 1 is too long"),
    "rows.csv": (b"question,answer\na,b\n", r"rows.csv, row 2 is too long"),
    "head.csv": (b"question,answer", r"head.csv has no header: .* more than the 1 MB"),
    "rows.json": (b"[{", rf"rows.json is too large: {TOO_LARGE} 4.29 GB .* \(.jsonl\)"),
}


@pytest.mark.parametrize("name", ROWS)
def test_huge_rows_are_named(huge: Huge, name: str) -> None:
    start, said = ROWS[name]
    with pytest.raises(UserError, match=said):
        open_splits(Source(path=str(huge(name, start))))


def test_a_huge_cell_of_a_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('question,answer\na,"' + "b\n" * 2000 + '"\n')
    before = csv.field_size_limit(1000)
    try:
        with pytest.raises(UserError, match=r"rows\.csv is no table of cells .*limit"):
            open_splits(Source(path=str(file)))
    finally:
        csv.field_size_limit(before)


READ: dict[str, tuple[Callable[[Path], Any], str]] = {
    "recipe.yaml": (lambda file: load_config(str(file)), f"{TOO_LARGE} .*; name another file"),
    "unusable.jsonl": (lambda file: read_unusable(file.parent), TOO_LARGE),
    "rows.jsonl": (read_rows, "more than the 1 MB"),
    "config.json": (lambda file: model_path(str(file.parent)), "has 20 GB"),
    "adapter_config.json": (lambda file: base_of(file.parent), TOO_LARGE),
    "results.json": (read_measured, TOO_LARGE),
    "cell.json": (lambda file: read_record(file.parent), TOO_LARGE),
    "step-000001.pt": (load_batch, "no batch that a run has kept"),
}
"""What reads a file that a user names, by the file's name, and what it says."""


@pytest.mark.parametrize("name", READ)
def test_whatever_is_read_whole_is_refused_by_its_name(huge: Huge, name: str) -> None:
    read, said = READ[name]
    with pytest.raises(UserError, match=f"{re.escape(name)}.*{said}"):
        read(huge(name))


def test_a_page_goes_on_without_a_huge_file_and_names_it(huge: Huge) -> None:
    reader = Reader(huge("metrics.jsonl").parent)
    assert reader.lines("metrics.jsonl") == []
    assert reader.damage["metrics.jsonl"] == [f"is not read: {TOO_LARGE} 1.07 GB that are read at once"]


def test_what_only_helps_is_done_without(huge: Huge, tmp_path: Path) -> None:
    assert read_mark(huge("marked/.mr1.json").parent) == {}
    manifest = huge("checkpoints/step-000001/manifest.json")
    latest = Checkpoints(manifest.parent.parent, keep=1).latest
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        latest()
    huge("checkpoints/best.json")
    assert Checkpoints(tmp_path / "checkpoints", keep=1).best() is None


def test_a_stream_and_its_lines_end_at_the_limit(tmp_path: Path) -> None:
    assert read_stream(io.BytesIO(b"abc"), 3) == b"abc"
    assert [*read_lines(io.BytesIO(b"ab\nabc"), 3)] == [b"ab\n", b"abc"]
    with pytest.raises(TooLargeError, match="more than the 2 B"):
        read_stream(io.BytesIO(b"abc"), 2)
    with pytest.raises(TooLargeError, match="more than the 3 B"):
        [*read_lines(io.BytesIO(b"ab\nabcd"), 3)]
    bomb = tmp_path / "rows.jsonl.gz"
    bomb.write_bytes(gzip.compress(bytes(5 * 10**6)))
    with pytest.raises(UserError, match=r"rows.jsonl.gz is too large: .* more than the 1 MB"):
        read_rows(bomb)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write('name: a')"]):
        assert read_whole(pipe) == b"name: a"
