"""Where rows are read from: text files by line, and what `datasets` reads (Parquet, folders, the hub).

Neither holds the rows in memory. Text files are indexed once, 8 bytes a row, and a row is parsed when it is asked for,
so its values stay as they are written. `datasets` maps Arrow files into memory; images are not decoded.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from mr1.data.files import plain
from mr1.data.settings import Format
from mr1.errors import UserError
from mr1.whole import LARGEST_FILE, LARGEST_ROWS, TooLargeError, read_line, read_lines, read_whole

Row = dict[str, Any]

MEDIA = {"Image": "images", "Audio": "sound", "Video": "video", "Pdf": "documents"}
"""`datasets`' features of what is no text, and what to call it."""
STANDING_IN = "({} bytes)"
"""What a brief row holds, as bytes, in place of an image's bytes: how many they are."""
COMMIT = re.compile(r"^hf://datasets/[^@]+@([0-9a-f]{40})/")
"""What the address of a file on the hub begins with."""

csv.field_size_limit(LARGEST_FILE)  # a cell may be an image in base64


class Rows(Protocol):
    """Rows by number, counted from 0."""

    folder: Path
    """What the paths of images are relative to where the source does not say."""
    commit: str | None
    """That of a data set on the hub; None for other rows."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Row: ...

    def brief(self) -> Iterator[Row]:
        """All rows in order, with STANDING_IN for the bytes of images, which are not read."""
        ...

    def where(self, index: int) -> str:
        """A row's place, as a person would look it up."""
        ...

    def root(self, index: int) -> Path:
        """The folder of the file that a row is in."""
        ...

    def media(self) -> dict[str, str]:
        """The columns whose type says that they hold what is no text, and what they hold."""
        ...


class TextRows:
    """JSONL or tables (CSV, TSV), indexed by the offsets of their rows."""

    commit: str | None = None

    def __init__(self, files: Sequence[Path], kind: Format) -> None:
        """Raises UserError for files without rows, or a table that is not UTF-8."""
        self.files, self.folder = files, files[0].parent
        self.plain = [plain(file) for file in files]
        heads = [_head(file, name, kind) for file, name in zip(self.plain, files, strict=True)]
        self.delimiters = [delimiter for delimiter, _ in heads]
        self.headers = [header for _, header in heads]
        for file, header in zip(files, self.headers, strict=True):
            if twice := next((name for name in header if name and header.count(name) > 1), None):
                raise UserError(
                    f"path: {file} has two columns '{twice}', and which is meant nobody can tell; rename one"
                )
        self.offsets = [np.fromiter(self._find_rows(number), np.int64) for number in range(len(files))]
        self.starts = np.cumsum([0, *map(len, self.offsets)])
        if not len(self):
            raise UserError(f"path: {files[0]} has no rows")

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> Row:
        number, line = self._place(index)
        with self.plain[number].open("rb") as file:
            return self._read(file, number, line)

    def brief(self) -> Iterator[Row]:
        for number, path in enumerate(self.plain):
            with path.open("rb") as file:
                for line in range(len(self.offsets[number])):
                    yield self._read(file, number, line)

    def where(self, index: int) -> str:
        number, line = self._place(index)
        return f"{self.files[number]}, row {line + 1}"

    def root(self, index: int) -> Path:
        return self.files[self._place(index)[0]].parent

    def media(self) -> dict[str, str]:
        return {}

    def _place(self, index: int) -> tuple[int, int]:
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        return number, index - int(self.starts[number])

    def _find_rows(self, number: int) -> Iterator[int]:
        """The offsets of a file's rows."""
        file, delimiter, name, found = self.plain[number], self.delimiters[number], self.files[number], 0
        try:
            for offset in _record_offsets(file, delimiter, name) if delimiter else _line_offsets(file):
                yield offset
                found += 1
        except TooLargeError as error:
            raise UserError(
                f"path: {name}, row {found + 1} is too long: {error}; take it out, or name its images by their paths"
            ) from error

    def _read(self, file: BinaryIO, number: int, line: int) -> Row:
        """One row of an open file."""
        file.seek(self.offsets[number][line])
        where = f"{self.files[number]}, row {line + 1}"
        if delimiter := self.delimiters[number]:
            header = self.headers[number]
            try:
                cells = next(csv.reader((text.decode("utf-8") for text in read_lines(file)), delimiter=delimiter))
            except (csv.Error, ValueError, StopIteration) as error:
                raise UserError(f"path: {where} can't be read ({error}); was the file changed meanwhile?") from error
            if len(cells) != len(header):
                raise UserError(f"path: {where} has {len(cells)} cells where the header has {len(header)}")
            return dict(zip(header, cells, strict=True))
        try:
            row = read_json(read_line(file))
        except (ValueError, RecursionError) as error:
            raise UserError(f"path: {where} is no JSON ({error}); fix the line or take it out") from error
        if not isinstance(row, dict):
            raise UserError(f"path: {where} is no JSON object; each line must be one")
        return row


