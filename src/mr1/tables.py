"""Rows with images as Parquet, in the form that `datasets` reads as its Image feature."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL.Image import Image

from mr1.writing import publish, writing

FILE = "mr1_file"
"""In an image's `info`: the bytes of the file that it was read from, where that shows the same pixels."""


def encode_images(images: Iterable[Image]) -> list[dict[str, Any]]:
    """Images as their own files, else as PNG: the value of an `images` column."""
    return [{"bytes": image.info.get(FILE) or _png(image), "path": None} for image in images]


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def make_table(rows: Sequence[dict[str, Any]], types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """Rows of equal keys as a table.

    Args:
        rows: their `images` are what `encode_images` gave; equal ones are held once, however many rows have them.
        types: of the other columns, in order; None for those of the first row, of which there must be one then.
    """
    types = types or dict.fromkeys(name for name in rows[0] if name != "images")
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    return pa.table({**columns, "images": _image_column([row["images"] for row in rows])})


def _image_column(rows: Sequence[Sequence[dict[str, Any]]]) -> pa.ListArray:
    """Lists of bytes and path, in which the bytes are numbers in a dictionary of what is unlike."""
    flat = [image for images in rows for image in images]
    unlike: dict[bytes, int] = {}
    numbers = [unlike.setdefault(image["bytes"], len(unlike)) for image in flat]
    held = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array([*unlike], pa.large_binary()))
    paths = pa.array([image["path"] for image in flat], pa.string())
    ends = pa.array(accumulate(map(len, rows), initial=0), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([held, paths], ["bytes", "path"]))


@contextmanager
def parquet_file(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Gives what takes tables of equal columns, each of which is written at once as a row group of its own.

    The file appears whole or not at all: when all is written without an error. Readers find ordinary columns; the
    dictionaries of images stay a matter of the file's format.

    Raises:
        DiskError: it can't be written.
    """
    draft = path.with_name(f".{path.name}")
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        with writing(path, table.nbytes):
            if writer is None:
                # The dictionary has room for all of the images.
                settings = {"compression": "zstd", "dictionary_pagesize_limit": 2**30, "store_schema": False}
                writer = pq.ParquetWriter(draft, table.schema, **settings)
            writer.write_table(table, row_group_size=max(1, len(table)))

    try:
        yield write
        if writer is not None:
            with writing(path):
                writer.close()
                publish(draft, path)
    except BaseException:
        with suppress(OSError):  # what has gone wrong before says it
            if writer is not None:
                writer.close()
            draft.unlink(missing_ok=True)
        raise


def numbered(folder: Path, prefix: str = "") -> dict[int, Path]:
    """The files `<prefix>000000.parquet` of a folder by their numbers, in order; none where there is no folder.

    Drafts, and what editors, file managers and systems leave beside them, are not among them.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d{6}|[1-9]\d{6,})\.parquet", re.ASCII)
    there = folder.iterdir() if folder.is_dir() else ()
    found = {int(name[1]): path for path in there if (name := pattern.fullmatch(path.name)) and path.is_file()}
    return dict(sorted(found.items()))
