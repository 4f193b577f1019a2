"""Into how many tiles an image is cut at most, by the ways in which image processors say it."""

from __future__ import annotations

import math
from typing import Any

from mr1.errors import UserError


def limit_number(images: Any, name: str, most: int) -> None:
    """Of a processor that has a number of them, under one of several names."""
    setattr(images, name, most)
    least = name.replace("max", "min")
    if getattr(images, least, None) is not None:
        setattr(images, least, min(getattr(images, least), most))
    if most == 1 and hasattr(images, "do_image_splitting"):
        images.do_image_splitting = False


def limit_grids(images: Any, config: Any, most: int) -> None:
    """Of a processor with a list of sizes that images are cut at, (height, width); its model's is the same list.

    Raises:
        UserError: each of them has more tiles.
    """
    size = dict(images.size)
    side = size.get("shortest_edge") or size["height"]
    fitting = [each for each in images.image_grid_pinpoints if math.prod(each) // side**2 <= most]
    if not fitting:
        least = min(math.prod(each) // side**2 for each in images.image_grid_pinpoints)
        raise UserError(f"loading.max_tiles: an image has at least {least} tiles beside itself; set it no lower")
    images.image_grid_pinpoints = config.image_grid_pinpoints = fitting


def limit_edge(images: Any, most: int) -> None:
    """Of a processor that scales an image's longer side to a number of tiles, and cuts what comes of it."""
    side = images.max_image_size["longest_edge"]
    images.size = type(images.size)(longest_edge=math.isqrt(most) * side)
    if most == 1:
        images.do_image_splitting = False
