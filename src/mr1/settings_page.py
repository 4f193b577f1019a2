"""The reference page of all settings, made from the tree: python -m mr1.settings_page > docs/settings.md"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mr1.config import Config, MethodSettings
from mr1.config.tree import HIGH
from mr1.config.walk import named_model, nested_model
from mr1.data.settings import MOST
from mr1.methods import METHODS, method_class
from mr1.methods.base import Method
from mr1.methods.kl_control import CONTROLLERS
from mr1.train.resume import rule_of

HEAD = """# Settings

A recipe is a YAML file of these settings; `key=value` behind it on the command line is put over it, with dots for
nested keys: `mr1 train counting-grpo-d seed=1 kl.maximum=0.05`. A run writes all that it ran with to its
`config.yaml`. This page is made from the code: `python -m mr1.settings_page > docs/settings.md`.

- **A value is what is typed.** `name: 007` is the name 007, and `name: yes` the name yes; only `null` (or `~`) means
  none, and `"null"` the word.
- **On the command line** a text is all that stands behind the `=`; braces, `#` and `:` mean nothing in it. Lists and
  mappings are YAML. The shell has to hand over one argument: put what has spaces, brackets, braces or `$` between
  quotes, as in `'prompt={question} Think first.'`, `'task=[counting, geometry]'`, `'kl={minimum: 0, maximum: 0.02}'`.
- **A mapping is put over** the one that is there, key by key. `rewards` in a recipe replaces the default ones.
- **`${key}`** is another setting's value, if the recipe sets it: `name: counting-${seed}`. Write `\\${` for the
  characters themselves.
- **A file that a run wrote** begins with the version of the settings (`version: 2`). Where names or defaults have
  changed since, it is read as it was meant; a recipe without a version is of this one.
- **What can't work is refused** in one line before anything is loaded: unknown keys, blank texts, numbers out of
  bounds, and settings that the method does not use.

The column "resumed" says whether a run that goes on by `--resume` may have another value.
"""
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
METHOD = "; one's own: `file.py:Class`, `package.module:Class`; with settings of its own: `{name: ..., ...}`"
TABLE = ("| key | takes | default | resumed | meaning |", "|---|---|---|---|---|")


def page() -> str:
    """The page as Markdown."""
    own = {name: method_class(name).settings for name in METHODS}
    sections = [
        line
        for name, settings in own.items()
        if settings is not MethodSettings
        for line in ["", *_section(f"method: {{name: {name}}}", settings, "method.")]
    ]
    return "\n".join([HEAD, *_section("The run", Config, ""), *sections, ""])


def _section(title: str, model: type[BaseModel], prefix: str) -> list[str]:
    """A table of a model's settings, then the sections of those that have settings of their own."""
    lines = [f"## {title}", "", _inline(model.__doc__ or ""), "", *TABLE]
    below: list[str] = []
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        nested = nested_model(info.annotation)
        if nested and nested is not MethodSettings:
            below += ["", *_section(key, nested, f"{key}.")]
            continue
        lines.append(_row(key, info))
        if nested := named_model(info.annotation):
            below += ["", *_section(f"{key}.NAME", nested, f"{key}.NAME.")]
    return lines + below


def _row(key: str, info: FieldInfo) -> str:
    schema = TypeAdapter(info.rebuild_annotation()).json_schema()
    meaning = _inline(info.description or "")
    if key in Method.OPTIONAL:
        for kind, known in (("Method", _methods()), ("Controller", CONTROLLERS)):
            users = [name for name, user in known.items() if key in user.uses]
            others = [name for name in known if name not in users]
            if len(users) > 3 * len(others):
                meaning += f" {kind}s: all but {', '.join(others)}."
            elif users:
                meaning += f" {kind}{'s' if len(users) > 1 else ''} {', '.join(users)}."
    takes = ", ".join(f"`{name}`" for name in METHODS) + METHOD if key == "method" else _takes(schema)
    cells = (f"`{key}`", takes, _default(info), rule_of(key.replace("sources.NAME.", "sources.*.")).value, meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _methods() -> dict[str, type[Method]]:
    return {name: method_class(name) for name in METHODS}


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "none: must be set"
    return f"`{json.dumps(info.default, ensure_ascii=False)}`"


def _takes(schema: dict[str, Any]) -> str:
    """In words, what a JSON schema allows."""
    if "anyOf" in schema:
        return "; or ".join(_takes(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {_takes(schema['prefixItems'][0])}"
    kind = schema.get("type")
    if kind == "array":
        return f"list: {_takes(schema['items'])}"
    if kind == "object":
        held = schema.get("additionalProperties", {})
        if held is True:
            return "settings by key"
        return "settings by name" if "$ref" in held else f"by name: {_takes(held)}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return ", ".join([words.get(str(kind), str(kind)), *_bounds(schema)])


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for name, words in BOUNDS.items():
        if name in schema and abs(schema[name]) not in (MOST, HIGH):
            yield f"{words} {schema[name]}"


def _inline(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(page())