class JsonRows:
    """JSON files that are read as a whole: a list of rows, an object that holds the list, or an object as one row."""

    commit: str | None = None

    def __init__(self, files: Sequence[Path], field: str | None) -> None:
        """Raises UserError for a file that is no JSON or holds no rows."""
        self.folder = files[0].parent
        self.rows: list[tuple[Path, int, Row]] = []
        for file in files:
            self.rows += [(file, number, row) for number, row in enumerate(_load_json(file, field), start=1)]
        if not self.rows:
            raise UserError(f"path: {files[0]} has no rows")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index][2]

    def brief(self) -> Iterator[Row]:
        return (row for _, _, row in self.rows)

    def where(self, index: int) -> str:
        file, number, _ = self.rows[index]
        return f"{file}, row {number}"

    def root(self, index: int) -> Path:
        return self.rows[index][0].parent

    def media(self) -> dict[str, str]:
        return {}


class ArrowRows:
    """A split that `datasets` has opened. Images stay bytes or paths, class labels become their names."""

    BATCH = 1000
    """Rows that are looked at together."""

    def __init__(self, dataset: Any, folder: Path, name: str) -> None:
        self.dataset, self.folder, self.name = dataset.with_format("arrow"), folder, name
        self.features = {column: _undecoded(feature) for column, feature in dataset.features.items()}
        addresses = map(COMMIT.match, dataset.info.download_checksums or {})
        self.commit: str | None = next((found[1] for found in addresses if found), None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Row:
        return self._rows(self.dataset[index : index + 1])[0]

    def brief(self) -> Iterator[Row]:
        for start in range(0, len(self), self.BATCH):
            yield from self._rows(_without_bytes(self.dataset[start : start + self.BATCH]))

    def where(self, index: int) -> str:
        return f"{self.name}, row {index + 1}"

    def root(self, index: int) -> Path:  # noqa: ARG002 - all rows share the folder
        return self.folder

    def media(self) -> dict[str, str]:
        found = {column: _medium(feature) for column, feature in self.features.items()}
        return {column: medium for column, medium in found.items() if medium}

    def _rows(self, table: Any) -> list[Row]:
        columns = {
            column: [_value(self.features[column], value) for value in _filled(table[column]).to_pylist()]
            for column in table.column_names
        }
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def read_json(text: str | bytes) -> Any:
    """What a JSON text says; NaN, as pandas writes what is missing, is none. Raises ValueError where it is no JSON."""
    return json.loads(text, parse_constant=lambda name: None if name == "NaN" else float(name))


def _line_offsets(file: Path) -> Iterator[int]:
    offset = 0
    with file.open("rb") as lines:
        for line in read_lines(lines):
            if line.strip():
                yield offset
            offset += len(line)


def _record_offsets(file: Path, delimiter: str, name: Path) -> Iterator[int]:
    """Where a table's records behind the header begin; a quoted cell may hold line ends."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        with file.open("rb") as raw:
            for line in read_lines(raw):
                mark = "" if consumed else "\ufeff"
                consumed += len(line)
                yield line.decode("utf-8").removeprefix(mark)

    try:
        reader = csv.reader(lines(), delimiter=delimiter)
        next(reader, None)
        start = consumed
        for cells in reader:
            if cells:
                yield start
            start = consumed
    except UnicodeDecodeError as error:
        raise UserError(f"path: {name} is not UTF-8 ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise UserError(f"path: {name} is no table of cells ({error}); fix it") from error


def _head(file: Path, name: Path, kind: Format) -> tuple[str, list[str]]:
    """What is between a table's cells, in a CSV file commas or what the header has instead of them, and the header."""
    if kind == "jsonl":
        return "", []
    with file.open("rb") as raw:
        try:
            first = read_line(raw).decode("utf-8-sig", "replace")
            instead = [each for each in ";\t" if each in first] if "," not in first else []
            delimiter = "\t" if kind == "tsv" else [*instead, ","][0]
            lines = chain([first], (line.decode("utf-8", "replace") for line in read_lines(raw)))
            return delimiter, next(csv.reader(lines, delimiter=delimiter), None) or []
        except TooLargeError as error:
            raise UserError(f"path: {name} has no header: {error}; fix it") from error
        except csv.Error as error:
            raise UserError(f"path: {name} is no table of cells ({error}); fix it") from error


def _load_json(file: Path, field: str | None) -> list[Row]:
    try:
        loaded = read_json(read_whole(plain(file), LARGEST_ROWS))
    except TooLargeError as error:
        raise UserError(
            f"path: {file} is too large: {error}; write an object on each line (.jsonl), which is read by the row"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"path: {file} is no JSON ({error}); fix it") from error
    if field is not None:
        if not isinstance(loaded, dict) or field not in loaded:
            raise UserError(f"field: {file} has no key '{field}'")
        loaded = loaded[field]
    rows = loaded if isinstance(loaded, list) else [loaded]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"path: {file} is no list of objects; each row must be one")
    return rows


