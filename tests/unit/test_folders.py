"""Folders that MR1 writes into: whose they are, and who writes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mr1.errors import UserError
from mr1.folders import MARK, Mode, OutputFolder, read_mark

CONTENTS = ("config.yaml", "samples")

HOLD = """
import sys, time
from pathlib import Path
from mr1.folders import OutputFolder
folder = OutputFolder(Path(sys.argv[1]), "run", [], "name")
folder.claim(sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


def a_folder(path: Path, key: str = "name") -> OutputFolder:
    return OutputFolder(path, "run", CONTENTS, key)


def finished(path: Path) -> Path:
    """A folder that a run has been written into."""
    folder = a_folder(path)
    folder.claim("new")
    (path / "config.yaml").write_text("name: x")
    (path / "samples").mkdir()
    (path / "samples" / "one").write_text("1")
    folder.release()
    return path


def test_a_claimed_folder_is_refused_to_others_by_host_and_process(tmp_path: Path) -> None:
    first = a_folder(tmp_path / "runs" / "x")
    first.claim("new")
    modes: list[Mode] = ["new", "overwrite", "resume"]
    for mode in modes:
        with pytest.raises(UserError, match=rf"written by process {os.getpid()} on {socket.gethostname()}"):
            a_folder(tmp_path / "runs" / "x").claim(mode)
    assert read_mark(tmp_path / "runs" / "x")["kind"] == "run"
    first.release()
    assert not (tmp_path / "runs").exists()  # nothing was written, nothing is left


def test_the_lock_of_a_killed_process_is_taken_over_and_its_stub_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "x"
    command = [sys.executable, "-c", HOLD, str(path), "new"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"written by process {process.pid} on "):
            a_folder(path).claim("new")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (path / MARK).is_file()
    again = a_folder(path)
    again.claim("new")
    assert read_mark(path)["pid"] == os.getpid()
    again.release()


def test_a_finished_folder_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    path = finished(tmp_path / "x")
    before = {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.name not in (MARK, ".lock")}
    with pytest.raises(UserError, match=r"name: the run folder .*x exists; .* --overwrite, .*such as name=x-2"):
        a_folder(path).claim("new")
    with pytest.raises(UserError, match=r"such as --out .*x-2"):
        a_folder(path, key="--out").claim("new")
    again = a_folder(path)
    again.claim("overwrite")
    assert {each: each.stat().st_mtime_ns for each in before} == before  # claiming changes nothing
    assert again.empty() == []
    assert not (path / "samples").exists()
    again.release()


def test_only_what_mr1_wrote_is_removed(tmp_path: Path) -> None:
    path = finished(tmp_path / "x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("1")
    (path / "notes.txt").write_text("mine")
    (path / "samples" / "one").unlink()
    (path / "samples").rmdir()
    (path / "samples").symlink_to(elsewhere)
    (path / ".config.yaml").write_text("a draft")
    again = a_folder(path)
    again.claim("overwrite")
    assert again.empty() == ["notes.txt"]
    assert (elsewhere / "kept").is_file()
    assert not (path / ".config.yaml").exists()
    again.release()


@pytest.mark.parametrize("name", ["config.yaml", "settings.json", "thesis.tex"])
def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("years of work")
    for path in (tmp_path, tmp_path / "." / ".", tmp_path / ".." / tmp_path.name):
        with pytest.raises(UserError, match=r"no folder that MR1 made .* it is left alone"):
            a_folder(path).claim("overwrite")
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "years of work"


def test_an_evaluation_does_not_replace_a_run(tmp_path: Path) -> None:
    path = finished(tmp_path / "x")
    with pytest.raises(UserError, match="is the folder of a run, so it is left alone"):
        OutputFolder(path, "evaluation", ["samples"], "--out").claim("overwrite")
    assert (path / "samples" / "one").is_file()


def test_what_can_not_be_made_or_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"name: .*file/x can't be made: Not a directory"):
        a_folder(tmp_path / "file" / "x").claim("new")
