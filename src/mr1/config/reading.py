"""From a YAML recipe and `key=value` overrides to the tree, and back."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from yaml import YAMLError

from mr1.config.tree import REWARDS, Config
from mr1.data.settings import Source, preset_names
from mr1.errors import UserError, nearest


def load_config(recipe: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a recipe and put the overrides (`key=value`, dots for nested keys) over it.

    Raises:
        UserError: a missing or unreadable recipe, an unknown key, a wrong type, an impossible combination.
    """
    if not recipe.is_file():
        near = [str(path) for path in sorted(recipe.parent.glob("*.yaml"))] if recipe.parent.is_dir() else []
        raise UserError(f"recipe: there is no file {recipe}" + (nearest(str(recipe), near) if near else ""))
    given = _dotlist(overrides)
    try:
        loaded = OmegaConf.load(recipe)
        if isinstance(loaded, DictConfig) and "rewards" not in loaded:
            # An override of one reward's weight leaves the other defaults as they are.
            loaded["rewards"] = REWARDS
        settings = OmegaConf.to_container(OmegaConf.merge(loaded, given), resolve=True)
    except (OmegaConfBaseException, YAMLError, OSError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise UserError(f"recipe: {recipe} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UserError(f"recipe: {recipe} holds no settings")
    _reject_unknown(settings, Config)
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise UserError(_first_problem(error)) from error


def load_source_settings(what: str, overrides: Sequence[str] = ()) -> Source:
    """The settings of one source: a preset's name, or a path, with overrides (`key=value`) over it.

    Raises:
        UserError: an unknown key, a wrong type.
    """
    settings = OmegaConf.to_container(_dotlist(overrides), resolve=True)
    assert isinstance(settings, dict), "dotlists are mappings"
    _reject_unknown(settings, Source, "sources.data.")
    presets = preset_names()
    if what not in presets and "/" not in what and not Path(what).exists() and not Path(what).suffix:
        raise UserError(f"source: '{what}' is no preset and no path{nearest(what, presets)}")
    start = {"preset": what} if what in presets else {"path": what}
    try:
        return Source.model_validate(start | settings)
    except ValidationError as error:
        raise UserError(_first_problem(error)) from error


def dump_config(config: Config) -> str:
    """The fully resolved settings as YAML that `load_config` reads back to the same tree."""
    settings = config.model_dump(mode="json", exclude_none=True)
    return OmegaConf.to_yaml(OmegaConf.create(settings))


def _dotlist(overrides: Sequence[str]) -> DictConfig:
    for override in overrides:
        if "=" not in override.strip("="):
            raise UserError(f"override '{override}': expected key=value")
        try:
            OmegaConf.from_dotlist([override])
        except (OmegaConfBaseException, YAMLError, TypeError, ValueError) as error:
            raise UserError(f"override '{override}': is no YAML value, such as {{{{ }}}} without quotes") from error
    return OmegaConf.from_dotlist([*overrides])


def _reject_unknown(settings: dict[Any, Any], model: type[BaseModel], prefix: str = "") -> None:
    """Find the first key that the tree does not have, and name the nearest that it has."""
    for key, value in settings.items():
        if key not in model.model_fields:
            near = nearest(f"{prefix}{key}", [*_keys(Config)] if prefix == "" else [*_keys(model, prefix)])
            raise UserError(f"unknown key '{prefix}{key}'{near}")
        nested = model.model_fields[key].annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel) and isinstance(value, dict):
            _reject_unknown(value, nested, f"{prefix}{key}.")
        if key == "sources" and isinstance(value, dict):
            for name, source in value.items():
                if isinstance(source, dict):
                    _reject_unknown(source, Source, f"sources.{name}.")


def _keys(model: type[BaseModel], prefix: str = "") -> typing.Iterator[str]:
    for key, info in model.model_fields.items():
        yield f"{prefix}{key}"
        nested = info.annotation
        if isinstance(nested, type) and not isinstance(nested, types.GenericAlias) and issubclass(nested, BaseModel):
            yield from _keys(nested, f"{prefix}{key}.")


def _first_problem(error: ValidationError) -> str:
    """The first of pydantic's findings as one line that names the key and what was given."""
    problem = error.errors()[0]
    names = [str(part) for part in problem["loc"] if not str(part).startswith(("list[", "function"))]
    key = ".".join(name for name in names if name not in {"str", "int", "float", "bool"})
    if problem["type"] == "missing":
        return f"{key}: missing; the recipe or an override must set it"
    return f"{key}: {problem['msg'][0].lower()}{problem['msg'][1:]}, got {problem['input']!r}"
