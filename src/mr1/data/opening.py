"""From a source's path to the rows of each of its splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mr1.data.files import format_by_name, format_of, split_name
from mr1.data.memory import as_rows, held_splits
from mr1.data.rows import ArrowRows, JsonRows, Rows, TextRows
from mr1.data.settings import SPLITS, Format, Source, Split
from mr1.errors import UserError, nearest

SAVED = ("dataset_info.json", "dataset_dict.json")
"""What `datasets.save_to_disk` leaves in a folder."""


def open_splits(source: Source) -> dict[Split, Rows]:
    """The rows of each split that the source has.

    Raises:
        UserError: nothing at `path`, a file that can't be read, a split that isn't there.
    """
    kind = source.format or _guess_format(source)
    if kind == "datasets":
        return _open_datasets(source)
    if kind == "memory":
        return _open_held(source)
    files = _files(source, kind)
    if kind == "json":
        return {split: JsonRows(found, source.field) for split, found in files.items()}
    if kind == "parquet":
        named = {str(split): [str(file) for file in found] for split, found in files.items()}
        return _arrow_rows(_load("parquet", data_files=named), {split: str(split) for split in files}, source)
    return {split: TextRows(found, kind) for split, found in files.items()}


def _guess_format(source: Source) -> Format:
    """What a file or a folder holds. Only where there is none of the name, it is an id on the hub."""
    path = Path(source.path)
    if not path.is_dir():
        found = named_files(path)
        if source.field is not None and found:
            return "json"
        return format_of(found[0]) if found else format_by_name(path) or "datasets"
    if any((path / name).is_file() for name in SAVED):
        return "datasets"
    named = [file for name in source.splits.values() for file in _glob(path, name)]
    named += [file for split in SPLITS for file in _glob(path, f"{split}.*") if split_name(file) == split]
    known = [format_of(file) for file in named[:1] if file.is_file()]
    return known[0] if known else "datasets"


def _files(source: Source, kind: Format) -> dict[Split, list[Path]]:
    """The files of each split. A file, or a pattern's files together, is one split with the name `train`."""
    path = Path(source.path)
    if path.is_dir():
        named: dict[str, list[Path]] = {}
        for file in _glob(path, "*"):
            if format_by_name(file) == kind:
                named.setdefault(split_name(file), []).append(file)
        named |= {name: found for name in source.splits.values() if (found := _glob(path, name))}
    else:
        found = named_files(path)
        if not found:
            raise UserError(f"path: there is no file {path}{_siblings(path)}")
        named = {"train": found, path.name: found}
    chosen = {split: named[name] for split, name in _split_names(source, list(named)).items()}
    for split, files in chosen.items():
        if path.is_dir() and split not in source.splits and len(files) > 1:
            raise UserError(f"splits: {path} has {' and '.join(file.name for file in files)}; say which is {split}")
    return chosen


def named_files(path: Path) -> list[Path]:
    """The file of this name, or those of this pattern."""
    found = [path] if path.is_file() else _glob(Path(path.anchor or "."), _relative(path))
    return [file for file in found if file.is_file()]


def _glob(folder: Path, pattern: str) -> list[Path]:
    """The files that a pattern means, as a shell reads it: a hidden file only where the pattern begins with a dot."""
    hidden = Path(pattern).name.startswith(".")
    try:
        found = [path for path in folder.glob(pattern) if hidden or not path.name.startswith(".")]
    except (ValueError, NotImplementedError):  # no pattern, such as `**.jsonl`, or an empty one
        found = []
    return sorted(found)


def _relative(path: Path) -> str:
    return str(path.relative_to(path.anchor)) if path.anchor else str(path)


def _siblings(path: Path) -> str:
    known = [file.name for file in _glob(path.parent, f"*{path.suffix}")] if path.parent.is_dir() else []
    return nearest(path.name, known) if known else ""


def _split_names(source: Source, known: list[str]) -> dict[Split, str]:
    """Which of the source's splits each of ours is."""
    for split, name in source.splits.items():
        if name not in known:
            raise UserError(f"splits.{split}: {source.path} has no '{name}'{nearest(name, known)}")
    names = source.splits or {split: split for split in SPLITS if split in known}
    if not names:
        raise UserError(f"splits: {source.path} has {', '.join(known)}; say which is train, validation or test")
    return names


def _open_datasets(source: Source) -> dict[Split, Rows]:
    """A folder or a hub id, by `datasets`."""
    path = Path(source.path)
    if path.is_dir() and any((path / name).is_file() for name in SAVED):
        import datasets

        try:
            opened = datasets.load_from_disk(source.path)
        except (OSError, ValueError) as error:
            raise UserError(f"path: {path} can't be read by datasets: {_first_line(error)}") from error
        loaded = opened if isinstance(opened, datasets.DatasetDict) else {"train": opened}
    elif path.exists() or not (source.path.startswith((".", "/", "~")) or source.path.count("/") > 1):
        loaded = _load(source.path, name=source.subset, revision=None if path.exists() else source.revision)
    else:
        raise UserError(f"path: there is no file or folder {path}")
    return _arrow_rows(loaded, _split_names(source, list(loaded)), source)


def _open_held(source: Source) -> dict[Split, Rows]:
    """What a program handed over. A split by itself is `train` where the source doesn't say otherwise."""
    splits = held_splits(source)
    names = _split_names(source, list(splits))
    return {split: as_rows(splits[name], f"{source.path}, {name}") for split, name in names.items()}


def _arrow_rows(loaded: Any, names: dict[Split, str], source: Source) -> dict[Split, Rows]:
    path = Path(source.path)
    folder = path if path.is_dir() else path.parent if path.exists() else Path()
    return {split: ArrowRows(loaded[name], folder, f"{source.path}, {name}") for split, name in names.items()}


def _load(path: str, **options: Any) -> Any:
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what goes wrong is said below, in one line
    try:
        return datasets.load_dataset(path, **options)
    except (OSError, ValueError, LookupError, RuntimeError, StopIteration, datasets.exceptions.DatasetsError) as error:
        cause = error.__cause__ or error
        where = options.get("data_files") or path
        raise UserError(f"path: {where} can't be read by datasets: {_first_line(cause)}") from error


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
