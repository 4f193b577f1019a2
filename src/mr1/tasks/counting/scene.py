"""Scenes of the counting task: which objects there are, where they stand, and how camera and light are set.

What is in a scene is drawn before where it stands: the split follows from the objects' attributes alone, so a scene
that belongs to another split is thrown away before anything costly is done. Placement is checked by casting rays at a
fixed resolution, so that the same scene comes out at every image size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mr1.tasks.base import split_of
from mr1.tasks.counting.camera import CORNERS, Camera, Cast, Item, cast, describe
from mr1.tasks.counting.shapes import Floats

FEWEST, MOST = 3, 10
MATERIALS = ("rubber", "metal")
SIZE_NAMES = ("large", "small")

PROBE = 224
"""Resolution at which visibility is judged: that of a picture of 112 pixels, so its rays are cast only once."""
VISIBLE_SHARE = 0.4
"""The least share of an object that others must leave in sight."""
VISIBLE_PIXELS = 112
"""The fewest pixels of an object in sight at the probe's resolution."""
GAP = 0.12
"""Clear ground between two objects."""
CANDIDATES = 48
"""Places tried for an object before the placement is begun anew."""
PLACEMENTS = 60
"""Placements tried for a set of objects before another set is drawn."""


@dataclass(frozen=True)
class World:
    """What objects and ground can be like."""

    shapes: tuple[str, ...]
    colors: dict[str, tuple[int, int, int]]
    """sRGB, 0 to 255."""
    ground: tuple[int, int, int]
    """sRGB of the lit ground."""
    sky: tuple[int, int, int]
    """sRGB of what metal reflects from above."""


CLEVR = World(
    shapes=("cube", "sphere", "cylinder"),
    colors={
        "gray": (87, 87, 87),
        "red": (183, 35, 35),
        "blue": (42, 75, 215),
        "green": (29, 115, 22),
        "brown": (129, 74, 25),
        "purple": (134, 38, 196),
        "cyan": (41, 208, 208),
        "yellow": (255, 238, 51),
    },
    ground=(158, 156, 153),
    sky=(255, 255, 255),
)
SHIFTED = World(
    shapes=("cone", "capsule", "pyramid"),
    colors={
        "orange": (250, 120, 10),
        "pink": (250, 150, 185),
        "white": (245, 245, 240),
        "lime": (150, 230, 30),
        "navy": (20, 30, 105),
        "teal": (10, 120, 115),
        "magenta": (205, 20, 120),
        "black": (28, 28, 30),
    },
    ground=(176, 148, 112),
    sky=(235, 245, 255),
)


@dataclass(frozen=True)
class Light:
    """Key light, far away. Angles in radians."""

    azimuth: float
    """Where the light comes from: 0 is behind the camera, positive to the right."""
    elevation: float
    """Above the horizontal; less than 63 degrees, the slope of a cone's side."""
    strength: float

    @functools.cached_property
    def direction(self) -> Floats:
        """Unit vector towards the light."""
        flat = math.cos(self.elevation)
        x, y = math.sin(self.azimuth) * flat, -math.cos(self.azimuth) * flat
        return np.array([x, y, math.sin(self.elevation)], np.float32)


@dataclass(frozen=True)
class Scene:
    """Everything that a picture is made from."""

    items: tuple[Item, ...]
    hits: Cast
    """What the probe's rays met: every object is well in sight."""
    camera: Camera
    light: Light
    world: World

    def meta(self) -> dict[str, Any]:
        """The scene as plain values."""
        visible = [seen / alone for seen, alone in zip(self.hits.seen, self.hits.alone, strict=True)]
        pixels = self.camera.project(np.array([item.center for item in self.items], np.float32))
        return {
            "objects": [
                {
                    "shape": item.shape,
                    "color": item.color,
                    "material": item.material,
                    "size": item.size,
                    "position": [round(value, 4) for value in item.center],
                    "rotation": round(item.rotation, 4),
                    "pixel": [round(float(value), 4) for value in pixel],
                    "visible": round(share, 4),
                }
                for item, pixel, share in zip(self.items, pixels, visible, strict=True)
            ],
            "light": {
                "azimuth": round(self.light.azimuth, 4),
                "elevation": round(self.light.elevation, 4),
                "strength": round(self.light.strength, 4),
            },
            "camera": describe(self.camera),
            "shifted": self.world is SHIFTED,
        }


