"""How many pixels an image has at least and at most, by the ways in which image processors say it.

Where a processor says it otherwise than in pixels, the limit is the one that keeps every image within
`loading.max_pixels`, its sides rounded up to whole patches. Two things are the processors' own: no side is shorter than
a patch, however long the other one is; and both sides of an image that is made larger, up to `loading.min_pixels`, are
rounded up, so that it may go beyond an upper limit that is close to the lower one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from mr1.errors import UserError
from mr1.models.tiles import TileLimit


class PixelLimit(Protocol):
    """A kind of processor whose images have limits."""

    lower: ClassVar[bool]
    """Whether it has a lower one, too."""

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        """Let images have at least and at most so many pixels; None for the processor's own limit.

        Raises:
            UserError: no image does.
        """


@dataclass(frozen=True)
class Area:
    """`size` has a shortest and a longest edge, which stand for numbers of pixels in spite of what they say."""

    frames: int = 1
    """How often an image's pixels count in them."""
    lower: ClassVar[bool] = True

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        images = processor.image_processor
        size = images.size
        least = least or size["shortest_edge"] // self.frames
        most = most or size["longest_edge"] // self.frames
        _require_room(least, most)
        images.size = type(size)(shortest_edge=least * self.frames, longest_edge=most * self.frames)


@dataclass(frozen=True)
class Tokens:
    """Numbers of tokens or patches, each a square whose side is the product of some of the processor's settings."""

    most: str
    fewest: str
    sides: tuple[str, ...] = ("patch_size", "merge_size")
    lower: ClassVar[bool] = True

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        images = processor.image_processor
        one = math.prod(getattr(images, side) for side in self.sides) ** 2
        fewest = -(-least // one) if least else getattr(images, self.fewest)
        # Nemotron's has no upper limit where it is 0.
        _require_room(max(fewest, 1) * one, most or getattr(images, self.most) * one or math.inf)
        setattr(images, self.fewest, fewest)
        if most:
            setattr(images, self.most, most // one)


class WholeAndTiles:
    """LFM2-VL's: limits in tokens for the whole image, and a number of tiles of one size where it is much larger.

    Neither is raised.
    """

    whole = Tokens("max_image_tokens", "min_image_tokens", ("encoder_patch_size", "downsample_factor"))
    lower: ClassVar[bool] = True

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        images = processor.image_processor
        own = images.max_image_tokens * (images.encoder_patch_size * images.downsample_factor) ** 2
        self.whole.set(processor, least, min(most or own, own))
        if most and (tiles := most // images.tile_size**2) < images.max_tiles:
            images.do_image_splitting &= tiles >= images.min_tiles
            images.max_tiles = max(tiles, images.min_tiles)


class Edges:
    """Idefics2's: no side is longer, and none shorter."""

    lower: ClassVar[bool] = True

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        images = processor.image_processor
        size = images.size
        shortest = math.isqrt(least - 1) + 1 if least else size["shortest_edge"]
        longest = math.isqrt(most) if most else size["longest_edge"]
        _require_room(shortest**2, most or longest**2)
        images.size = type(size)(shortest_edge=shortest, longest_edge=longest)


class UpperLimit(ABC):
    """Those that have no lower one."""

    lower: ClassVar[bool] = False

    def set(self, processor: Any, least: int | None, most: int | None) -> None:
        assert least is None
        assert most is not None
        self.at_most(processor, most)

    @abstractmethod
    def at_most(self, processor: Any, most: int) -> None:
        """Let no image have more pixels than this."""


class MostTokens(UpperLimit):
    """Muse's: a number of tokens, each `merge_size` patches wide."""

    def at_most(self, processor: Any, most: int) -> None:
        images = processor.image_processor
        one = (images.patch_size * images.merge_size) ** 2
        _require_room(one, most)
        images.max_image_tokens = most // one


class SoftTokens(UpperLimit):
    """Gemma 4's: one of five numbers of tokens; every image is scaled to the most that it can have of it."""

    def at_most(self, processor: Any, most: int) -> None:
        from transformers.models.gemma4.image_processing_pil_gemma4 import _SUPPORTED_SOFT_TOKENS as STEPS

        images = processor.image_processor
        one = (images.patch_size * images.pooling_kernel_size) ** 2
        if most < min(STEPS) * one:
            raise UserError(
                f"loading.max_pixels: the limit of an image is one of {', '.join(str(step * one) for step in STEPS)} "
                "pixels; set it no lower than the first"
            )
        images.max_soft_tokens = max(step for step in STEPS if step * one <= most)


class LongestEdge(UpperLimit):
    """Pixtral's: no side is longer; sides are then rounded up to whole patches."""

    def at_most(self, processor: Any, most: int) -> None:
        images = processor.image_processor
        patch = processor.patch_size * getattr(processor, "spatial_merge_size", 1)
        _require_room(patch**2, most)
        images.size = type(images.size)(longest_edge=math.isqrt(most) // patch * patch)


class Sides(UpperLimit):
    """Kimi's: no side has more patches.

    Its limit of patches for the whole image is left as it is: sides are rounded up to pairs of patches after it.
    """

    def at_most(self, processor: Any, most: int) -> None:
        images = processor.image_processor
        pair = images.patch_size * images.merge_size
        _require_room(pair**2, most)
        side = min(images.size["max_height"], math.isqrt(most) // pair * images.merge_size)
        images.size = type(images.size)(max_height=side, max_width=side)


@dataclass(frozen=True)
class WholeTiles(UpperLimit):
    """An image is scaled to so many tiles of one size: it has as many pixels as they; the number is never raised."""

    tiles: TileLimit

    def at_most(self, processor: Any, most: int) -> None:
        images = processor.image_processor
        one = self.tiles.pixels(images)
        assert one is not None
        _require_room(self.tiles.least(images) * one, most)
        if most // one < self.tiles.most(images):
            self.tiles.set(images, most // one)


def fixed_size(images: Any) -> str:
    """What an image processor makes of every image, in words; empty where it has no such size."""
    for name in ("crop_size", "size"):
        size = dict(getattr(images, name, None) or {})
        if size.get("height") and size.get("width"):
            return f"makes every image {size['height']} x {size['width']} pixels"
    return ""


def _require_room(least: float, most: float) -> None:
    if least > most:
        raise UserError(
            f"loading.max_pixels: no image has at least {least} and at most {most} pixels; set loading.min_pixels and "
            "loading.max_pixels accordingly"
        )
