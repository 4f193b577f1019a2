"""YAML as settings are written in it: a value is what was typed, and the setting's type says what that means.

YAML itself would make a number of `name: 007` and a truth of `name: yes`. Here every plain value stays the text that it
is, but for null; pydantic then reads a number where the tree has a number, and nothing where it has a text.

`${key}` stands for another setting's value, by OmegaConf; `\\${` for the characters themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mr1.errors import UserError

NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
KINDS = (NULL, *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")))
"""The tags of what a recipe can hold."""
REFERENCE = "${"
LARGEST = 10_000
"""Values of a document. Aliases of aliases (`*name`) make billions of a few lines."""
TOO_LARGE = f"it has more than {LARGEST} values, those that its aliases stand for included"


class _Loader(yaml.SafeLoader):
    """Knows null and the merge key `<<`; all other plain values are texts. Tags that make others of them are none."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in known if tag in (NULL, MERGE)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - PyYAML's own attribute
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in KINDS
    }

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:  # type: ignore[override]
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[arg-type]
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' stands a second time", key.start_mark
                    )
                seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > LARGEST:
            raise ValueError(TOO_LARGE)


class _Dumper(yaml.SafeDumper):
    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Between double quotes every character can be escaped; PyYAML's other styles lose some line separators.
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_str)


def read_yaml(text: str | bytes) -> Any:
    """What a YAML document holds: mappings, lists, texts and None.

    Raises:
        ValueError: it is no YAML, says one key twice, or goes round in circles.
    """
    try:
        return _apart(yaml.load(text, _Loader), iter(range(LARGEST)))  # nosec B506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        assert mark is not None, "the loader's errors have one"
        raise ValueError(f"{error.problem} in line {mark.line + 1}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply, or contains itself") from error
    except (yaml.YAMLError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def write_yaml(settings: dict[str, Any]) -> str:
    """A YAML document that `read_yaml` and `resolve` make the same settings of, whatever their texts are."""
    return yaml.dump(_escaped(settings), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31)


def resolve(settings: dict[str, Any]) -> dict[str, Any]:
    """Put the values of other settings where `${key}` stands.

    Raises:
        UserError: there is no such setting, or it is no reference at all.
    """
    if not _refers(settings):
        return settings
    try:
        return _resolved(settings, OmegaConf.to_container(OmegaConf.create(settings), resolve=True))
    except (OmegaConfBaseException, ValueError, TypeError, RecursionError) as error:
        key, why = getattr(error, "full_key", None) or "recipe", (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{key}: '${{' begins a reference to another setting, and this one can't be followed ({why}); write "
            "\\${ for the characters themselves"
        ) from error


def _apart(value: Any, room: Iterator[int]) -> Any:
    """A copy in which nothing stands in two places, as what an alias (`*name`) names does; `room` is for its values."""
    if next(room, None) is None:
        raise ValueError(TOO_LARGE)
    if isinstance(value, dict):
        return {key: _apart(each, room) for key, each in value.items()}
    return [_apart(each, room) for each in value] if isinstance(value, list) else value


def _refers(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_refers, value.values()))
    return any(map(_refers, value)) if isinstance(value, list) else isinstance(value, str) and REFERENCE in value


def _resolved(written: Any, resolved: Any) -> Any:
    """Take OmegaConf's word where a reference was written, and nowhere else: it has other special texts."""
    if isinstance(written, dict):
        return {key: _resolved(value, resolved[key]) for key, value in written.items()}
    if isinstance(written, list):
        return [_resolved(value, other) for value, other in zip(written, resolved, strict=True)]
    return resolved if _refers(written) else written


def _escaped(value: Any) -> Any:
    """A copy in which nothing stands in two places, so that YAML needs no anchors; its texts refer to nothing."""
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    if isinstance(value, str):
        # Backslashes before a reference count double; elsewhere they are themselves.
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    return value
