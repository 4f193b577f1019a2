"""A limit on the tiles that an image is cut into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mr1.config import Loading
from mr1.errors import UserError
from mr1.models import VLM, load_vlm
from mr1.models.check import check_model, example_groups

pytestmark = pytest.mark.loop

TILED = [
    "aya_vision",
    "cohere2_vision",
    "granite4_vision",
    "granite_docling",
    "idefics3",
    "internvl",
    "lfm2_vl",
    "llama4",
    "llava_next",
    "llava_onevision",
    "minicpmv4_6",
    "molmo2",
    "ovis2",
    "perception_lm",
    "qianfan_ocr",
    "smolvlm",
]


LEAST = {"granite4_vision": 2, "llava_next": 2}
"""Tiles of the smallest grid, where a single one is none."""


def image_tokens(vlm: VLM) -> int:
    return sum(int((group.prompt.input_ids == vlm.adapter.image_token_id).sum()) for group in example_groups(vlm))


@pytest.mark.parametrize("family", TILED)
def test_fewer_tiles_are_fewer_tokens_and_stay_exact(
    build_family: Callable[[str, Path], None], tmp_path: Path, family: str
) -> None:
    build_family(family, tmp_path / "m")
    whole, limited = (
        load_vlm(str(tmp_path / "m")),
        load_vlm(str(tmp_path / "m"), Loading(max_tiles=LEAST.get(family, 1))),
    )
    assert 0 < image_tokens(limited) < image_tokens(whole)
    check = check_model(limited)
    assert max(check.logprob_difference, check.gradient_difference, check.transformers_difference) < 5e-6
    assert check.prompts_differ == 0
    limited.save(tmp_path / "saved")
    again = load_vlm(str(tmp_path / "saved"))
    assert image_tokens(again) == image_tokens(limited)
    assert check_model(again).transformers_difference < 5e-6


def test_a_limit_below_the_smallest_grid(build_family: Callable[[str, Path], None], tmp_path: Path) -> None:
    build_family("llava_next", tmp_path / "m")
    with pytest.raises(UserError, match=r"loading.max_tiles: an image has at least 2 tiles beside itself; set it no"):
        load_vlm(str(tmp_path / "m"), Loading(max_tiles=1))


def test_the_limit_is_for_families_that_cut_images() -> None:
    with pytest.raises(UserError, match=r"loading.max_tiles: the family 'qwen2_vl' cuts no image into tiles"):
        load_vlm("tiny", Loading(max_tiles=2))
