"""Files that are read whole, and lines: no further than what such a one may hold.

What a user names may be any file, also one of many gigabytes by mistake, or a sparse one that takes no room on a disk.
It is refused by its size before it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mr1.writing import size

LARGEST_FILE = 2**30
"""Bytes of an image's file, of a row of a text file, and of a file of lines: with 16 bits a colour the largest image
(`data.images.LARGEST`) takes as many, uncompressed."""
LARGEST_ROWS = 2**32
"""Bytes of a JSON file of rows, which is parsed as a whole and takes several times as much then."""
LARGEST_SETTINGS = 2**26
"""Bytes of a file of settings or figures, in YAML or JSON: recipes, manifests, a model's config.json."""
_PIECE = 2**20


class TooLargeError(ValueError):
    """A file or a line has more than is read at once."""


def check_size(count: int, largest: int) -> None:
    """Raise TooLargeError where there are more bytes than are read at once."""
    if count > largest:
        raise TooLargeError(f"{size(count)} are more than the {size(largest)} that are read at once")


def read_whole(path: Path, largest: int = LARGEST_SETTINGS) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it can't be read.
        TooLargeError: it is larger; nothing of it has been read then.
    """
    with path.open("rb") as file:
        said = os.fstat(file.fileno())
        check_size(said.st_size, largest)
        # A pipe doesn't say how much is to come.
        return file.read() if stat.S_ISREG(said.st_mode) else read_stream(file, largest)


def read_text(path: Path, largest: int = LARGEST_SETTINGS) -> str:
    """A file's text in UTF-8; see `read_whole`. Raises also UnicodeDecodeError, a ValueError."""
    return read_whole(path, largest).decode("utf-8")


def read_stream(file: BinaryIO, largest: int = LARGEST_FILE) -> bytes:
    """The rest of a stream, such as a compressed file's content. Raises TooLargeError where it is longer."""
    read = bytearray()
    while piece := file.read(_PIECE):
        read += piece
        if len(read) > largest:
            raise TooLargeError(f"it is more than the {size(largest)} that are read at once")
    return bytes(read)


def read_line(file: BinaryIO, longest: int = LARGEST_FILE) -> bytes:
    """The next line with its end; empty at the end of the file. Raises TooLargeError where it is longer."""
    line = file.readline(longest + 1)
    if len(line) > longest:
        raise TooLargeError(f"its line is more than the {size(longest)} that are read at once")
    return line


def read_lines(file: BinaryIO, longest: int = LARGEST_FILE) -> Iterator[bytes]:
    """The lines that are left; see `read_line`."""
    while line := read_line(file, longest):
        yield line
