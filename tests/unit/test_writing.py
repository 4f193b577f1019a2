"""Files on a disk that is full, read-only or gone: what was there stays, and one line says what is wrong."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from conftest import SmallDisk
from mr1.errors import DiskError, UserError
from mr1.folders import MARK, OutputFolder, read_mark
from mr1.tables import parquet_file
from mr1.writing import append_line, size, write_text, writing


def write_table(path: Path) -> None:
    with parquet_file(path) as write:
        write(pa.table({"bytes": [os.urandom(100_000)]}))


WRITES: dict[str, tuple[Callable[[Path], None], str]] = {
    "text": (lambda path: write_text(path, 100_000 * "x"), "100 kB"),
    "line": (lambda path: append_line(path, 99_999 * "x"), "100 kB"),
    "table": (write_table, "100 kB"),
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_full_disk_is_named_with_the_bytes_and_leaves_what_was_there(small_disk: SmallDisk, kind: str) -> None:
    write, needed = WRITES[kind]
    path = small_disk.path / "file"
    path.write_text("before\n")
    small_disk.fill(4096)
    with pytest.raises(DiskError) as caught:
        write(path)
    said = str(caught.value)
    assert said.startswith(f"{path} can't be written: {small_disk.full} ({needed} are needed")
    assert said.endswith(
        "; make room there" if small_disk.mounted else "; raise the limit of a file's size (ulimit -f)"
    )
    assert path.read_text().startswith("before\n")
    assert [each.name for each in small_disk.path.iterdir() if each.name[0] == "."] == []
    small_disk.empty()
    write(path)
    assert path.stat().st_size >= 100_000


def test_a_folder_on_a_full_disk_keeps_its_mark(small_disk: SmallDisk) -> None:
    path = small_disk.path / "x"

    def folder() -> OutputFolder:
        return OutputFolder(path, "run", ["config.yaml"], "name")

    first = folder()
    first.claim("new")
    (path / "config.yaml").write_text("name: x")
    first.release()
    small_disk.fill(0)
    for mode in ("overwrite", "resume"):
        with pytest.raises(UserError, match=rf"name: {path}/\{MARK} can't be written: {small_disk.full}"):
            folder().claim(mode)
    small_disk.empty()
    assert read_mark(path)["kind"] == "run"
    again = folder()
    again.claim("overwrite")
    assert again.empty() == []
    again.release()


def test_a_folder_on_a_read_only_disk_is_refused(small_disk: SmallDisk) -> None:
    if not small_disk.mounted:
        pytest.skip("no disk may be mounted here")
    path = small_disk.path / "x"
    path.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk.path)], check=True)
    try:
        for each in (path, small_disk.path / "new"):
            with pytest.raises(UserError, match=rf"name: {each} can't be (made|written): Read-only file system"):
                OutputFolder(each, "run", [], "name").claim("new")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk.path)], check=True)
    assert [*path.iterdir()] == []


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"gone/file can't be written: No such file .*; bring the folder back$"):
        write_text(tmp_path / "gone" / "file", "x")


def test_what_libraries_say_in_their_own_words(tmp_path: Path) -> None:
    def fail(error: Exception, before: Exception | None = None) -> None:
        with writing(tmp_path / "file", lambda: 2_500_000):
            try:
                if before:
                    raise before
            finally:
                raise error

    with pytest.raises(DiskError, match=r"file can't be written: No space left on device \(2\.5 MB are needed, .*\)"):
        fail(RuntimeError("I/O error: No space left on device (os error 28)"))
    with pytest.raises(DiskError, match=r"Input/output error \(2\.5 MB are needed\); look at the disk"):
        fail(RuntimeError("unexpected pos 768 vs 662"), OSError(errno.EIO, "torn"))
    with pytest.raises(RuntimeError, match="a bug"):
        fail(RuntimeError("a bug"))


def test_bytes_as_one_would_say_them() -> None:
    assert [size(count) for count in (7, 2500, 34.44e6, 1e12)] == ["7 B", "2.5 kB", "34.4 MB", "1 TB"]
