"""Records of a study's runs in one file, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.records import FILE, pack, unpack

from mr1.errors import UserError
from mr1.study.record import Cost, Record, read_record, write_record


def made(folder: Path, updates: int) -> Record:
    folder.mkdir(parents=True)
    record = Record(1, "0", 1, {"steps": updates}, [0], {}, {}, {}, Cost(1, updates, 1, 1.0, 1.0), {})
    write_record(folder, record)
    return record


def test_what_is_packed_is_unpacked_elsewhere(tmp_path: Path) -> None:
    records = {name: made(tmp_path / "here/cells" / name, number) for number, name in enumerate(["b-1", "a-2"])}
    (tmp_path / "here/cells/unfinished").mkdir()
    assert pack(tmp_path / "here", tmp_path / "file") == 2
    assert unpack(tmp_path / "there", tmp_path / "file") == 2
    assert {each.name: read_record(each) for each in (tmp_path / "there/cells").iterdir()} == records
    assert unpack(tmp_path / "there", tmp_path / "file") == 0, "they are there"


def test_packed_again_it_keeps_what_it_has(tmp_path: Path) -> None:
    made(tmp_path / "one/cells/a", 1)
    made(tmp_path / "two/cells/b", 2)
    assert pack(tmp_path / "one", tmp_path / "file") == 1
    first = (tmp_path / "file").read_bytes()
    assert pack(tmp_path / "one", tmp_path / "file") == 1
    assert (tmp_path / "file").read_bytes() == first, "the same records are the same file"
    assert pack(tmp_path / "two", tmp_path / "file") == 2


def test_no_records_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished run"):
        pack(tmp_path, tmp_path / "file")


def test_the_files_records_can_be_read(tmp_path: Path) -> None:
    assert unpack(tmp_path, FILE) > 0
    for folder in (tmp_path / "cells").iterdir():
        read_record(folder)
