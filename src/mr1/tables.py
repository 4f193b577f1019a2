"""Rows with images as Parquet, in the form that `datasets` reads as its Image feature."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL.Image import Image

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


FILE = "mr1_file"
"""In an image's `info`: the bytes of the file that it was read from, where that shows the same pixels."""


def encode_images(images: Iterable[Image]) -> list[dict[str, Any]]:
    """Images as their own files, else as PNG: the value of an `images` column."""
    return [{"bytes": image.info.get(FILE) or _png(image), "path": None} for image in images]


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def make_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of equal keys as a table; `images` is what `encode_images` gave. At least one row."""
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0] if name != "images"}
    return pa.table({**columns, "images": pa.array([row["images"] for row in rows], type=IMAGES)})


def write_parquet(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write tables behind each other; the file appears whole or not at all."""
    draft = path.with_name(f".{path.name}")
    table = pa.concat_tables(tables, promote_options="default")
    # An image that many rows have is written once: the dictionary has room for all of them.
    pq.write_table(table, draft, compression="zstd", dictionary_pagesize_limit=2**30)
    draft.replace(path)


def numbered(folder: Path, prefix: str = "") -> dict[int, Path]:
    """The files `<prefix>000000.parquet` of a folder by their numbers, in order; none where there is no folder.

    Drafts, and what editors, file managers and systems leave beside them, are not among them.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d{6}|[1-9]\d{6,})\.parquet", re.ASCII)
    there = folder.iterdir() if folder.is_dir() else ()
    found = {int(name[1]): path for path in there if (name := pattern.fullmatch(path.name)) and path.is_file()}
    return dict(sorted(found.items()))


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
