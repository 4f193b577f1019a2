"""Into how many tiles an image is cut at most, by the ways in which image processors say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol


class TileLimit(Protocol):
    """A kind of image processor that cuts images. A whole image beside its tiles counts for nothing."""

    def least(self, images: Any) -> int:
        """Tiles of the image that has the fewest, whatever the limit."""

    def most(self, images: Any) -> int:
        """Tiles of the image that has the most, as the image processor is set."""

    def pixels(self, images: Any) -> int | None:
        """Of one tile; None where they differ in size."""

    def set(self, images: Any, most: int) -> None:
        """Let an image have no more tiles than this, which are no fewer than the least."""


@dataclass(frozen=True)
class Number:
    """It has a number of them, under one of several names."""

    name: str
    also: str = ""
    """Another such number, of images of some shapes; 0 where there are none."""

    def least(self, images: Any) -> int:  # noqa: ARG002
        return 1

    def most(self, images: Any) -> int:
        return max(getattr(images, self.name), getattr(images, self.also) if self.also else 0)

    def pixels(self, images: Any) -> int | None:
        if side := getattr(images, "tile_size", None):
            return int(side**2)
        size = getattr(images, "size", None)
        return size["height"] * size["width"] if size else None

    def set(self, images: Any, most: int) -> None:
        setattr(images, self.name, most)
        for lower in filter(None, (self.name.replace("max", "min"), self.also)):
            if getattr(images, lower, None) is not None:
                setattr(images, lower, min(getattr(images, lower), most))
        if most == 1 and hasattr(images, "do_image_splitting"):
            images.do_image_splitting = False


class Grids:
    """It has a list of sizes, (height, width), that images are scaled to and cut at; its model has the same list."""

    def least(self, images: Any) -> int:
        return min(self._tiles(images, each) for each in images.image_grid_pinpoints)

    def most(self, images: Any) -> int:
        return max(self._tiles(images, each) for each in images.image_grid_pinpoints)

    def pixels(self, images: Any) -> int | None:
        size = dict(images.size)
        return int(size.get("shortest_edge") or size["height"]) ** 2

    def set(self, images: Any, most: int) -> None:
        images.image_grid_pinpoints = [
            each for each in images.image_grid_pinpoints if self._tiles(images, each) <= most
        ]

    def _tiles(self, images: Any, grid: Any) -> int:
        return math.ceil(math.prod(grid) / (self.pixels(images) or 1))


class Edge:
    """It scales an image's longer side to a number of tiles, and cuts what comes of it."""

    def least(self, images: Any) -> int:  # noqa: ARG002
        return 1

    def most(self, images: Any) -> int:
        return int(images.size["longest_edge"] // self._side(images)) ** 2 if images.do_image_splitting else 1

    def pixels(self, images: Any) -> int | None:
        return self._side(images) ** 2

    def set(self, images: Any, most: int) -> None:
        images.size = type(images.size)(longest_edge=math.isqrt(most) * self._side(images))
        if most == 1:
            images.do_image_splitting = False

    def _side(self, images: Any) -> int:
        return int(images.max_image_size["longest_edge"])


class Quarters:
    """It cuts every image into four, or none."""

    def least(self, images: Any) -> int:  # noqa: ARG002
        return 1

    def most(self, images: Any) -> int:
        return 4 if images.do_image_splitting else 1

    def pixels(self, images: Any) -> int | None:  # noqa: ARG002
        return None

    def set(self, images: Any, most: int) -> None:
        images.do_image_splitting = images.do_image_splitting and most >= 4
