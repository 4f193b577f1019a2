"""The solids of the counting task: where a ray enters and leaves each, and which way its surface faces.

Every solid is convex, stands on the plane z = 0 and is about one unit in radius, so an object is a solid that was
scaled, turned and moved. Being convex, a solid meets a ray in one interval, and the functions here only have to find
that interval: an intersection of simpler intervals (planes, quadrics) or, for the capsule, a hull of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
"""float32 throughout; numpy's stubs lose that in arithmetic with plain numbers."""
Bools: TypeAlias = npt.NDArray[np.bool_]
Vector: TypeAlias = tuple[Floats, Floats, Floats]
"""x, y and z as three arrays that broadcast against each other."""
Interval: TypeAlias = tuple[Floats, Floats]
"""Where rays enter and leave, in multiples of their direction; a ray misses where it would leave before it enters."""

INF = np.float32(np.inf)
TINY = np.float32(1e-12)


@dataclass(frozen=True)
class Solid:
    """One solid, in its own unit frame."""

    footprint: float
    """Radius of the smallest upright cylinder around the solid."""
    height: float
    interval: Callable[[Vector, Vector], Interval]
    """Origins and directions of rays -> where they are inside."""
    normal: Callable[[Vector], Vector]
    """Points on the surface -> unit normals."""


def _quadric(a: Floats, b: Floats, c: Floats) -> Interval:
    """The interval in which a t^2 + 2 b t + c <= 0, for a > 0."""
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    missed = discriminant < 0
    return np.where(missed, INF, -(b + root) / a), np.where(missed, -INF, (root - b) / a)


def _slab(origin: Floats, direction: Floats, low: float, high: float) -> Interval:
    """The interval between two planes; the direction must not lie in them."""
    first, second = (low - origin) / direction, (high - origin) / direction
    return np.minimum(first, second), np.maximum(first, second)


def _both(first: Interval, second: Interval) -> Interval:
    return np.maximum(first[0], second[0]), np.minimum(first[1], second[1])


def _ball(origin: Vector, direction: Vector, height: float, radius: float) -> Interval:
    (x, y, z), (dx, dy, dz) = origin, direction
    z = z - height
    a = dx * dx + dy * dy + dz * dz
    b = x * dx + y * dy + z * dz
    c = x * x + y * y + z * z - radius * radius
    return _quadric(a, b, c)


def _tube(origin: Vector, direction: Vector, radius: float) -> Interval:
    (x, y, _), (dx, dy, _) = origin, direction
    a = dx * dx + dy * dy
    b = x * dx + y * dy
    c = x * x + y * y - radius * radius
    return _quadric(a, b, c)


def _sphere() -> Solid:
    return Solid(1.0, 2.0, lambda o, d: _ball(o, d, 1.0, 1.0), lambda p: (p[0], p[1], p[2] - 1))


def _cylinder() -> Solid:
    def interval(origin: Vector, direction: Vector) -> Interval:
        return _both(_tube(origin, direction, 1.0), _slab(origin[2], direction[2], 0.0, 2.0))

    def normal(point: Vector) -> Vector:
        x, y, z = point
        radius = np.sqrt(x * x + y * y)
        top = z - 2 > radius - 1
        return np.where(top, 0, x / radius), np.where(top, 0, y / radius), top.astype(np.float32)

    return Solid(1.0, 2.0, interval, normal)


def _cone() -> Solid:
    def interval(origin: Vector, direction: Vector) -> Interval:
        # |(x, y)| <= (2 - z) / 2. Rays are less steep than the side, so the quadratic opens upwards.
        (x, y, z), (dx, dy, dz) = origin, direction
        below, fall = 1 - z / 2, dz / 2
        a = dx * dx + dy * dy - fall * fall
        b = x * dx + y * dy + below * fall
        c = x * x + y * y - below * below
        return _both(_quadric(a, b, c), _slab(z, dz, 0.0, 2.0))

    def normal(point: Vector) -> Vector:
        x, y, _ = point
        radius = np.sqrt(x * x + y * y) + np.float32(1e-6)
        side = 2 / math.sqrt(5)
        return x / radius * side, y / radius * side, np.full_like(x, side / 2)

    return Solid(1.0, 2.0, interval, normal)


def _capsule(radius: float, height: float) -> Solid:
    low, high = radius, height - radius

    def interval(origin: Vector, direction: Vector) -> Interval:
        near, far = _both(_tube(origin, direction, radius), _slab(origin[2], direction[2], low, high))
        missed = near > far
        near, far = np.where(missed, INF, near), np.where(missed, -INF, far)
        for centre in (low, high):
            enter, leave = _ball(origin, direction, centre, radius)
            near, far = np.minimum(near, enter), np.maximum(far, leave)
        return near, far

    def normal(point: Vector) -> Vector:
        x, y, z = point
        return x / radius, y / radius, (z - np.clip(z, low, high)) / radius

    return Solid(radius, height, interval, normal)


def _cube(half: float) -> Solid:
    def interval(origin: Vector, direction: Vector) -> Interval:
        # A ray along a side: the tiny slope sends the crossings far away, to the sides that are right.
        (x, y, z), (dx, dy, dz) = origin, direction
        sides = _both(_slab(x, dx + TINY, -half, half), _slab(y, dy + TINY, -half, half))
        return _both(sides, _slab(z, dz, 0.0, 2 * half))

    def normal(point: Vector) -> Vector:
        x, y, z = point[0] / half, point[1] / half, point[2] / half - 1
        across = np.maximum(np.abs(x), np.abs(y))
        top = z > across
        side = ~top & (np.abs(x) == across)
        return np.where(side, np.sign(x), 0), np.where(top | side, 0, np.sign(y)), top.astype(np.float32)

    return Solid(half * math.sqrt(2), 2 * half, interval, normal)


def _pyramid(half: float, height: float) -> Solid:
    slope = half / height
    out, up = height / math.hypot(half, height), half / math.hypot(half, height)

    def interval(origin: Vector, direction: Vector) -> Interval:
        # |x| <= half - slope z, and the same for y: a ray enters at the last plane that it meets from outside.
        (x, y, z), (dx, dy, dz) = origin, direction
        near, far = _slab(z, dz, 0.0, height)
        for sign in (1, -1):
            for place, step in ((x, dx), (y, dy)):
                speed = sign * step + slope * dz + TINY
                crossing = (half - slope * z - sign * place) / speed
                near = np.maximum(near, np.where(speed < 0, crossing, -INF))
                far = np.minimum(far, np.where(speed > 0, crossing, INF))
        return near, far

    def normal(point: Vector) -> Vector:
        x, y, _ = point
        side = np.abs(x) > np.abs(y)
        return np.where(side, np.sign(x) * out, 0), np.where(side, 0, np.sign(y) * out), np.full_like(x, up)

    return Solid(half * math.sqrt(2), height, interval, normal)


SOLIDS = {
    "cube": _cube(0.78),
    "sphere": _sphere(),
    "cylinder": _cylinder(),
    "cone": _cone(),
    "capsule": _capsule(0.7, 2.4),
    "pyramid": _pyramid(0.85, 1.8),
}
