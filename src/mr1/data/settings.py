"""How a source is described: where its rows are, and which of their columns mean what."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from mr1.errors import nearest, shown

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "datasets", "memory"]
Split = Literal["train", "validation", "test"]
AnswerKind = Literal[
    "number", "ratio", "range", "date", "time", "duration", "score", "version", "tuple", "list", "set", "matrix",
    "interval", "inequality", "equation", "expression", "choice", "yes/no", "base", "text",
]  # fmt: skip
"""The names of `mr1.judge.truth.Kind`."""
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

PRESETS = Path(__file__).parent / "presets"
"""A YAML file of settings for each published set whose columns are known."""

MOST = 2**31 - 1
"""No count goes above."""


class Settings(BaseModel):
    """A part of the settings' tree. Texts may be given as numbers, such as ids and names of columns."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True, use_attribute_docstrings=True
    )


def _sound(text: str) -> str:
    """Refuse what no tokenizer and no file takes."""
    if not text.strip():
        raise ValueError("it is blank; write something, or leave the key out")
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in text):
        raise ValueError("it holds what is no text: a null character, or half of a surrogate pair")
    return text


def _one_line(text: str) -> str:
    """Refuse what no message could name."""
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("it holds a line's end or another control character")
    return text


def _short(path: str) -> str:
    """Refuse what the operating system would refuse as a path."""
    if any(len(part.encode()) > 255 for part in path.split("/")):
        raise ValueError("it is too long for a path")
    return path


Prose = Annotated[str, AfterValidator(_sound)]
"""Any text of any length, such as a prompt's template."""
Text = Annotated[Prose, Field(max_length=1000), AfterValidator(_one_line)]
"""A name: one line."""
Location = Annotated[Text, AfterValidator(_short)]
"""A path, or a name on the hub."""


class Columns(Settings):
    """Which column is what. Dots reach into nested ones: `metadata.subject`."""

    question: Text | None = None
    """Text, or a chat; null for the first of `question`, `prompt`, `problem`, `messages` and `conversations`."""
    answer: Text | None = None
    """The truth, or a list of which any is right; null for `answer`, or else a chat's last turn."""
    choices: Text | None = None
    """The choices' texts, in the order of their letters; a row without any is no multiple choice."""
    answer_kind: Text | None = None
    """What names a row's own `answer_kind`, where rows differ: a column, or made of columns (`{{ ... }}`)."""
    decimals: Text | None = None
    """The same for a row's own `tolerance.decimals`."""
    images: Text | list[Text] | None = None
    """A column, several, or a path made of columns (`{{ id }}/figure.png`); null for `images`, or else `image`."""
    id: Text | None = None
    """What names a row; null for its number."""
    together: Text | None = None
    """Rows that have the same in it are held out together, such as those of one image; null: each row by itself."""
    reasoning: Text | None = None
    """A correct reasoning that ends in the answer, for methods sft and rl-plus."""
    subject: Text | None = None
    """What accuracy is also counted by."""
    difficulty: Text | None = None
    """The same."""


class Tolerance(Settings):
    """How far an answer that is a number may be from the truth."""

    relative: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A share of the truth; 0.05 is ChartQA's relaxed accuracy."""
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    """Both are rounded to so many digits behind the point; null for no rounding."""


class Source(Settings):
    """A set of rows. It is a task by the name that it has in `sources`."""

    preset: Text | None = None
    """A published set whose settings these are put over. Null again once that is done."""
    path: Location
    """A file, several by a pattern (`*`), a folder, or a data set's id on the hub."""
    format: Format | None = None
    """Null: by the files' content and ending; a hub id, and a folder without such files, is read by `datasets`.
    `memory`: rows that a program handed over to `mr1.train`."""
    subset: Text | None = None
    """The name of the configuration, where a hub data set has several."""
    revision: Text | None = None
    """A branch, tag or commit on the hub; null for the main branch."""
    field: Text | None = None
    """Where a JSON file is one object: the key that holds the list of rows."""
    splits: dict[Split, Location] = {}
    """Each split's name in the source, or its files below `path`; empty for the source's own names."""
    held_out: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """The share of train that validation and test each get, by a hash of the row's id, or of `columns.together`, where
    they have no rows."""
    columns: Columns = Columns()
    image_root: Location | None = None
    """What paths of images are relative to; null for the folder of the file that names them."""
    question: Prose | None = None
    """A Jinja template of the question over the row's columns; `question` in it is the mapped column."""
    answer: Prose | None = None
    """A Jinja expression of the answer over the row's columns; `answer` in it is the mapped column."""
    answer_pattern: Prose | None = None
    """A regular expression whose one group is the answer inside the answer's column."""
    answer_kind: AnswerKind | None = None
    """What answers are, where their text alone can't tell; `text` takes any. Null: what each text says."""
    tolerance: Tolerance = Tolerance()
    percent: Literal["either", "strict"] = "either"
    """Whether a bare number, 3 or 0.03, states a truth of 3 %."""
    units: Literal["optional", "required"] = "optional"
    """Whether a value without the truth's unit states it."""
    case: bool = False
    """Whether upper and lower case differ in words."""
    filter: Prose | None = None
    """A Jinja expression over the row's columns; rows for which it is false are left out, and counted."""
    max_images: Annotated[int, Field(ge=0, le=MOST)] | None = None
    """A row with more images can't be used; null for any number."""
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """The first rows of each split that are used; null for all."""
    skip: list[Text] = []
    """Ids of rows that are left out."""
    ignore_columns: list[Text] = []
    """Columns of images, sound or video that nothing is to read."""

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, settings: Any) -> Any:
        """Put the settings over those of the preset that they name."""
        if not isinstance(settings, dict) or settings.get("preset") not in preset_names():
            return settings
        given = {key: value for key, value in settings.items() if key != "preset"}
        known = _preset(settings["preset"])
        for section in ("columns", "tolerance"):
            if isinstance(given.get(section), dict):
                given[section] = known.get(section, {}) | given[section]
        return known | given

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            raise ValueError(f"unknown {shown(name)}{nearest(name, preset_names())}")
        return name

    @field_validator("answer_pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        try:
            groups = 1 if pattern is None else re.compile(pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"it is no regular expression ({error})") from error
        if groups != 1:
            raise ValueError(f"it has {groups} groups and needs one")
        return pattern


def preset_names() -> list[str]:
    """The published sets whose columns are known."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


@cache
def _preset(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    return settings
