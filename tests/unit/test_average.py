"""Checkpoints that are averaged: the mean of their weights, or a refusal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Loading
from mr1.errors import UserError
from mr1.models import load_vlm
from mr1.models.export import export
from mr1.models.vlm import VLM


def test_an_average_is_the_mean_of_the_weights(tiny: VLM, tmp_path: Path) -> None:
    moved = load_vlm("tiny")
    with torch.no_grad():
        for number, parameter in enumerate(moved.model.parameters()):
            parameter += number + 1
    moved.save(tmp_path / "moved")
    asked = ["export", "tiny", str(tmp_path / "mean"), *["--average", str(tmp_path / "moved")] * 2]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    mean = load_vlm(str(tmp_path / "mean"))
    pairs = zip(mean.model.parameters(), tiny.model.parameters(), strict=True)
    for number, (mine, first) in enumerate(pairs):
        torch.testing.assert_close(mine, first + 2 / 3 * (number + 1))


def test_models_of_another_architecture_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: dict[str, Any] = {
        "one": torch.nn.Linear(2, 3),
        "bare": torch.nn.Linear(2, 3, bias=False),
        "wide": torch.nn.Linear(4, 3),
    }
    monkeypatch.setattr(
        "mr1.models.export.load_vlm", lambda name, *_, **__: SimpleNamespace(model=models[name], lora=None)
    )
    for other, message in (
        ("bare", r"^--average: bare can't be averaged with one: it is of another architecture$"),
        ("wide", r"^--average: wide can't be averaged with one: weight is \(3, 4\) there and \(3, 2\) here$"),
    ):
        with pytest.raises(UserError, match=message):
            export("one", tmp_path / "mean", Loading(), others=[other])
