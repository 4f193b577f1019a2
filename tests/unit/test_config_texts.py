"""Whatever text stands in a setting: what is dumped is read back to the same tree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from mr1.config import Config, dump_config, read_config
from mr1.config.checks import check
from mr1.config.text import read_yaml, resolve, write_yaml
from mr1.config.walk import nested_model
from mr1.data.settings import Source
from mr1.errors import UserError

BITS = [
    *("${", "\\", "\\${", "$", "{", "}", "${seed}", "???", "null", "~", "yes", "1e3", "0x10", "007", "2020-01-01"),
    *("\n", "\r", "\t", " ", "#", ": ", "- ", "'", '"', "\x85", "\u2028", "\u2029", "\ufeff", "\x1b", "\x7f", "\xa0"),
    *("\u200b", "\uffff", "é", "😀", "%", "&a", "*a", "!t", "|", ">", "?", "@", "`", ",", "[", "]", "<<", "=", "---"),
]
"""What means something to YAML, to OmegaConf, or to a terminal."""

texts = st.lists(st.sampled_from(BITS) | st.text(max_size=3), min_size=1, max_size=8).map("".join)
proses = texts.map(lambda text: text.replace("\0", ""))
"""What a setting of any length takes, but for a blank one."""
lines = texts.map(lambda text: "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Zl", "Zp")))
"""What a name takes, but for a blank one."""
names = st.from_regex(r"\A\w([\w.-]{0,5}\w)?\Z")
VALUES = [None, True, False, 0, 1, 2, 7, 1e-7, 0.1, 0.25, 123456.75, 2**31 - 1, "float32", "eager", "cosine", "jsonl"]


@cache
def fields_of(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of a model's fields, with what each takes by itself."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, info in model.model_fields.items():
        if nested := nested_model(info.annotation):
            fields[name] = fields_of(nested)
            continue
        takes = validator(info.rebuild_annotation())
        known = [st.sampled_from([*filter(takes, VALUES)])] if any(map(takes, VALUES)) else []
        written = [texts.filter(takes)] if takes("some words") else []
        several = [st.lists(texts, max_size=3).filter(takes)] if takes(["some words"]) else []
        if chosen := [*known, *written, *several]:
            fields[name] = st.one_of(chosen)
    return st.fixed_dictionaries({}, optional=fields)


def validator(annotation: Any) -> Callable[[Any], bool]:
    """Says whether a value is valid."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def takes(value: Any) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    return takes


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A tree with anything in every field, but for what the fields ask of each other."""
    source = draw(fields_of(Source)) | {"preset": None, "path": draw(names), "splits": {"test": draw(names)}}
    source["answer_pattern"] = "(.*)" + re.escape(draw(lines))
    own = draw(names.filter(lambda name: name not in ("counting", "geometry")))
    drawn = draw(fields_of(Config))
    drawn |= {"name": draw(names), "method": "grpo-d", "steps": 12, "updates_per_rollout": 2, "demonstrations": {}}
    drawn |= {"task": [own, "counting"], "sources": {own: source}, "prompt": draw(proses) + "{question}" + draw(proses)}
    drawn["rewards"] = draw(st.dictionaries(lines.map(lambda text: f"/{text}:f"), st.floats(-9, 9), max_size=2))
    drawn["rewards"]["format"] = 1
    drawn["kl"] = {"minimum": 0, "maximum": draw(st.floats(0, 1e9)), "exploration": draw(st.floats(1e-9, 1))}
    drawn["lora"] = drawn.get("lora", {}) | {"rank": 4}
    drawn["checkpoint"] = drawn.get("checkpoint", {}) | {"every": 0, "keep_every": 0}
    drawn["endpoint"] = drawn.get("endpoint", {}) | {"base_url": "http://there/v1", "model": draw(names)}
    evaluation = {"tasks": [own], "prompt": draw(proses) + "{question}", "every": 2}
    drawn["evaluation"] = drawn.get("evaluation", {}) | evaluation
    try:
        config = Config.model_validate(drawn)
        check(config)
    except (UserError, ValidationError):
        reject()
    return config


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x y", "x y"),
        ("é", "é"),
        ("007", "'007'"),
        (None, "null"),
        ("a\nb", '"a\\nb"'),
        ("a\nb\u2028", '"a\\nb\\L"'),
        ("${b}", "\\${b}"),
        ("a\\${b}", "a\\\\\\${b}"),
        ("a\\b", "a\\b"),
        ("word " * 40 + ".", "word " * 40 + "."),
        ([], "[]"),
        (["${b}", "c"], "\n- \\${b}\n- c"),
        ({"z": ["${b}"], "a": "b"}, "\n  z:\n  - \\${b}\n  a: b"),
    ],
)
def test_how_a_value_is_written(value: Any, written: str) -> None:
    text = write_yaml({"key": value, "another": value})
    ends = "" if written.startswith("\n") else " "
    assert text == f"key:{ends}{written}\nanother:{ends}{written}\n"
    assert resolve(read_yaml(text)) == {"key": value, "another": value}


def test_an_alias_and_a_merge_are_what_they_name() -> None:
    assert read_yaml("a: &x {b: 1, c: [2]}\nd: *x") == {"a": {"b": "1", "c": ["2"]}, "d": {"b": "1", "c": ["2"]}}
    merged = read_yaml("a: &x {b: 1, c: 2}\nd: &y {c: 3, e: 4}\nf: {<<: *x, <<: *y, e: 5}\ng: !!str 007")
    assert (merged["f"], merged["g"]) == ({"b": "1", "c": "3", "e": "5"}, "007")


def test_what_a_reference_stands_for() -> None:
    linked = {"a": {"b": ["${c}", "\\${c}", "???"]}, "c": "7", "d": "${a.b}", "e": None}
    assert resolve(linked) == {"a": {"b": ["7", "${c}", "???"]}, "c": "7", "d": ["7", "${c}", "???"], "e": None}
    plain = {"a": "7"}
    assert resolve(plain) is plain
    deep: dict[Any, Any] = {"a": "${c}", "c": "7"}
    for _ in range(150):
        deep = {"b": deep}
    wrong: list[tuple[dict[Any, Any], str]] = [
        (
            {"a": "${c}"},
            "a: '${' begins a reference to another setting, and this one can't be followed (Interpolation ",
        ),
        ({"a": {"b": ["${"]}}, "a.b[0]: '${' begins a reference to another setting, and this one can't be followed ("),
        ({None: "${c}"}, "recipe: '${' begins a reference to another setting, and this one can't be followed ("),
        (deep, "recipe: '${' begins a reference to another setting, and this one can't be followed (maximum recursion"),
    ]
    for broken, message in wrong:
        with pytest.raises(UserError) as caught:
            resolve(broken)
        assert str(caught.value).startswith(message)
        assert str(caught.value).endswith("); write \\${ for the characters themselves")


@settings(max_examples=50, deadline=None)
@given(config=configs())
def test_what_is_dumped_is_read_back(config: Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = tmp_path_factory.getbasetemp() / "dumped.yaml"
    recipe.write_text(dump_config(config), encoding="utf-8")
    assert read_config(recipe) == config


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(texts, texts | st.lists(texts, max_size=3) | st.dictionaries(texts, texts, max_size=2)))
def test_any_text_is_written_and_read_as_it_is(values: dict[str, Any]) -> None:
    assert resolve(read_yaml(write_yaml(values).encode())) == values
