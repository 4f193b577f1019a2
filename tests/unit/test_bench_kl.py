"""The figure of the KL estimators' bias: its numbers are those that theory asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.kl_bias import Curve, curve, draw
from PIL import Image

from mr1.types import KLEstimator


def test_k3_alone_is_biased_on_policy_by_the_root_of_the_kl(tmp_path: Path) -> None:
    names: tuple[KLEstimator, ...] = ("k3", "k2", "k3-ratio", "k1")
    curves: dict[str, Curve] = {name: curve(name, 0.0, pairs=20) for name in names}
    k3 = curves.pop("k3")
    assert all(float(each.bias.max()) < 1e-12 for each in curves.values())
    ratio = float(k3.bias[4] / k3.bias[0])
    assert ratio == pytest.approx(float((k3.kl[4] / k3.kl[0]).sqrt()), rel=0.05)
    assert float(k3.bias[-1]) > 0.4
    draw({"one": curves, "other": {"k3": k3}}, tmp_path / "bias.png")
    assert Image.open(tmp_path / "bias.png").size == (924, 396)


def test_off_policy_the_ratio_is_what_is_missing() -> None:
    assert float(curve("k3-ratio", 0.1, pairs=20).bias.max()) < 1e-12
    assert float(curve("k1", 0.1, pairs=20).bias.max()) < 1e-12
    assert float(curve("k2", 0.1, pairs=20).bias.min()) > 0.05