def scene_key(items: Sequence[Item]) -> str:
    """The canonical key of a scene: its objects' attributes, wherever they stand."""
    return ";".join(sorted(f"{item.shape},{item.color},{item.material},{item.size}" for item in items))


def world_of(split: str) -> World:
    """The world that a split's scenes are of."""
    return SHIFTED if split == "shifted" else CLEVR


def draw_scene(split: str, rng: np.random.Generator, numbers: range = range(FEWEST, MOST + 1)) -> Scene:
    """Draw a scene that belongs to the split. The number of objects is uniform, whatever is drawn again."""
    count = int(rng.integers(numbers.start, numbers.stop))
    while True:
        items = draw_items(split, count, rng)
        for _ in range(PLACEMENTS):
            camera, light = _draw_camera(rng), _draw_light(rng)
            placed = _place(items, camera, rng)
            if placed is None:
                continue
            hits = cast(placed, camera, PROBE)
            if _in_sight(hits):
                return Scene(tuple(placed), hits, camera, light, world_of(split))


def draw_items(split: str, count: int, rng: np.random.Generator) -> list[Item]:
    """Draw what is in a scene that belongs to the split; it stands nowhere yet."""
    world = world_of(split)
    vocabulary = (world.shapes, tuple(world.colors), MATERIALS, SIZE_NAMES)
    while True:
        picks = rng.integers([len(names) for names in vocabulary], size=(count, 4)).tolist()
        items = [Item(*(names[pick] for names, pick in zip(vocabulary, row, strict=True))) for row in picks]
        if split == "shifted" or split_of(scene_key(items)) == split:
            return items


def _draw_camera(rng: np.random.Generator) -> Camera:
    distance, pitch, zoom, x, y = rng.uniform([17.3, 38, 0.97, -0.2, -0.2], [18.7, 43, 1.03, 0.2, 0.2]).tolist()
    return Camera(distance, math.radians(pitch), 0.235 * 18 * zoom, (x, y))


def _draw_light(rng: np.random.Generator) -> Light:
    azimuth, elevation, strength = rng.uniform([-70, 40, 0.92], [-20, 54, 1.08]).tolist()
    return Light(math.radians(azimuth), math.radians(elevation), strength)


def _place(items: Sequence[Item], camera: Camera, rng: np.random.Generator) -> list[Item] | None:
    """Stand the objects on the part of the ground that the camera sees, clear of each other; None if no room is left.

    Places are uniform on the screen, so the objects fill the picture.
    """
    screen = rng.uniform(0.03, 0.97, (2, len(items), CANDIDATES)).astype(np.float32)
    x, y = camera.ground(screen[0], screen[1])
    feet = np.stack([x, y, np.zeros_like(x)], axis=-1)
    extents = np.array([item.extent for item in items], np.float32)
    corners = camera.project(feet[:, :, None] + CORNERS * extents[:, None, None])
    inside = np.all((corners > 0) & (corners < 1), axis=(2, 3))
    angles = rng.uniform(0, 2 * math.pi, len(items)).tolist()
    placed: list[Item] = []
    for item, xs, ys, usable, angle in zip(items, x, y, inside, angles, strict=True):
        free = usable.copy()
        for other in placed:
            apart = item.extent[0] + other.extent[0] + GAP
            free &= (xs - other.x) ** 2 + (ys - other.y) ** 2 > apart * apart
        choice = int(np.argmax(free))
        if not free[choice]:
            return None
        placed.append(replace(item, x=float(xs[choice]), y=float(ys[choice]), rotation=angle))
    return placed


def _in_sight(hits: Cast) -> bool:
    """Whether every object is seen well enough to be recognised."""
    pairs = zip(hits.seen, hits.alone, strict=True)
    return all(seen >= VISIBLE_PIXELS and seen >= VISIBLE_SHARE * alone for seen, alone in pairs)
