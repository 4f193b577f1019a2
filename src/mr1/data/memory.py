"""Rows that a program hands over: a `datasets.Dataset`, or a list of dictionaries.

A source of `format: memory` has its rows from here, by the name that is its `path`. They are held while a call of the
library goes on, and are read as the rows of a file are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, time
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from mr1.data.rows import ArrowRows, Row, Rows
from mr1.data.settings import SPLITS, Source
from mr1.errors import UserError
from mr1.held import while_open

PLAIN = (str, bool, int, float, bytes, bytearray, Decimal, date, time, PathLike, Image, type(None))
"""What a cell may hold, beside lists and mappings of it: what says the same in another process."""
LOOKED_AT = 100
"""Rows from which it is known which columns hold images."""

Splits = dict[str, Any]
"""By a split's name: its rows, as they were handed over."""
_HELD: dict[str, Splits] = {}


class MemoryRows:
    """A list of dictionaries as rows. They are copied, so that what the program does with its own changes none."""

    commit: str | None = None
    folder = Path()

    def __init__(self, rows: Sequence[Any], name: str) -> None:
        """Raises UserError for what is no row, or a cell that no file could hold."""
        self.name = name
        self.rows = [_row(row, self.where(number)) for number, row in enumerate(rows)]
        if not self.rows:
            raise UserError(f"path: {name} has no rows")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def brief(self) -> Iterator[Row]:
        return iter(self.rows)

    def where(self, index: int) -> str:
        return f"{self.name}, row {index + 1}"

    def root(self, index: int) -> Path:  # noqa: ARG002 - all rows share the folder
        return self.folder

    def media(self) -> dict[str, str]:
        first = self.rows[:LOOKED_AT]
        return {column: held for row in first for column, value in row.items() if (held := _medium(value))}


def as_splits(data: Any, name: str) -> Splits:
    """What was handed over for one source, by split.

    Args:
        data: a `datasets.Dataset` or a list of dictionaries, which is the split `train`; or a `DatasetDict` or a
            mapping from splits to such.
        name: the source's, for messages.

    Raises:
        UserError: it is neither.
    """
    splits = dict(data) if isinstance(data, Mapping) else {"train": data}
    for split, rows in splits.items():
        if reason := _unfit(rows):
            raise UserError(
                f"data: {name}, {split} is {reason}; hand over a datasets.Dataset or a list of dictionaries"
            )
    return splits


def as_sources(data: Any) -> dict[str | None, Splits]:
    """What was handed over, by source; a source without a name is None.

    A mapping is by split where all of its keys are splits or it is a `DatasetDict`, else by source.

    Raises:
        UserError: see `as_splits`.
    """
    named = isinstance(data, Mapping) and not hasattr(data, "column_names") and not {*data} <= {*SPLITS}
    if not named:
        return {None: as_splits(data, "data")}
    return {str(name): as_splits(each, str(name)) for name, each in data.items()}


def held(sources: Mapping[str, Splits]) -> AbstractContextManager[None]:
    """While open, sources of `format: memory` find their rows by these names."""
    return while_open(_HELD, sources)


def held_splits(source: Source) -> Splits:
    """The rows of a source, by the names of its splits.

    Raises:
        UserError: nobody holds them.
    """
    if source.path not in _HELD:
        raise UserError(
            "format: its rows were handed over by a program, and are in no file; call mr1.train from that "
            "program again, with the same data, and with resume=True to go on"
        )
    return _HELD[source.path]


def as_rows(rows: Any, name: str) -> Rows:
    """What was handed over as rows.

    Raises:
        UserError: a row or a cell that can't be read.
    """
    if isinstance(rows, Sequence):
        return MemoryRows(rows, name)
    return ArrowRows(rows, Path(), name)


def _unfit(rows: Any) -> str:
    """What rows are, where they are nothing that can be read; empty where they can."""
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return ""
    kind = type(rows).__name__
    if not all(hasattr(rows, name) for name in ("features", "with_format", "info")):
        return f"a {kind}"
    if not hasattr(rows, "__len__"):
        return f"a {kind}, which is read once and has no numbers for its rows"
    if rows.format["type"] == "custom":
        return "a Dataset whose rows are made when they are asked for (set_transform); make them by its map"
    return ""


def _row(row: Any, where: str) -> Row:
    if not isinstance(row, Mapping):
        raise UserError(f"path: {where} is a {type(row).__name__}; each row must be a dictionary")
    return {str(column): _plain(value, f"{where}, column '{column}'") for column, value in row.items()}


def _plain(value: Any, where: str) -> Any:
    """A cell as JSON or Arrow would hold it; NaN, as pandas writes what is missing, is none."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim < 2):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each, where) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, where) for each in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if not isinstance(value, PLAIN):
        raise UserError(
            f"path: {where} holds a {type(value).__name__}; write it as text, numbers, lists or mappings, an image as "
            "PIL's, or leave the column out"
        )
    return value


def _medium(value: Any) -> str | None:
    """What a cell holds where that is no text."""
    if isinstance(value, Image):
        return "images"
    if isinstance(value, bytes | bytearray):
        return "bytes"
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next((found for each in inner if (found := _medium(each))), None)
