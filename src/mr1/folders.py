"""Folders that MR1 writes results into: made by it, marked as its own, and written by one process at a time.

    .mr1.json   the mark: which kind of folder this is, and who writes into it or did so last
    .lock       held while a process writes; the system lets go of it when that process ends, however it ends

Only what MR1 itself writes is ever removed, and only from a folder that has its mark. A folder with nothing but these
two files is what a killed start left behind: it counts as not there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from mr1.errors import DiskError, UserError, note
from mr1.version import __version__
from mr1.whole import read_text
from mr1.writing import write_text

Kind = Literal["run", "evaluation", "study", "data set"]
Mode = Literal["new", "overwrite", "resume"]

MARK, LOCK = ".mr1.json", ".lock"
OWN = {MARK, LOCK, f".{MARK}"}
"""With the mark's draft, which a kill may leave behind."""


def as_mode(resume: bool, overwrite: bool) -> Mode:
    """What to do where a folder exists. Raises UserError where both are asked for."""
    if resume and overwrite:
        raise UserError("--resume: it goes on with the folder, --overwrite replaces it; give one of them")
    return "resume" if resume else "overwrite" if overwrite else "new"


class Recording(ABC):
    """What this process alone writes into an `OutputFolder` until `close`; an error on the way says how to go on."""

    _claimed: OutputFolder

    def close(self) -> None:
        """Let others write into the folder; one that was only claimed is removed again."""
        self._claimed.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None and self._claimed.taken_up:
            note(error, self.how_to_go_on())
        self.close()

    @abstractmethod
    def how_to_go_on(self) -> str:
        """What to type after it has stopped, by what is on the disk; empty where nothing is."""


class OutputFolder:
    """A folder that this process alone writes into, from here until `release`."""

    def __init__(self, path: Path, kind: Kind, contents: Iterable[str], key: str) -> None:
        """Nothing is looked at before `claim`.

        Args:
            path: where.
            kind: what the folder is of.
            contents: names of all that MR1 writes into such a folder.
            key: the setting or option that names the folder, for messages.
        """
        self.path, self.kind, self.key = path, kind, key
        self.contents = frozenset(contents)
        self._lock = FileLock(path / LOCK, timeout=0)
        self.taken_up = False
        """Whether what is in it is what this process goes on with or has written, not what it may still replace."""
        self._made: list[Path] = []
        """The folders that `claim` made, innermost first."""

    def claim(self, mode: Mode) -> None:
        """Make the folder, or take up the one that is there, and lock it. What is in it stays as it is.

        Raises:
            UserError: with `new` or `overwrite`, a folder that holds something and may not be used so; a folder that
                another process writes into; one that can't be written.
        """
        if mode != "resume":
            self._check(mode)
        self._make()
        try:
            self._take_lock()
            if mode != "resume":
                self._check(mode)  # again, now that nobody else can change it
            self._write_mark()
            self.taken_up = mode == "resume"
        except BaseException:
            if self._lock.is_locked and not (self.path / MARK).exists():
                (self.path / LOCK).unlink(missing_ok=True)
            self.release()
            raise

    def empty(self) -> list[str]:
        """Remove what MR1 wrote into the folder; returns the names of what is left, which others put there."""
        self.taken_up = True
        for name in self.contents:
            for path in (self.path / name, self.path / f".{name}"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        return sorted(self._held())

    def release(self) -> None:
        """Let others have the folder. One that `claim` made, and into which nothing was written, is removed again."""
        if self._made and self.path.is_dir() and not self._held():
            for name in OWN:
                (self.path / name).unlink(missing_ok=True)
            for folder in self._made:
                try:
                    folder.rmdir()
                except OSError:  # somebody else has put something there
                    break
        self._made = []
        self._lock.release()

    def _held(self) -> set[str]:
        """Names of what is in the folder, but for the mark and the lock."""
        return {path.name for path in self.path.iterdir()} - OWN if self.path.is_dir() else set()

    def _check(self, mode: Mode) -> None:
        """Raise where the folder holds something that `mode` is not allowed to replace."""
        if not self._held():
            return
        if mode == "new":
            raise UserError(
                f"{self.key}: the {self.kind} folder {self.path} exists; go on with it by --resume, replace it by "
                f"--overwrite, or choose another, such as {self._another()}"
            )
        kind = read_mark(self.path).get("kind")
        if kind != self.kind:
            found = f"the folder of {_articled(kind)}" if kind else f"no folder that MR1 made (it has no {MARK})"
            raise UserError(
                f"{self.key}: {self.path} is {found}, so it is left alone; choose another, or remove it yourself"
            )

    def _make(self) -> None:
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.key}: {self.path} can't be made: {_reason(error)}") from error
        self._made = missing

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise UserError(
                f"{self.key}: {self.path} is being written by {self._writer()}; wait for it, stop it, or choose "
                "another folder"
            ) from error
        except OSError as error:
            raise UserError(f"{self.key}: {self.path} can't be written: {_reason(error)}") from error

    def _another(self) -> str:
        return f"{self.key} {self.path}-2" if self.key.startswith("-") else f"{self.key}={self.path.name}-2"

    def _writer(self) -> str:
        mark = read_mark(self.path)
        if "pid" not in mark:
            return "another process"
        return f"process {mark['pid']} on {mark['host']}"

    def _write_mark(self) -> None:
        mark = {"kind": self.kind, "mr1": __version__, "host": socket.gethostname(), "pid": os.getpid()}
        try:
            write_text(self.path / MARK, json.dumps(mark) + "\n")
        except DiskError as error:
            raise UserError(f"{self.key}: {error}") from error


def wait_until_free(folder: Path, seconds: float) -> None:
    """Wait, at most so long, for the process that writes into a folder, where one that was killed may be ending."""
    if (folder / LOCK).exists():
        with suppress(Timeout), FileLock(folder / LOCK, timeout=seconds):
            pass


def read_mark(folder: Path) -> dict[str, Any]:
    """What the mark of a folder says; empty where it has none."""
    try:
        mark = json.loads(read_text(folder / MARK))
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def _articled(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
