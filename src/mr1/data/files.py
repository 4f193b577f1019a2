"""Files as they lie on the disk: what they hold, by their ending and their content, and compressed ones as plain ones.

Rows are read by their place in a file, which a compressed one does not have. So it is decompressed once, into
`datasets`' cache (`HF_DATASETS_CACHE`), and again when it has changed.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mr1.data.settings import Format
from mr1.errors import UserError
from mr1.whole import TooLargeError, read_line, read_lines

ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": ("gzip", b"\x1f\x8b"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd"), ".bz2": ("bz2", b"BZh")}
"""By ending: pyarrow's name, and how such files begin. They are known by their beginning, whatever they are called."""
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks of what is no UTF-8; UTF-32's begins with one of them, or with null characters."""
LOOKED_AT = 65_536
"""Bytes from which a table is known."""


def format_by_name(path: Path) -> Format | None:
    """What a file holds by its ending, in upper or lower case, with or without a compression's behind it."""
    return ENDINGS.get(_without_compression(path).suffix.lower())


def split_name(path: Path) -> str:
    """A file's name without the endings that say what it holds."""
    bare = _without_compression(path)
    return bare.stem if bare.suffix.lower() in ENDINGS else bare.name


def format_of(path: Path) -> Format:
    """What an existing file holds: by its content where that is plain, else by its ending.

    Raises:
        UserError: neither says it, or the file can't be read.
    """
    named = format_by_name(path)
    if named == "parquet":
        return named
    found = _format_by_content(path, named)
    if found is None:
        raise UserError(
            f"path: {path} holds no rows in a format that is known by its ending or its content; known: "
            f"{', '.join(ENDINGS)}, each also with {', '.join(COMPRESSIONS)} behind it; convert it, or set format"
        )
    return found


def plain(path: Path) -> Path:
    """The file itself, or where it is compressed a copy that isn't.

    Raises:
        UserError: it can't be read, is damaged, or the copy can't be written.
    """
    try:
        if _compression(path) is None:
            return path
        copy = _copy_of(path)
        if not copy.is_file():
            _decompress(path, copy)
    except OSError as error:
        said = error.strerror or " ".join(str(error).split())
        where = f" ({error.filename})" if error.filename not in (None, str(path)) else ""
        raise UserError(f"path: {path} can't be read: {said}{where}") from error
    return copy


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes, decompressed where they are compressed.

    Raises:
        OSError: it can't be read, or is damaged.
    """
    compression = _compression(path)
    if compression is None:
        with path.open("rb") as file:
            yield file
        return
    import pyarrow as pa

    stream: Any = pa.input_stream(str(path), compression=compression)
    with stream:
        yield stream


def _compression(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for name, begins in COMPRESSIONS.values() if start.startswith(begins)), None)


def _copy_of(path: Path) -> Path:
    """Where a compressed file's copy is; elsewhere once the file has changed."""
    import datasets

    said = path.stat()
    content = f"{path.resolve()}\n{said.st_size}\n{said.st_mtime_ns}".encode("utf-8", "surrogateescape")
    name = f"{hashlib.sha256(content).hexdigest()[:24]}{_without_compression(path).suffix}"
    return Path(datasets.config.HF_DATASETS_CACHE) / "mr1-plain" / name


def _decompress(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        with opened(path) as stream, draft.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)


def _without_compression(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def _format_by_content(path: Path, named: Format | None) -> Format | None:
    """What a file holds, where its content says so; else what its name says."""
    with plain(path).open("rb") as file:
        head = file.read(LOOKED_AT)
        if head.startswith(b"PAR1"):
            return "parquet"
        if head.startswith(WIDE) or head.startswith(b"\0\0\xfe\xff"):
            raise UserError(f"path: {path} is no UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
        start = head.removeprefix(codecs.BOM_UTF8).lstrip()
        if start.startswith(b"["):
            return "json" if start[1:].lstrip()[:1] in (b"{", b"]") else named
        if start.startswith(b"{"):
            file.seek(len(head) - len(start))
            return _lines_or_whole(file, named)
    return named or _table(head)


def _lines_or_whole(file: BinaryIO, named: Format | None) -> Format | None:
    """Whether what begins with an object is one object a line, or one over several lines."""
    try:
        line = read_line(file)
        several = any(rest.strip() for rest in read_lines(file))
    except TooLargeError:  # read as lines, it is refused by its row
        return named or "jsonl"
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        over_several = line.rstrip().endswith((b"{", b"[", b","))
        return "json" if over_several else named or "jsonl"
    return "jsonl" if several or named != "json" else "json"


def _table(head: bytes) -> Format | None:
    """What a text of unknown ending holds that begins like no JSON: a table, if its first line has several cells."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return None
    first = text.partition("\n")[0]
    if "\0" in text or not text.strip():
        return None
    return "tsv" if "\t" in first else "csv" if "," in first or ";" in first else None
