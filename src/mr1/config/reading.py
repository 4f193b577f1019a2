"""From a YAML recipe and `key=value` overrides to the tree, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, create_model

from mr1.config.checks import check
from mr1.config.overrides import put_over, put_values, reject_unknown
from mr1.config.stages import Stage, check_stage, own_settings, stage_seed, starts
from mr1.config.text import read_yaml, resolve, write_yaml
from mr1.config.tree import REWARDS, Config, MethodSettings, UnreadMethod
from mr1.config.versions import KEY, VERSION, migrated
from mr1.data.settings import Source, preset_names
from mr1.errors import UserError, nearest, shown
from mr1.methods import METHODS, method_class
from mr1.recipes import find_recipe
from mr1.whole import TooLargeError, read_whole

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
    config = make_config(_read(recipe), overrides)
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
    return make_config(_read(recipe), overrides, run_code=False)


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
        _put(settings, _plain(recipe if isinstance(recipe, Config) else migrated(recipe)))
    if over:
        settings.setdefault("rewards", dict(REWARDS))  # as `make_config` does for its overrides
        _put(settings, over)
    return settings


def _put(settings: dict[Any, Any], values: Mapping[str, Any], run_code: bool = True) -> None:
    """Put Python's values over a recipe's settings, in place; those of its method are known by the method."""
    method = values.get("method")
    chosen = str(values["method.name"]) if "method.name" in values else _name_of(method)
    tree = _tree_of(settings, chosen or _name_of(settings.get("method")), run_code)
    given = {
        "method.name" if key == "method" and isinstance(method, str) else key: value for key, value in values.items()
    }
    put_values(settings, given, tree)


def make_config(settings: dict[str, Any], overrides: Sequence[str] = (), run_code: bool = True) -> Config:
    """The tree of settings that stand in a dictionary, which the overrides are put into.

    Args:
        settings: changed in place.
        overrides: `key=value`.
        run_code: whether a method of the user's own is imported, so that its settings are checked.

    Raises:
        UserError: see `load_config`.
    """
    tree, overrides = _choose_method(settings, overrides, run_code)
    # An override of one reward's weight leaves the other defaults as they are.
    settings.setdefault("rewards", dict(REWARDS))
    put_over(settings, overrides, tree)
    config = _validated(resolve(settings), tree)
    check(config)
    if config.stages:
        divide(config, run_code)
    return config


def divide(config: Config, run_code: bool = True) -> list[Stage]:
    """A run's stages, each with its settings; the run itself where it has none.

    Args:
        config: the run's settings.
        run_code: as in `make_config`.

    Raises:
        UserError: a stage's settings can't be used.
    """
    if not config.stages:
        return [Stage("", 0, config)]
    stages = []
    for number, (name, (first, end)) in enumerate(zip(config.stages, pairwise(starts(config)), strict=True)):
        settings = _plain(config)
        del settings["stages"]
        settings |= {"steps": end - first, "seed": stage_seed(config.seed, number)}
        try:
            _put(settings, own_settings(config, name), run_code)
            stage = make_config(settings, run_code=run_code)
        except UserError as error:
            raise UserError(str(error) if str(error).startswith("stages.") else f"stages.{name}: {error}") from error
        check_stage(config, name, stage)
        stages.append(Stage(name, first, stage))
    return stages


def read_tree(file: Path, tree: type[Tree], overrides: Sequence[str] = ()) -> Tree:
    """Another tree of settings than a run's, from a YAML file.

    Args:
        file: which.
        tree: what the settings are for.
        overrides: `key=value`, put over them.

    Raises:
        UserError: an unreadable file, an unknown key, a wrong type.
    """
    settings = _mapping_in(file)
    put_over(settings, overrides, tree)
    return _validated(resolve(settings), tree)


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
    return write_yaml({KEY: VERSION, **_plain(config)})


def _read(recipe: str | Path) -> dict[Any, Any]:
    """What a recipe's file says, in settings of this version."""
    file = find_recipe(recipe)
    return migrated(_mapping_in(file, shown_as=recipe), file)


def _mapping_in(file: Path, shown_as: str | Path | None = None) -> dict[Any, Any]:
    shown_as = shown_as or file
    try:
        settings = read_yaml(read_whole(file))
    except TooLargeError as error:
        raise UserError(f"recipe: {shown_as} is too large for one: {error}; name another file") from error
    except (OSError, ValueError) as error:
        raise UserError(f"recipe: {shown_as} can't be read: {error}") from error
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise UserError(f"recipe: {shown_as} holds no settings, such as name: my-run")
    return settings


def _choose_method(
    settings: dict[str, Any], overrides: Sequence[str], run_code: bool
) -> tuple[type[Config], Sequence[str]]:
    """The tree with the settings of the chosen method; `method=NAME` among the overrides becomes `method.name=NAME`."""
    named = [
        f"method.name={value.strip()}" if key.strip() == "method" and value.strip()[:1] not in ("", "{") else override
        for override in overrides
        for key, _, value in [override.partition("=")]
    ]
    name = _name_of(settings.get("method"))
    for override in named:
        key, _, value = override.partition("=")
        if key.strip() in ("method", "method.name"):
            name = value.strip() if key.strip() == "method.name" else _name_of(_mapping(value)) or name
    return _tree_of(settings, name, run_code), named


def _tree_of(settings: dict[str, Any], name: str, run_code: bool) -> type[Config]:
    """The tree for a method of this name.

    What stands for the method in the settings becomes a mapping, so that more can be put into it. Of another method it
    is replaced.
    """
    if name and (name != _name_of(settings.get("method")) or isinstance(settings["method"], str)):
        settings["method"] = {"name": name}
    if ":" in name and not run_code:
        return _with_method(UnreadMethod)
    # A name that there isn't is refused with the other settings.
    return _with_method(method_class(name).settings if ":" in name or name in METHODS else MethodSettings)


def _name_of(method: Any) -> str:
    """Of what stands for a method in a recipe."""
    return method if isinstance(method, str) else str(method.get("name", "")) if isinstance(method, dict) else ""


def _mapping(text: str) -> Any:
    """What an override's YAML says; nothing where it is none, which is told when it is put over the settings."""
    try:
        return read_yaml(text)
    except ValueError:
        return None


@cache
def _with_method(settings: type[MethodSettings]) -> type[Config]:
    """The tree for a method with these settings."""
    if settings is MethodSettings:
        return Config
    return create_model("Config", __base__=Config, method=(settings, ...))


def _validated(settings: Mapping[Any, Any], tree: type[Tree], prefix: str = "") -> Tree:
    reject_unknown(settings, tree, prefix)
    try:
        return tree.model_validate(settings)
    except ValidationError as error:
        raise UserError(prefix + _first_problem(error)) from error


def _plain(value: Any) -> Any:
    """Settings as YAML has them. What is None by default and None here is left out."""
    if type(value) is MethodSettings:
        return value.name
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