def _undecoded(feature: Any) -> Any:
    """A column's feature where its values have to be read by it (labels, JSON, media), else None."""
    name = type(feature).__name__
    if name in MEDIA or name in {"ClassLabel", "Json"}:
        return feature
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return [_undecoded(inner)]
    if isinstance(feature, dict):
        return {key: _undecoded(value) for key, value in feature.items()}
    if name == "Value" and "binary" in str(feature.dtype):
        return feature
    return None


def _filled(column: Any) -> Any:
    """A column in which NaN, as pandas writes what is missing, is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _value(feature: Any, value: Any) -> Any:
    """A cell as it was meant: a label's name, JSON as what it says, the rest as it is."""
    if value is None or feature is None:
        return value
    if isinstance(feature, list):
        return [_value(feature[0], each) for each in value]
    if isinstance(feature, dict):
        return {key: _value(feature.get(key), each) for key, each in value.items()}
    kind = type(feature).__name__
    if kind == "ClassLabel":
        return feature.int2str(value) if value >= 0 else None
    return json.loads(value) if kind == "Json" else value


def _medium(feature: Any) -> str | None:
    """What a column holds where that is no text."""
    if isinstance(feature, list):
        return _medium(feature[0])
    if isinstance(feature, dict):
        return next((medium for each in feature.values() if (medium := _medium(each))), None)
    name = type(feature).__name__
    return MEDIA.get(name) or ("bytes" if name == "Value" else None)


def _without_bytes(table: Any) -> Any:
    """A table with STANDING_IN for every binary value, of which the length is known, and nothing read from the disk."""
    import pyarrow as pa

    # By chunk: to combine them would read the bytes.
    columns = [pa.chunked_array([_stand_in(chunk) for chunk in column.chunks]) for column in table.columns]
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def _stand_in(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        before, after = STANDING_IN.split("{}")
        length = pc.binary_length(array).cast(pa.string())
        return pc.binary_join_element_wise(before, length, after, "").cast(pa.binary())
    if pa.types.is_struct(kind):
        names = [kind.field(number).name for number in range(kind.num_fields)]
        fields = [_stand_in(pc.struct_field(array, name)) for name in names]
        return pa.StructArray.from_arrays(fields, names, mask=pc.is_null(array)) if names else array
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        # `flatten` leaves out what null lists cover, so the lengths make the offsets again.
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast(pa.int64()))])
        return pa.LargeListArray.from_arrays(offsets, _stand_in(array.flatten()), mask=pc.is_null(array))
    return array
