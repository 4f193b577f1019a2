"""How a source is described: where its rows are, and which of their columns mean what."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mr1.errors import UserError, nearest

Format = Literal["jsonl", "json", "csv", "parquet", "datasets"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

PRESETS = Path(__file__).parent / "presets"
"""A YAML file of settings for each published set whose columns are known."""


class _Settings(BaseModel):
    # Ids and names of columns may be numbers to YAML.
    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False, coerce_numbers_to_str=True)


class Columns(_Settings):
    """Which column is what. Dots reach into nested ones: `metadata.subject`."""

    question: str | None = None
    """Text, or a chat as a list of messages; null for `question`, or else `prompt`."""
    answer: str | None = None
    """The truth; null for `answer` where there is such a column, else the rows have none."""
    images: str | list[str] | None = None
    """A column, several, or a path made of columns (`{{ id }}/figure.png`); null for `images`, or else `image`."""
    id: str | None = None
    """What names a row; null for its number."""
    reasoning: str | None = None
    """A correct reasoning that ends in the answer, for method sft."""
    subject: str | None = None
    difficulty: str | None = None


class Source(_Settings):
    """A set of rows. It is a task by the name that it has in `sources`."""

    preset: str | None = None
    """A published set whose settings these are put over. Null again once that is done."""
    path: str
    """A file, several by a pattern (`*`), a folder, or a data set's id on the hub."""
    format: Format | None = None
    """Null: by the files' ending; a hub id, and a folder without such files, is read by `datasets`."""
    subset: str | None = None
    """The name of the configuration, where a hub data set has several."""
    revision: str | None = None
    """A branch, tag or commit on the hub; null for the main branch."""
    field: str | None = None
    """Where a JSON file is one object: the key that holds the list of rows."""
    splits: dict[Split, str] = {}
    """Each split's name in the source, or its files below `path`; empty for the source's own names."""
    held_out: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """The share of train that validation and test each get, by a hash of the row's id, where they have no rows."""
    columns: Columns = Columns()
    image_root: str | None = None
    """What paths of images are relative to; null for the folder of the file that names them."""
    question: str | None = None
    """A Jinja template of the question over the row's columns; `question` in it is the mapped column."""
    answer_pattern: str | None = None
    """A regular expression whose one group is the answer inside the answer's column."""
    filter: str | None = None
    """A Jinja expression over the row's columns; rows for which it is false are left out, and counted."""
    max_images: Annotated[int, Field(ge=0)] | None = None
    """A row with more images can't be used; null for any number."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """The first rows of each split that are used; null for all."""
    skip: list[str] = []
    """Ids of rows that are left out."""
    ignore_columns: list[str] = []
    """Columns of images, sound or video that nothing is to read."""

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, settings: Any) -> Any:
        """Put the settings over those of the preset that they name."""
        if not isinstance(settings, dict) or settings.get("preset") is None:
            return settings
        given = {key: value for key, value in settings.items() if key != "preset"}
        known = read_preset(str(settings["preset"]))
        if isinstance(given.get("columns"), dict):
            given["columns"] = known.get("columns", {}) | given["columns"]
        return known | given

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        if self.answer_pattern is not None:
            try:
                groups = re.compile(self.answer_pattern).groups
            except re.error as error:
                raise UserError(f"answer_pattern: {self.answer_pattern!r} is no regular expression: {error}") from error
            if groups != 1:
                raise UserError(f"answer_pattern: {self.answer_pattern!r} has {groups} groups; it needs one")
        return self


def preset_names() -> list[str]:
    """The published sets whose columns are known."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_preset(name: str) -> dict[str, Any]:
    """A preset's settings.

    Raises:
        UserError: there is none of this name.
    """
    if name not in preset_names():
        raise UserError(f"preset: unknown '{name}'{nearest(name, preset_names())}")
    return dict(_read_yaml(PRESETS / f"{name}.yaml"))


@cache
def _read_yaml(path: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return settings
