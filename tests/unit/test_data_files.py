"""Files by their content as well as by their ending: tables, JSON, compressed ones, byte order marks, other files."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import datasets
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mr1.data import files
from mr1.data.files import COMPRESSIONS, ENDINGS, format_by_name, opened, plain, split_name
from mr1.data.opening import open_splits
from mr1.data.settings import Source
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.judge.score import read_rows

BOM = b"\xef\xbb\xbf"
ROWS = [{"question": f"Wie viele {number}?", "answer": str(number)} for number in range(3)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def written(kind: str, rows: list[dict[str, str]]) -> bytes:
    """Rows as a file of a kind holds them."""
    if kind == "json":
        return json.dumps(rows).encode()
    if kind == "json, indented":
        return json.dumps(rows, indent=2).encode()
    if kind == "jsonl":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    between = {"csv": ",", "tsv": "\t", "csv with semicolons": ";"}[kind]
    lines = [[*rows[0]], *([*row.values()] for row in rows)]
    return "\r\n".join(between.join(cells) for cells in lines).encode()


def write(path: Path, content: bytes, compression: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.output_stream(str(path), compression=compression) as file:
        file.write(content)
    return path


def read(path: Path, **settings: Any) -> list[dict[str, str]]:
    (rows,) = open_splits(Source(path=str(path), **settings)).values()
    assert [*rows.brief()] == [rows[number] for number in range(len(rows))]
    assert rows.where(0) == f"{path}, row 1"
    assert rows.root(0) == path.parent
    return [*rows.brief()]


@given(
    kind=st.sampled_from(["json", "json, indented", "jsonl", "csv", "tsv", "csv with semicolons"]),
    ending=st.sampled_from(["its own", "its own, in capitals", "", ".txt", ".data"]),
    compression=st.sampled_from([None, *COMPRESSIONS]),
    mark=st.booleans(),
    named=st.booleans(),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_the_same_however_their_file_is_called_and_packed(
    tmp_path: Path, kind: str, ending: str, compression: str | None, mark: bool, named: bool
) -> None:
    own = "." + kind.replace(",", "").split()[0]
    name = "rows" + {"its own": own, "its own, in capitals": own.upper()}.get(ending, ending)
    how = COMPRESSIONS[compression][0] if compression else None
    content = (BOM if mark else b"") + written(kind, ROWS)
    path = write(tmp_path / (name + (compression or "" if named else "")), content, how)
    assert read(path) == ROWS


@pytest.mark.parametrize(("name", "kind"), [("lines.json", "jsonl"), ("list.jsonl", "json"), ("lines.csv", "jsonl")])
def test_what_is_called_otherwise_is_read_as_what_it_is(tmp_path: Path, name: str, kind: str) -> None:
    assert read(write(tmp_path / name, written(kind, ROWS))) == ROWS
    assert read(write(tmp_path / name, json.dumps({"data": ROWS}).encode()), field="data") == ROWS


def test_one_object_is_one_row(tmp_path: Path) -> None:
    for name, indent in (("one.json", None), ("one.jsonl", None), ("one.json", 2), ("one.jsonl", 2), ("one", None)):
        assert read(write(tmp_path / name, json.dumps(ROWS[0], indent=indent).encode())) == ROWS[:1]


def test_a_parquet_file_of_any_name(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).to_parquet(tmp_path / "rows.data")
    (rows,) = open_splits(Source(path=str(tmp_path / "rows.data"))).values()
    assert [*rows.brief()] == ROWS


def test_files_of_splits_in_a_folder_may_be_compressed(tmp_path: Path) -> None:
    for name, ending, how in (("train", ".JSONL.gz", "gzip"), ("test", ".jsonl", None)):
        write(tmp_path / "data" / f"{name}{ending}", written("jsonl", ROWS), how)
    found = open_splits(Source(path=str(tmp_path / "data")))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 3, "test": 3}
    named = open_splits(Source(path=str(tmp_path / "data"), splits={"validation": "train.JSONL.gz"}))
    assert {split: len(rows) for split, rows in named.items()} == {"validation": 3}
    write(tmp_path / "data/train.jsonl", written("jsonl", ROWS))
    with pytest.raises(UserError, match=r"has train.JSONL.gz and train.jsonl; say which is train"):
        open_splits(Source(path=str(tmp_path / "data")))


def test_a_compressed_file_is_decompressed_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def counted(path: Path) -> AbstractContextManager[BinaryIO]:
        asked.append(path)
        return opened(path)

    monkeypatch.setattr(files, "opened", counted)
    path = write(tmp_path / "rows.jsonl.gz", written("jsonl", ROWS), "gzip")
    assert read(path) == read(path) == ROWS
    assert asked == [path]
    write(path, written("jsonl", ROWS * 2), "gzip")
    assert read(path) == ROWS * 2
    assert asked == [path, path]
    assert [file.name.startswith(".") for file in (tmp_path / "cache/mr1-plain").iterdir()] == [False, False]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder is to be")
    path = write(tmp_path / "rows.jsonl.gz", written("jsonl", ROWS), "gzip")
    with pytest.raises(UserError, match=r"path: .*rows.jsonl.gz can't be read: Not a directory \(.*/cache/mr1-plain"):
        plain(path)


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_a_cut_compressed_file_is_named(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"rows.jsonl{ending}", written("jsonl", ROWS * 500), COMPRESSIONS[ending][0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=rf"path: .*rows.jsonl{ending} can't be read: "):
        plain(path)
    assert not [*(tmp_path / "cache/mr1-plain").iterdir()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("owner/name", b"\x93NUMPY\x01\x00"),
        ("owner/name.xlsx", b"PK\x03\x04"),
        ("notes.txt", b"no table\n"),
        ("rows.arrow", b"ARROW1\0\0"),
        ("empty", b""),
        ("list", b"[1, 2]"),
        ("cut", b"\xc3\x28, \xff"),
    ],
)
def test_a_file_that_is_there_is_never_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mr1.data.opening._load", lambda *_, **__: pytest.fail("it was"))
    write(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        SourceTask("own", Source(path=name))
    said = f"sources.own.path: {name} holds no rows in a format that is known by its ending or its content; known: "
    assert str(caught.value).startswith(said + ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, each also with .gz")


def test_other_encodings_are_named(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        mark = "" if encoding != "utf-16-be" else "\ufeff"
        path = write(tmp_path / "rows.jsonl", (mark + written("jsonl", ROWS).decode()).encode(encoding))
        with pytest.raises(UserError, match=r"rows.jsonl is no UTF-8 but UTF-16 or UTF-32; save it as UTF-8"):
            read(path)
    with pytest.raises(UserError, match=r"rows.csv is not UTF-8 .*; save it as UTF-8"):
        read(write(tmp_path / "rows.csv", "question,answer\nWie schön,1".encode("latin-1")))


@given(st.sampled_from([*ENDINGS]), st.sampled_from(["", *COMPRESSIONS]), st.booleans(), st.text("a.b-", min_size=1))
def test_names_tell_the_format_and_the_split(ending: str, compression: str, capitals: bool, name: str) -> None:
    whole = ending + compression
    path = Path("x" + name + (whole.upper() if capitals else whole))
    assert format_by_name(path) == ENDINGS[ending]
    assert split_name(path) == "x" + name


def test_scored_files_too(tmp_path: Path) -> None:
    lines = [{"model_output": "<answer>1</answer>", "ground_truth": number} for number in range(2)]
    content = "\n".join(map(json.dumps, lines)).encode()
    expected = read_rows(write(tmp_path / "outputs.jsonl", content))
    assert len(expected) == 2
    for mark in (b"", BOM):
        for how in (None, "gzip", "zstd", "bz2"):
            assert read_rows(write(tmp_path / "outputs", mark + content, how)) == expected
    (tmp_path / "outputs").write_bytes((tmp_path / "outputs").read_bytes()[:30])
    with pytest.raises(UserError, match="outputs: can't be read as text in UTF-8"):
        read_rows(tmp_path / "outputs")


def test_a_random_file_is_read_or_named(tmp_path: Path) -> None:
    @given(
        st.binary(max_size=60) | st.text('{}[]",:\n\t;x1 ', max_size=40).map(str.encode), st.sampled_from([*ENDINGS])
    )
    @settings(deadline=None, max_examples=60)
    def check(content: bytes, ending: str) -> None:
        path = tmp_path / ("rows" if ending == ".parquet" else f"rows{ending}")
        path.write_bytes(content)
        said = ""
        try:
            SourceTask("own", Source(path=str(path)))
        except UserError as error:
            said = str(error)
        assert "\n" not in said

    check()
