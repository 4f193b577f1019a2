"""Settings that an earlier MR1 wrote down, as this one has them.

A run writes its settings to `config.yaml`, and with each checkpoint to `run.yaml`, under the version of their names and
defaults. Where they are read again they are brought up to date, version by version. A recipe that says no version is of
this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mr1.config.text import read_yaml
from mr1.errors import UserError, shown
from mr1.folders import read_mark
from mr1.whole import read_whole

KEY = "version"
"""The key of a file's version, which is no setting."""


@dataclass(frozen=True)
class Version:
    """What has been another with a version of the settings."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    """The new keys by the old ones."""
    defaults: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    """Old and new defaults that mean the same, by key: where none was chosen, what a run wrote holds the old one."""


HISTORY = {
    # The methods of version 1, GRPO and GRPO-D, have 0.2 of their own where the clip is null.
    2: Version(defaults={"clip.low": ("0.2", None), "clip.high": ("0.2", None)}),
}
"""By the version that something is so from; the last is this MR1's."""
VERSION = max(HISTORY)


def version_of(settings: Mapping[Any, Any], file: Path | None = None) -> int:
    """The version of settings that have been read from a file, or that stand in a mapping.

    Raises:
        UserError: it is none, or a later MR1's.
    """
    found = settings.get(KEY)
    if found is None:
        # What runs wrote had no version at first; the section came with version 2.
        return 1 if file is not None and _is_of_run(file) and "loss" not in settings else VERSION
    known = {str(each): each for each in range(1, VERSION + 1)}
    if str(found) not in known:
        raise UserError(
            f"version: {file or 'the recipe'} has settings of version {shown(found)}, and this MR1 knows 1 to "
            f"{VERSION}; read it with the MR1 that wrote it"
        )
    return known[str(found)]


def file_version(file: Path) -> int:
    """The version of the settings in a file."""
    return version_of(read_yaml(read_whole(file)), file)


def migrated(settings: Mapping[Any, Any], file: Path | None = None) -> dict[Any, Any]:
    """Settings as this version has them.

    Args:
        settings: as YAML has them, with or without their version.
        file: where they were read.

    Raises:
        UserError: they are of a later MR1.
    """
    version = version_of(settings, file)
    found = {key: value for key, value in settings.items() if key != KEY}
    if version < VERSION:
        found = deepcopy(found)
    for each in range(version + 1, VERSION + 1):
        stages = found.get("stages")
        named = stages.values() if isinstance(stages, dict) else ()
        parts = [stage.get("settings") for stage in named if isinstance(stage, dict)]
        for old, new in HISTORY[each].renamed.items():
            for part in (found, *parts):
                _move(part, old, new)
        for key, (was, now) in HISTORY[each].defaults.items():
            place, name = _place(found, key)
            if str(place.get(name)) == was:
                place[name] = now
    return found


def _is_of_run(file: Path) -> bool:
    """Whether a file is a run's `config.yaml`, or the `run.yaml` of one of its checkpoints."""
    above = {"config.yaml": 0, "run.yaml": 2}.get(file.name)
    folders = file.absolute().parents
    return above is not None and len(folders) > above and read_mark(folders[above]).get("kind") == "run"


def _place(settings: dict[Any, Any], key: str) -> tuple[dict[Any, Any], str]:
    """The mapping that a setting is in, and its name there; it may be written with dots."""
    section, _, rest = key.partition(".")
    below = settings.get(section)
    return _place(below, rest) if key not in settings and rest and isinstance(below, dict) else (settings, key)


def _move(settings: Any, old: str, new: str) -> None:
    """Give a setting its new key, where it is there."""
    place, name = _place(settings, old) if isinstance(settings, dict) else ({}, old)
    if name in place:
        value = place.pop(name)
        *sections, last = new.split(".")
        for section in sections:
            settings = settings.setdefault(section, {})
        settings[last] = value
