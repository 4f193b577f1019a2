"""`key=value` on the command line: where in the tree it belongs, and what the value is there.

A text is taken as it stands behind the `=`, so that neither braces nor `#` nor `: ` mean anything in it. Lists and
mappings are YAML (`[a, b]`, `{a: 1}`). `null` is none; between quotes a value is YAML's quoted text.
"""

from __future__ import annotations

import shlex
import typing
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from pydantic import BaseModel

from mr1.config.text import read_yaml
from mr1.config.walk import keys, nested_model, parts
from mr1.errors import UserError, nearest, shown


def put_over(settings: dict[Any, Any], overrides: Sequence[str], tree: type[BaseModel], prefix: str = "") -> None:
    """Put overrides over settings, in place.

    Args:
        settings: as read from YAML.
        overrides: `key=value`, dots for nested keys.
        tree: the model that the settings are for.
        prefix: what a message puts before a key.

    Raises:
        UserError: no `key=value`, an unknown key, a value that is none or no YAML.
    """
    for number, override in enumerate(overrides):
        if not override.partition("=")[0].strip() or "=" not in override:
            raise UserError(_no_setting(overrides, number))
    for override in overrides:
        key, _, value = override.partition("=")
        path, annotation = _find(key.strip(), settings, tree, prefix)
        _merge(settings, path, _value(override, key.strip(), value, annotation))


def put_values(settings: dict[Any, Any], values: Mapping[str, Any], tree: type[BaseModel], prefix: str = "") -> None:
    """Put Python's values over settings, in place; otherwise as `put_over`.

    Args:
        settings: as read from YAML.
        values: by key, with dots for nested ones; a mapping is put over the one that is there, key by key.
        tree: the model that the settings are for.
        prefix: what a message puts before a key.

    Raises:
        UserError: an unknown key.
    """
    for key, value in values.items():
        path, _ = _find(str(key), settings, tree, prefix)
        _merge(settings, path, _as_read(value))


def _as_read(value: Any) -> Any:
    """A value as YAML would have it."""
    if isinstance(value, Mapping):
        return {str(key): _as_read(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_read(each) for each in value]
    return str(value) if isinstance(value, PathLike) else value


def reject_unknown(settings: Mapping[Any, Any], tree: type[BaseModel], prefix: str = "") -> None:
    """Raise UserError for the first key that the tree does not have, and name the nearest that it has."""
    for key, value in settings.items():
        if key not in tree.model_fields and tree.model_config.get("extra") == "allow":
            continue
        if key not in tree.model_fields:
            raise UserError(f"unknown key {shown(f'{prefix}{key}')}{nearest(f'{prefix}{key}', keys(tree, prefix))}")
        annotation = tree.model_fields[key].annotation
        below = {f"{prefix}{key}.": (value, annotation)}
        if typing.get_origin(annotation) is dict and isinstance(value, dict):
            named = typing.get_args(annotation)[1]
            below = {f"{prefix}{key}.{name}.": (each, named) for name, each in value.items()}
        for start, (each, named) in below.items():
            if (model := nested_model(named)) and isinstance(each, dict):
                reject_unknown(each, model, start)


def _no_setting(overrides: Sequence[str], number: int) -> str:
    """What to say of an argument that is no override: mostly it is a piece of the one before it."""
    pieces = [overrides[number]]
    while number + len(pieces) < len(overrides) and "=" not in overrides[number + len(pieces)]:
        pieces.append(overrides[number + len(pieces)])
    message = f"override {shown(pieces[0])}: expected key=value"
    if number == 0 or "=" in pieces[0]:
        return message
    whole = shlex.quote(" ".join([overrides[number - 1], *pieces]))
    return f"{message}; if it belongs to the one before, put both between quotes: {' '.join(whole.split())}"


def _find(key: str, settings: Any, tree: type[BaseModel], prefix: str) -> tuple[list[str], Any]:
    """A dotted key's way through the tree, and the annotation at its end."""
    path: list[str] = []
    annotation: Any = tree
    rest = key
    while rest:
        model = nested_model(annotation)
        if model:
            name, _, rest = rest.partition(".")
            if name not in model.model_fields:
                start = prefix + "".join(f"{each}." for each in path)
                raise UserError(f"unknown key {shown(f'{prefix}{key}')}{nearest(f'{prefix}{key}', keys(model, start))}")
            annotation = model.model_fields[name].annotation
        elif annotation is Any or typing.get_origin(annotation) is dict:
            annotation = Any if annotation is Any else typing.get_args(annotation)[1]
            # Names may have dots: of those that the recipe has and that begin so it is the longest, the last in order.
            # A plain value's name is all that is left.
            known = [each for each in settings if rest == each or rest.startswith(f"{each}.")] if settings else []
            name = max(known) if known else rest.partition(".")[0] if nested_model(annotation) else rest
            rest = rest[len(name) + 1 :]
        else:
            raise UserError(f"unknown key {shown(f'{prefix}{key}')}; {'.'.join(path)} has no keys of its own")
        path.append(name)
        settings = settings.get(name) if isinstance(settings, dict) else None
    return path, annotation


def _value(override: str, key: str, text: str, annotation: Any) -> Any:
    kinds = [typing.get_origin(part) or part for part in parts(annotation)]
    if Any in kinds and text.lstrip()[:1] in ("[", "{"):
        kinds = [list if text.lstrip()[0] == "[" else dict]
    if not text.strip():
        instead = f"{key}=null for none" if type(None) in kinds else "leave it out for the recipe's"
        raise UserError(f"override {shown(override)}: no value stands behind '='; write {key}=VALUE, or {instead}")
    mapping = any(kind is dict or nested_model(kind) for kind in kinds)
    sequence = any(kind in (list, tuple) for kind in kinds) and text.lstrip().startswith("[")
    quoted = text.strip()[0] in "'\"" and text.strip()[-1] == text.strip()[0]
    if not mapping and not sequence and not quoted and text.strip() not in ("null", "~"):
        return text
    try:
        value = read_yaml(text)
    except ValueError as error:
        if not mapping and not sequence:
            return text
        what, example = ("mapping", "{a: 1, b: 2}") if mapping else ("list", "[a, b]")
        raise UserError(
            f"override {shown(override)}: {key} is no YAML {what}; put it between quotes for the shell, such as "
            f"'{key}={example}'"
        ) from error
    if not mapping and not sequence:
        return text if isinstance(value, dict) else value  # two texts in quotes with a colon between them are no text
    if mapping and value is not None and not isinstance(value, dict):
        raise UserError(
            f"override {shown(override)}: {key} has keys of its own; set one of them ({key}.KEY=VALUE), or put a "
            f"mapping between quotes for the shell: '{key}={{KEY: VALUE}}'"
        )
    return value


def _merge(settings: Any, path: Sequence[str], value: Any) -> None:
    """Put a value where the path leads. A mapping is put over the one that is there, key by key."""
    for name in path[:-1]:
        if not isinstance(settings.get(name), dict):
            settings[name] = {}
        settings = settings[name]
    there = settings.get(path[-1])
    if isinstance(value, dict) and isinstance(there, dict):
        for name, each in value.items():
            _merge(there, [name], each)
    else:
        settings[path[-1]] = value
