"""From a YAML recipe and `key=value` overrides to the tree, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mr1.config.overrides import put_over, put_values, reject_unknown
from mr1.config.text import read_yaml, resolve, write_yaml
from mr1.config.tree import REWARDS, Config
from mr1.data.settings import Source, preset_names
from mr1.errors import UserError, nearest, shown
from mr1.recipes import find_recipe

Tree = TypeVar("Tree", bound=BaseModel)

SAID = {
    "missing": "missing; the recipe or an override must set it",
    "string_type": "should be a text",
    "list_type": "should be a list, such as [a, b]",
    "tuple_type": "should be a list, such as [a, b]",
    "dict_type": "should have keys of its own, such as {a: 1}",
    "model_type": "should have keys of its own, such as {a: 1}",
    "model_attributes_type": "should have keys of its own, such as {a: 1}",
    "int_parsing": "input should be a valid integer",
    "int_parsing_size": "input should be a valid integer",
    "float_parsing": "input should be a valid number",
    "bool_parsing": "should be true or false",
}
"""Our words for pydantic's findings, where they are clearer or shorter."""


def load_config(recipe: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a recipe that is to be run, by its name or its path, and put the overrides (`key=value`) over it.

    Raises:
        UserError: a missing or unreadable recipe, an unknown key, a wrong type, an impossible combination, a reward
            function that can't be imported.
    """
    config = read_config(recipe, overrides)
    load_rewards(config)
    return config


def load_rewards(config: Config) -> None:
    """Import all reward functions of the user's own. Raises UserError for one that can't be."""
    from mr1.rewards.functions import load_function

    for name in config.rewards:
        if ":" in name:
            load_function(name)


def read_config(recipe: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a recipe's settings alone: no code that it names is run.

    Raises:
        UserError: see `load_config`.
    """
    return make_config(_read(recipe), overrides)


def read_settings(
    recipe: str | Path | Mapping[str, Any] | Config, over: Mapping[str, Any] | None = None
) -> dict[Any, Any]:
    """A recipe's settings as they are written, for `make_config`.

    Args:
        recipe: its name or path, its settings as a mapping, with dots for nested keys or mappings in it, or its tree.
        over: a mapping that is put over it.

    Raises:
        UserError: a missing or unreadable recipe, an unknown key.
    """
    settings: dict[Any, Any] = {}
    if isinstance(recipe, str | Path):
        settings = _read(recipe)
    else:
        put_values(settings, _plain(recipe), Config)
    if over:
        settings.setdefault("rewards", dict(REWARDS))  # as `make_config` does for its overrides
        put_values(settings, over, Config)
    return settings


def make_config(settings: dict[str, Any], overrides: Sequence[str] = ()) -> Config:
    """The tree of settings that stand in a dictionary, which the overrides are put into.

    Raises:
        UserError: see `load_config`.
    """
    # An override of one reward's weight leaves the other defaults as they are.
    settings.setdefault("rewards", dict(REWARDS))
    put_over(settings, overrides, Config)
    return _validated(resolve(settings), Config)


def make_source(name: str, settings: Mapping[str, Any]) -> Source:
    """The settings of a source from a mapping, with dots for nested keys or mappings in it.

    Raises:
        UserError: an unknown key, a wrong type.
    """
    written: dict[Any, Any] = {}
    put_values(written, settings, Source, f"sources.{name}.")
    return _validated(written, Source, f"sources.{name}.")


def load_source_settings(what: str, overrides: Sequence[str] = (), path: str | None = None) -> Source:
    """The settings of one source.

    Args:
        what: a preset's name, or a path.
        overrides: `key=value`, put over it.
        path: where a preset's files are.

    Raises:
        UserError: an unknown key, a wrong type.
    """
    presets = preset_names()
    if what not in presets and "/" not in what and not Path(what).exists() and not Path(what).suffix:
        raise UserError(f"source: '{what}' is no preset and no path{nearest(what, presets)}")
    settings: dict[str, Any] = {}
    put_over(settings, overrides, Source, "sources.data.")
    start = {"preset": what} if what in presets else {"path": what}
    return _validated(start | ({} if path is None else {"path": path}) | resolve(settings), Source, "sources.data.")


def dump_config(config: Config) -> str:
    """The fully resolved settings as YAML that `load_config` reads back to the same tree, whatever its texts are."""
    return write_yaml(_plain(config))


def _read(recipe: str | Path) -> dict[Any, Any]:
    """What a recipe's file says."""
    try:
        settings = read_yaml(find_recipe(recipe).read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"recipe: {recipe} can't be read: {error}") from error
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise UserError(f"recipe: {recipe} holds no settings, such as name: my-run")
    return settings


def _validated(settings: Mapping[Any, Any], tree: type[Tree], prefix: str = "") -> Tree:
    reject_unknown(settings, tree, prefix)
    try:
        return tree.model_validate(settings)
    except ValidationError as error:
        raise UserError(prefix + _first_problem(error)) from error


def _plain(value: Any) -> Any:
    """Settings as YAML has them. What is None by default and None here is left out."""
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name), info.default) for name, info in type(value).model_fields.items())
        return {name: _plain(each) for name, each, default in fields if each is not None or default is not None}
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def _first_problem(error: ValidationError) -> str:
    """The first of pydantic's findings as one line that names the key and what was given."""
    problem = error.errors()[0]
    # Beside the keys it has steps of pydantic's own: a check of a union's part, a mapping's key.
    names = [str(part) for part in problem["loc"] if not str(part).startswith(("function-after[", "[key]"))]
    key = ".".join(names)
    said = SAID.get(problem["type"]) or f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
    if problem["type"] == "value_error":
        said = str(problem["ctx"]["error"])
    told = problem["type"] == "missing" or (problem["type"] == "value_error" and shown(problem["input"]) in said)
    return f"{key}: {said}" + ("" if told else f", got {shown(problem['input'])}")
