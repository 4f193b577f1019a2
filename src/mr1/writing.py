"""Files that appear whole or not at all; where the disk is full, read-only or gone, one line says so.

The line names the path, the bytes and the way out.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mr1.errors import DiskError

FULL = {errno.ENOSPC: "make room there", errno.EDQUOT: "make room within the quota"}
WAYS = FULL | {
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.ENOENT: "bring the folder back",
    errno.ENOTDIR: "bring the folder back",
}
"""What to do, by what the system says; of anything else the disk is to be looked at."""
_NUMBER = re.compile(r"\(os error (\d+)\)")
"""As libraries in Rust, such as safetensors, tell the system's number."""


@contextmanager
def writing(path: Path, needed: int | Callable[[], int] = 0) -> Iterator[None]:
    """What the system says while a file or folder is being written, in words.

    Args:
        path: what is written.
        needed: bytes that it takes, or what tells them where they have to be told; 0 for a few.

    Raises:
        DiskError: it can't be written.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        count = needed() if callable(needed) else needed
        parts = [f"{size(count)} are needed"] if count else []
        parts += [f"{size(_free(path))} are free"] if number in FULL else []
        told = f" ({', '.join(parts)})" if parts else ""
        reason = os.strerror(number) if number else " ".join(str(error).split())
        raise DiskError(f"{path} can't be written: {reason}{told}; {WAYS.get(number, 'look at the disk')}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all. Raises DiskError where it can't be written."""
    draft, content = path.with_name(f".{path.name}"), text.encode("utf-8")
    with writing(path, len(content)):
        try:
            draft.write_bytes(content)
            publish(draft, path)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def append_line(path: Path, line: str) -> None:
    """Put a line behind those of a text file. Raises DiskError where it can't be written."""
    content = f"{line}\n".encode()
    with writing(path, len(content)), path.open("ab") as file:
        file.write(content)


def publish(draft: Path, path: Path) -> None:
    """Give a written file or folder its name, once all of it is on the disk: a crash never leaves half of it there."""
    for each in [*draft.rglob("*"), draft] if draft.is_dir() else [draft]:
        sync(each)
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until what was written to a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(count: float) -> str:
    """Bytes as one would say them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _number(error: BaseException | None) -> int | None:
    """What the system's error is called, by its number; None where the system has no part in it."""
    if error is None:
        return None
    if isinstance(error, OSError):
        return error.errno or 0
    if found := _NUMBER.search(str(error)):
        return int(found[1])
    return _number(error.__context__)  # torch fails once more where it closes what it could not write


def _free(path: Path) -> int:
    """Bytes that are free where a path is, or would be."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free
