"""The camera of the counting task: projecting points, and finding which object every pixel sees.

Screen coordinates (u, v) run from 0 to 1, right and down. The ground is the plane z = 0.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mr1.tasks.counting.shapes import SOLIDS, Floats, Vector

SIZES = {"large": 0.7, "small": 0.35}
"""Scale of the unit solids, in units of the ground."""
CORNERS = np.array(list(itertools.product((-1, 1), (-1, 1), (0, 1))), np.float32)
"""Of the box around an upright cylinder of radius and height 1: (8, 3)."""


@dataclass(frozen=True)
class Item:
    """One object of a scene."""

    shape: str
    color: str
    material: str
    size: str
    x: float = 0.0
    y: float = 0.0
    rotation: float = 0.0
    """About the vertical, in radians."""

    @property
    def scale(self) -> float:
        return SIZES[self.size]

    @functools.cached_property
    def extent(self) -> tuple[float, float, float]:
        """Half width, half depth and height of the box around the object, however it is turned."""
        solid = SOLIDS[self.shape]
        return solid.footprint * self.scale, solid.footprint * self.scale, solid.height * self.scale

    @property
    def center(self) -> tuple[float, float, float]:
        return self.x, self.y, self.extent[2] / 2

    def to_local(self, vector: Vector) -> Vector:
        """Turn and scale directions from the world into the solid's unit frame."""
        cos, sin = math.cos(self.rotation) / self.scale, math.sin(self.rotation) / self.scale
        x, y, z = vector
        return cos * x + sin * y, cos * y - sin * x, z / self.scale

    def to_world(self, vector: Vector) -> Vector:
        """Turn normals from the solid's frame into the world; their length stays."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        x, y, z = vector
        return cos * x - sin * y, sin * x + cos * y, z

    def point_to_local(self, point: Vector) -> Vector:
        """Bring points from the world into the solid's unit frame."""
        return self.to_local((point[0] - self.x, point[1] - self.y, point[2]))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along +y and down at a point of the ground."""

    distance: float
    pitch: float
    """Angle below the horizontal, in radians."""
    focal: float
    """Focal length in halves of the picture's width."""
    target: tuple[float, float]
    """The point of the ground in the middle of the picture."""

    @functools.cached_property
    def position(self) -> Floats:
        back, up = self.distance * math.cos(self.pitch), self.distance * math.sin(self.pitch)
        return np.array([self.target[0], self.target[1] - back, up], np.float32)

    @functools.cached_property
    def axes(self) -> Floats:
        """Unit vectors right, up and forward, (3, 3)."""
        cos, sin = math.cos(self.pitch), math.sin(self.pitch)
        return np.array([[1, 0, 0], [0, sin, cos], [0, cos, -sin]], np.float32)

    def project(self, points: Floats) -> Floats:
        """World points (..., 3) -> screen (..., 2)."""
        right, up, forward = np.moveaxis((points - self.position) @ self.axes.T, -1, 0)
        factor = self.focal / forward
        return np.stack([(1 + right * factor) / 2, (1 - up * factor) / 2], axis=-1)

    def rays(self, u: Floats, v: Floats, item: Item | None = None) -> Vector:
        """Screen coordinates that broadcast -> directions, one unit deep along the line of sight.

        In the world's frame, or in that of an item's solid.
        """
        axes: Vector = (self.axes[:, 0], self.axes[:, 1], self.axes[:, 2])
        (rx, ux, fx), (ry, uy, fy), (rz, uz, fz) = item.to_local(axes) if item else axes
        x, y = (2 * u - 1) / self.focal, (1 - 2 * v) / self.focal
        return (fx + x * rx) + y * ux, (fy + x * ry) + y * uy, (fz + x * rz) + y * uz

    def ground(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Screen coordinates that broadcast -> x and y of the ground there."""
        dx, dy, dz = self.rays(u, v)
        x, y, z = map(float, self.position)
        depth = -z / dz
        return x + depth * dx, y + depth * dy


@dataclass(frozen=True)
class Cast:
    """What a square of rays met; R is the resolution."""

    ids: npt.NDArray[np.int8]
    """(R, R): the object that is seen, -1 for the ground."""
    depth: Floats
    """(R, R): along the line of sight, inf for the ground."""
    alone: list[int]
    """For each object, the pixels that it would fill with nothing in front of it."""

    @functools.cached_property
    def seen(self) -> list[int]:
        """For each object, the pixels in which it is seen."""
        counts = np.bincount(self.ids[self.ids >= 0], minlength=len(self.alone))
        return [int(count) for count in counts]


def pixel_centers(first: int, last: int, resolution: int) -> Floats:
    """Screen coordinates of the centres of pixels first..last-1."""
    return (np.arange(first, last, dtype=np.float32) + np.float32(0.5)) / np.float32(resolution)


def pixel_box(screen: Floats, resolution: int) -> tuple[int, int, int, int]:
    """The pixels that cover screen points (N, 2), as (left, top, right, bottom), right and bottom excluded."""
    low, high = screen.min(axis=0) * resolution, screen.max(axis=0) * resolution
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    return left, top, min(int(high[0]) + 1, resolution), min(int(high[1]) + 1, resolution)


def boxes(items: Sequence[Item]) -> Floats:
    """Corners of the box around each object, (n, 8, 3)."""
    extents = np.array([item.extent for item in items], np.float32)
    feet = np.array([(item.x, item.y, 0) for item in items], np.float32)
    return CORNERS * extents[:, None] + feet[:, None]


def cast(items: Sequence[Item], camera: Camera, resolution: int) -> Cast:
    """Send one ray through the centre of each pixel, object by object, inside the object's box on the screen."""
    ids = np.full((resolution, resolution), -1, np.int8)
    depth = np.full((resolution, resolution), np.inf, np.float32)
    alone = []
    x, y, z = camera.position
    screen = camera.project(boxes(items))
    for number, item in enumerate(items):
        left, top, right, bottom = pixel_box(screen[number], resolution)
        u, v = pixel_centers(left, right, resolution)[None], pixel_centers(top, bottom, resolution)[:, None]
        near, far = SOLIDS[item.shape].interval(item.point_to_local((x, y, z)), camera.rays(u, v, item))
        hit = near < far
        alone.append(int(np.count_nonzero(hit)))
        window = np.s_[top:bottom, left:right]
        nearer = hit & (near < depth[window])
        depth[window][nearer] = near[nearer]
        ids[window][nearer] = number
    return Cast(ids, depth, alone)


def describe(camera: Camera) -> dict[str, Any]:
    """The camera as plain values."""
    return {
        "distance": round(camera.distance, 4),
        "pitch": round(camera.pitch, 4),
        "focal": round(camera.focal, 4),
        "target": [round(value, 4) for value in camera.target],
    }
