"""Modules that a recipe names: from a file, run once in a process, or by their dotted name."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from mr1.errors import UserError, nearest

_FOLDERS: set[Path] = set()
"""Those of the files that were run."""


def load_named(name: str, setting: str, what: str, fits: Callable[[Any], bool]) -> Any:
    """What a recipe calls `file.py:NAME` or `package.module:NAME`.

    Args:
        name: that.
        setting: the setting that names it, for messages.
        what: what it should be, such as "function".
        fits: whether something is of this kind.

    Raises:
        UserError: no such file, module or name, or a file that fails when it is run.
    """
    place, _, attribute = name.rpartition(":")
    try:
        module = load_module(place, setting)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's file raises
        raise UserError(f"{setting}: {place} can't be imported: {reason(error)}") from error
    found = getattr(module, attribute, None)
    if not fits(found):
        known = [each for each, value in vars(module).items() if fits(value)]
        raise UserError(f"{setting}: {place} has no {what} '{attribute}'{nearest(attribute, known) if known else ''}")
    return found


def load_module(place: str, setting: str = "rewards") -> ModuleType:
    """The module that a recipe calls `folder/file.py` or `package.module`.

    Raises:
        UserError: there is no such file, or a module beside it would be taken for another's.
        Exception: whatever the module raises.
    """
    return _run_file(Path(place), setting) if place.endswith(".py") else importlib.import_module(place)


def _run_file(path: Path, setting: str) -> ModuleType:
    """Run a file as a module under a name of its own, by which dataclasses, pickle and inspect find it again."""
    if not path.is_file():
        raise UserError(
            f"{setting}: there is no file {path}; it is looked for from {Path.cwd()}: go to the folder where the "
            "recipe was first run, or name the file by its whole path"
        )
    path = path.resolve()
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    _check_siblings(path.parent, setting)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None, "the path ends in .py"
    assert specification.loader is not None, "the path ends in .py"
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    # As for a script, modules beside it come first while it runs. Afterwards they come last: a function may import
    # them when it is called, and nobody else shall get them in place of what he asks for.
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
        _FOLDERS.add(path.parent)
    return module


def reason(error: BaseException) -> str:
    """An error's kind and words on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _check_siblings(folder: Path, setting: str) -> None:
    """Raise where a module beside this file has the name of one that an earlier file has imported from beside it."""
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        theirs = [other for other in _FOLDERS - {folder} if file and Path(file) in _places(other, name)]
        ours = [place for place in _places(folder, name) if place.is_file()] if theirs else []
        if ours:
            raise UserError(f"{setting}: {file} and {ours[0]} are both imported as '{name}'; rename one of them")


def _places(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a module of this name would be."""
    return folder / f"{name}.py", folder / name / "__init__.py"
