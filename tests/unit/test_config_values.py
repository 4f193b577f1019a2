"""Every setting against odd values: each is refused in one line that names it, or works."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from mr1.config import Config
from mr1.config.reading import make_config
from mr1.config.walk import keys
from mr1.data.settings import Source
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.methods import method_class
from mr1.methods.base import Method
from mr1.models.loading import model_path
from mr1.models.policy import part_rates
from mr1.train.optimizer import rate_factor
from mr1.types import Completion, Group, Prompt, Sample

METHODS: dict[str, dict[str, Any]] = {
    "grpo": {"kl": {"weight": 0.01}},
    "grpo-d": {"kl": {"minimum": 0.02, "maximum": 0.1, "exploration": 0.3}},
    "sft": {},
}
ADAPTIVE = {"controller": "adaptive", "weight": 0.05, "minimum": 0.01, "maximum": 0.1, "target": 0.02}
CASES = METHODS | {"grpo adaptive": {"method": "grpo", "kl": ADAPTIVE}}

WRITTEN = Completion(torch.zeros(1, dtype=torch.long), None, "", torch.ones(1, dtype=torch.bool), "stop")
GROUPS = [
    Group(
        Prompt(Sample("x/train/0/0", (), "", ""), "", torch.zeros(1, dtype=torch.long), {}, torch.zeros(1, 1), 1),
        [WRITTEN, WRITTEN],
        {"accuracy": torch.tensor([0.0, 1.0])},
        rewards=torch.tensor([0.0, 1.0]),
    )
]

ODD = [
    *("-1", "0", "1", "3", "0.5", "1.0", "-0.0", "1.5", "1e3", "5e-324", "1e-30", "1e30", "1e308", "-1e308"),
    *("nan", "inf", "-inf", ".nan", "0x10", "010", "1_000", "9" * 30, "9" * 5000, "2147483648", "1:30"),
    *("true", "no", "null", "~", '""', '" "', '"\\n"', '"\\0"', '"\\ud800"', "2020-01-01", "a\nb", "\x1b[31m"),
    *("[]", "{}", "[null]", "[[1]]", "[1, 1]", "[own, own]", "{a: 1}", "{a: {b: 1}}", "[0.9, 1.0]", "[0.9]", "[", "{"),
    *(".", "..", "../x", "/", "/dev/null", "~/x", "a/b", "x.", ".x", "-x", "*", "**x", "]", "a: b", "🦀", "[bold]"),
    *(
        "???",
        "${",
        "${steps}",
        "${nothing}",
        "\\${x}",
        "x" * 300,
        "é" * 200,
        "x/" * 3000,
        "{question}",
        "{question} {x} {",
    ),
    *("(", "(a)(b)", "(a{9999999999})", "{{ nothing }}", "{{", "{% x %}", "a.py:f", ":"),
]
"""Values as one may type them behind `key=`, or by mistake."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source's file."""
    path = tmp_path_factory.mktemp("rows") / "own.jsonl"
    path.write_text(
        '{"question": "1+1?", "answer": "2", "why": "1, 2"}\n{"question": "1+2?", "answer": "3", "why": "?"}\n'
    )
    return path


def settings_of(method: str, rows: Path) -> dict[str, Any]:
    """A run of a method on a source."""
    common = {"name": "run", "method": method, "task": "own", "steps": 4, "evaluation": {"tasks": ["own"]}}
    return deepcopy(common | CASES[method] | {"sources": {"own": {"path": str(rows), "columns": {"reasoning": "why"}}}})


def use(config: Config) -> None:
    """Make what is made of settings before a model is loaded."""
    method = method_class(config.method.name)(config)
    for step in {0, config.steps // 2, config.steps - 1}:
        assert all(math.isfinite(weight) for weight in method.kl_weights(GROUPS, step))
        method.after_update(step, {"kl": 0.01})
        assert 0 <= rate_factor(step, config.steps, config.optimizer) <= 1
    assert any(rate > 0 for rate in part_rates(config).values())
    assert config.folder.parent == Path(config.output)
    config.folder.exists()
    model_path(config.model)


def check_message(error: UserError, key: str, setting: str) -> None:
    """One line, not long, that names the key."""
    said = str(error)
    assert said.isprintable(), f"{setting}: {said!r}"
    assert key.removesuffix(".name").rpartition(".")[2] in said, f"{setting}: {said}"
    assert len(said) < 1500, f"{setting}: {said}"


@pytest.mark.parametrize("method", CASES)
@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_a_value_is_refused_in_one_line_or_works(method: str, rows: Path) -> None:
    # What methods differ in, and for one of them all settings.
    optional = Method.OPTIONAL
    for key in optional if method != "grpo-d" else keys(Config):
        for value in ODD:
            setting = f"{key.replace('NAME', 'own')}={value}"
            try:
                use(make_config(settings_of(method, rows), [setting]))
            except UserError as error:
                check_message(error, key, setting)


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_a_source_with_odd_settings_is_refused_in_one_line_or_opens(rows: Path) -> None:
    # What is no file goes to `datasets`, which takes its time; so does a name for its cache.
    slow = {"sources.own.path", "sources.own.subset", "sources.own.format"}
    for key in sorted({*keys(Source, "sources.own.")} - slow):
        for value in ODD:
            try:
                SourceTask("own", make_config(settings_of("sft", rows), [f"{key}={value}"]).sources["own"])
            except UserError as error:
                check_message(error, "own", f"{key}={value}")
