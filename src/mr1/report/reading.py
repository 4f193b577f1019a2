"""A folder's files as they are found: whole, cut, empty, damaged or missing.

A run that was killed, a full disk or a copy that stopped halfway leaves files that end anywhere. What can be read of
them is shown; what can't is named, file by file, so that nothing is missing from a page without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mr1.whole import LARGEST_FILE, TooLargeError, read_whole

Row = dict[str, Any]

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
"""The type of an `images` column."""
LARGEST = 1e100
"""Of a number that is drawn; the drawing adds numbers up and scales them."""
NAMED = 5
"""Keys or samples of a file that are named each by itself."""
CONTROL = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def printable(text: str) -> str:
    """Text without what no page and no terminal can show: control characters and halves of surrogate pairs."""
    return text.translate(CONTROL).encode("utf-8", "replace").decode("utf-8")


class Reader:
    """Reads a folder's files as far as they can be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damage: dict[str, list[str]] = {}
        """What could not be read, by the file's name within the folder."""

    def note(self, name: str, what: str) -> None:
        """Keep that something of a file could not be read."""
        notes, line = self.damage.setdefault(printable(name), []), " ".join(printable(what).split())
        if line not in notes:
            notes.append(line)

    def text(self, name: str, required: bool = False) -> str:
        """A file as text, empty where there is none; where it is `required`, a missing or empty one is noted."""
        try:
            read = read_whole(self.folder / name, LARGEST_FILE)
        except FileNotFoundError:
            if required:
                self.note(name, "is missing")
            return ""
        except OSError as error:
            self.note(name, f"can't be opened ({error.strerror})")
            return ""
        except TooLargeError as error:
            self.note(name, f"is not read: {error}")
            return ""
        if required and not read.strip():
            self.note(name, "is empty")
        try:
            return read.decode("utf-8")
        except UnicodeDecodeError as error:
            self.note(name, f"is no text in UTF-8 from byte {error.start} on")
            return read.decode("utf-8", "replace")

    def json(self, name: str, required: bool = False) -> dict[str, Any]:
        """A file with one JSON object; empty where there is none."""
        text = self.text(name, required)
        if not text.strip():
            return {}
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.note(name, f"is cut off or no JSON ({error})")
            return {}
        if not isinstance(read, dict):
            self.note(name, "is no JSON object")
            return {}
        return read

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The JSON objects of a file with one on each line; what is none, such as a torn last line, is left out."""
        found, torn = [], []
        lines = self.text(name).rstrip().split("\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                read = json.loads(line)
            except (ValueError, RecursionError):
                read = None
            if isinstance(read, dict):
                found.append(read)
            else:
                torn.append(number)
        if torn:
            which = f"line {torn[0]} is" if len(torn) == 1 else f"{len(torn)} lines (the first: {torn[0]}) are"
            self.note(name, f"of {len(lines)} lines, {which} cut off or no JSON object, and left out")
        return found

    def table(self, name: str, columns: Mapping[str, pa.DataType], keys: Sequence[str]) -> pa.Table | None:
        """A Parquet file's rows.

        Args:
            name: the file's, within the folder.
            columns: which to read, and as what; one that is missing or holds something else is null. A name that ends
                in `*` stands for all columns that begin so.
            keys: the columns without which a row means nothing; rows that lack one are left out.

        Returns:
            The rows; None where there is no file, where it can't be read, or where there is no row.
        """
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            file = pq.ParquetFile(path)
            kinds = {each: kind for each in file.schema_arrow.names if (kind := _kind(each, columns)) is not None}
            table = file.read(columns=[*kinds])
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            self.note(name, f"can't be read as Parquet ({str(error)[:200]})")
            return None
        kinds |= {each: kind for each, kind in columns.items() if not each.endswith("*")}
        table = pa.table({each: self._column(name, table, each, kind) for each, kind in kinds.items()})
        whole = table
        for key in keys:
            if whole[key].null_count:
                whole = whole.filter(whole[key].is_valid())
        if whole.num_rows < table.num_rows:
            self.note(name, f"{table.num_rows - whole.num_rows} rows lack one of {', '.join(keys)}, and are left out")
        return whole if whole.num_rows else None

    def _column(self, name: str, table: pa.Table, column: str, kind: pa.DataType) -> pa.ChunkedArray:
        if column not in table.column_names:
            self.note(name, f"has no column {column}")
            return pa.chunked_array([pa.nulls(table.num_rows, kind)])
        try:
            return table[column].cast(kind)
        except (pa.ArrowException, ValueError):
            self.note(name, f"its column {column} is of type {table[column].type}, not {kind}")
            return pa.chunked_array([pa.nulls(table.num_rows, kind)])


def read_metrics(reader: Reader, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    """The lines of a run's metrics: each has its step, and of the other values those that are numbers, or None."""
    if not (reader.folder / name).exists():
        reader.note(name, "is missing")
    lines = reader.lines(name)
    found, nameless, wrong = [], 0, dict[str, list[int]]()
    for line in lines:
        step = line.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 10**9:
            nameless += 1
            continue
        for key, value in line.items():
            if value is not None and not (_is_share(value) if key.startswith("eval/") else _is_number(value)):
                line[key] = None
                wrong.setdefault(key, []).append(step)
        found.append(line)
    if nameless:
        reader.note(name, f"{nameless} of {len(lines)} lines have no step, and are left out")
    for key, steps in [*wrong.items()][:NAMED]:
        where = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps, the first of them {steps[0]}"
        reader.note(name, f"{key} is no number that can be drawn at {where}")
    if len(wrong) > NAMED:
        reader.note(name, f"{len(wrong) - NAMED} further keys hold no numbers that can be drawn")
    return found


def read_figures(reader: Reader, name: str, held: Mapping[str, Any], where: str = "") -> dict[str, dict[str, Any]]:
    """The figures of an evaluation by task: those that have an accuracy with its interval and a number of samples.

    Args:
        reader: keeps what could not be read.
        name: the file that holds them.
        held: what it holds for each task.
        where: in it, for messages.
    """
    found = {}
    for task, figures in held.items():
        place = f"{where}{task}"
        known = isinstance(figures, dict) and all(_is_share(figures.get(key)) for key in ("accuracy", "low", "high"))
        if not known or not _is_count(figures.get("n")):
            reader.note(name, f"{place} has no accuracy with its interval and number of samples, and is left out")
            continue
        found[task] = {key: value for key, value in figures.items() if _fits(key, value)}
        for key in figures.keys() - found[task].keys():
            reader.note(name, f"{key} of {place} can't be read")
        for kind in [key for key in found[task] if key.startswith("by_")]:
            found[task][kind] = read_figures(reader, name, found[task][kind], f"{place}, {kind} ")
    return found


def _fits(key: str, value: object) -> bool:
    """Whether a figure is what its name says."""
    if key.startswith("pass@") or key in ("accuracy", "low", "high", "format_rate"):
        return _is_share(value)
    if key == "baseline":
        return isinstance(value, dict) and isinstance(value.get("name"), str) and _is_share(value.get("share"))
    if key.startswith("by_") or key == "undecided":
        return isinstance(value, dict)
    return _is_count(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= LARGEST  # which NaN is not


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= LARGEST


def _kind(name: str, columns: Mapping[str, pa.DataType]) -> pa.DataType | None:
    """As what a column is read; None where it isn't."""
    if name in columns:
        return columns[name]
    return next((kind for key, kind in columns.items() if key.endswith("*") and name.startswith(key[:-1])), None)
