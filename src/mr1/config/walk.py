"""The tree's shape: which keys there are, and which types a setting has."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def settings(tree: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All settings by their dotted keys, sections before what is in them; NAME is for what the user names."""
    for key, info in tree.model_fields.items():
        yield f"{prefix}{key}", info
        if model := nested_model(info.annotation):
            yield from settings(model, f"{prefix}{key}.")
        elif model := named_model(info.annotation):
            yield from settings(model, f"{prefix}{key}.NAME.")


def keys(tree: type[BaseModel], prefix: str = "") -> list[str]:
    """The keys of all settings."""
    return [key for key, _ in settings(tree, prefix)]


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def named_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a mapping's values, whose keys are names that the user gives."""
    return nested_model(typing.get_args(annotation)[1]) if typing.get_origin(annotation) is dict else None


def parts(annotation: Any) -> Iterator[Any]:
    """The types that a union allows, without what only restricts them."""
    if hasattr(annotation, "__metadata__"):
        yield from parts(annotation.__origin__)
    elif isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for each in typing.get_args(annotation):
            yield from parts(each)
    else:
        yield annotation
