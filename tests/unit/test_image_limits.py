"""Limits of pixels and tiles: of every kind of image processor, on images of random sizes."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from mr1.errors import MissingPackageError, UserError
from mr1.models.adapter import Adapter
from mr1.models.families import ADAPTERS
from mr1.models.loading import quieten
from mr1.models.small.families import LINES, OF_PROCESSOR
from mr1.models.small.processing import small_processor
from mr1.models.small.sizes import small_config

UPPER = {
    "glm4v": 4000,  # pixels, each counted twice
    "glm5_next": 20000,  # tokens
    "granite_docling": 9000,  # tiles, under two names
    "idefics2": 9000,  # edges
    "idefics3": 9000,  # tiles, as an edge
    "internvl": 9000,  # tiles
    "kimi_k25": 9000,  # patches of a side
    "lfm2_vl": 9000,  # tokens and tiles
    "llava_next": 9000,  # tiles, as grids
    "mistral3": 9000,  # an edge
    "muse_glimmer": 9000,  # tokens
    "nemotron_h_omni": 9000,  # patches
    "qwen2_vl": 9000,  # pixels
}
"""Pixels below what the largest image has where nothing is set, and what the family's own limit counts."""
LOWER = ("glm4v", "glm5_next", "idefics2", "nemotron_h_omni", "qwen2_vl")
"""Families that have a lower limit."""


def made(family: str, **settings: Any) -> tuple[Adapter, Any]:
    """A family's adapter, without a model, and the processor of its small models."""
    quieten()
    line = LINES.get(family, {})
    line = line | {"image_processor": line.get("image_processor", {}) | settings}
    own = {name: line[name] for name in line.keys() - OF_PROCESSOR}
    try:
        processor = small_processor(family, small_config(family, {}, own), line)
    except MissingPackageError as error:
        pytest.skip(str(error))
    adapter = object.__new__(ADAPTERS[family])
    adapter.model = SimpleNamespace(config=SimpleNamespace(model_type=family))
    return adapter, processor


def pixels(processor: Any, size: tuple[int, int]) -> int:
    """Those of an image as the vision tower gets it, without the whole image where that stands beside its tiles."""
    content = [{"type": "image"}, {"type": "text", "text": "?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    given = processor(text=[text], images=[[Image.new("RGB", size)]], return_tensors="pt", padding=False)
    images = processor.image_processor
    for name in ("image_grid_thw", "image_grid_hw"):
        if name in given:
            return int(given[name].prod()) * images.patch_size**2
    if "image_position_ids" in given:
        return int((given["image_position_ids"] >= 0).all(-1).sum()) * images.patch_size**2
    if "spatial_shapes" in given:
        tiles = given["spatial_shapes"].prod(-1) * images.encoder_patch_size**2
        return int(tiles[:-1].sum() if len(tiles) > 1 else tiles[0])
    tiles = given["pixel_values"].flatten(0, -4)
    return max(len(tiles) - 1, 1) * tiles.shape[-1] * tiles.shape[-2]


def sizes(count: int) -> list[tuple[int, int]]:
    """Of images, none longer than three times its width."""
    generator = random.Random(0)
    found: list[tuple[int, int]] = []
    while len(found) < count:
        size = (generator.randint(30, 400), generator.randint(30, 400))
        found += [size] if max(size) <= 3 * min(size) else []
    return found


@pytest.mark.parametrize("family", UPPER)
def test_no_image_is_larger(family: str) -> None:
    adapter, processor = made(family)
    assert max(pixels(processor, size) for size in sizes(12)) > UPPER[family]
    adapter.limit_pixels(processor, None, UPPER[family])
    limited = [pixels(processor, size) for size in sizes(24)]
    assert UPPER[family] / 3 < max(limited) <= UPPER[family]


@pytest.mark.parametrize("family", LOWER)
def test_no_image_is_smaller(family: str) -> None:
    adapter, processor = made(family)
    assert min(pixels(processor, size) for size in sizes(12)) < 20000
    adapter.limit_pixels(processor, 20000, 60000)
    limited = [pixels(processor, size) for size in sizes(24)]
    assert min(limited) >= 20000
    assert max(limited) <= 60000


def test_gemma_4_has_five_limits() -> None:
    adapter, processor = made("gemma4")
    adapter.limit_pixels(processor, None, 40000)
    assert processor.image_processor.max_soft_tokens == 140  # of 16 x 16 pixels; 40000 are 156 of them
    assert 70 * 256 < max(pixels(processor, size) for size in sizes(12)) <= 140 * 256
    with pytest.raises(UserError, match="the limit of an image is one of 17920, 35840, 71680, 143360, 286720 pixels"):
        adapter.limit_pixels(processor, None, 17919)


def test_of_pixels_and_tiles_the_lower_holds() -> None:
    for tiles, most, left in ((1, 9000, 1), (4, 9000, 2), (3, 40000, 3)):
        adapter, processor = made("internvl")
        adapter.limit_tiles(processor, tiles)
        adapter.limit_pixels(processor, None, most)
        assert processor.image_processor.max_patches == left


def test_four_parts_or_none() -> None:
    adapter, processor = made("idefics2", do_image_splitting=True)
    adapter.limit_tiles(processor, 4)
    assert processor.image_processor.do_image_splitting
    adapter.limit_tiles(processor, 3)
    assert not processor.image_processor.do_image_splitting


@pytest.mark.parametrize(
    ("family", "least", "most", "reason"),
    [
        (
            "vipllava",
            None,
            9000,
            "loading.max_pixels: the family 'vipllava' makes every image 56 x 56 pixels; leave",
        ),
        (
            "gemma3",
            9000,
            None,
            "loading.min_pixels: the family 'gemma3' makes every image 56 x 56 pixels; leave",
        ),
        ("internvl", 9000, None, "loading.min_pixels: the family 'internvl' has an upper limit of pixels alone; leave"),
        ("internvl", None, 3000, "loading.max_pixels: no image has at least 3136 and at most 3000 pixels; set"),
        ("llava_next", None, 6271, "loading.max_pixels: no image has at least 6272 and at most 6271 pixels; set"),
        ("glm5_next", None, 9000, "loading.max_pixels: no image has at least 12544 and at most 9000 pixels; set"),
        ("idefics2", 9000, 8999, "loading.max_pixels: no image has at least 9025 and at most 8999 pixels; set"),
        ("minicpmv4_6", None, 9000, "'minicpmv4_6' scales slices by their shape, and takes loading.max_tiles alone"),
        ("deepseek_ocr2", None, 9000, "'deepseek_ocr2' has a number of tiles that its processor's class sets"),
    ],
)
def test_what_can_not_be_said(family: str, least: int | None, most: int | None, reason: str) -> None:
    adapter, processor = made(family)
    with pytest.raises(UserError, match=re.escape(reason)):
        adapter.limit_pixels(processor, least, most)
