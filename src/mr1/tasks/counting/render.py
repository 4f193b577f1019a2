"""The picture of a scene: shading of the objects, soft shadows on the ground and on other objects.

Objects are cast at twice the resolution and averaged; the ground, which is smooth, is computed once per pixel and shows
where objects leave it uncovered. Light is added up in linear space; a square root stands in for the display's curve.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mr1.tasks.counting.camera import Camera, Cast, Item, boxes, cast, pixel_box, pixel_centers
from mr1.tasks.counting.scene import PROBE, Light, Scene, World
from mr1.tasks.counting.shapes import SOLIDS, Bools, Floats, Vector

Indices: TypeAlias = npt.NDArray[np.intp]

SUPERSAMPLING = 2
GROUND_RAYS = 12
"""Directions into the key light's disc that make the soft shadows on the ground."""
OBJECT_RAYS = 4
LIGHT_RADIUS = 0.1
"""Radius of the key light's disc, in radians."""
AMBIENT, KEY, FILL = 0.34, 0.72, 0.16
EXPOSURE = 1.3
CONTACT = 1.6
"""How far the darkening around an object's foot reaches, in footprints."""


def render(scene: Scene, size: int) -> Image.Image:
    """Draw a scene as a square RGB picture of `size` pixels."""
    resolution = size * SUPERSAMPLING
    hits = scene.hits if resolution == PROBE else cast(scene.items, scene.camera, resolution)
    fine = np.flatnonzero(hits.ids >= 0)
    fine = fine[np.argsort(hits.ids.ravel()[fine], kind="stable")]
    colors = np.minimum(_shade(scene, hits, fine), 1)
    pixel = fine // resolution // SUPERSAMPLING * size + fine % resolution // SUPERSAMPLING
    share = 1 / SUPERSAMPLING**2
    covered = np.bincount(pixel, minlength=size * size).astype(np.float32).reshape(size, size)
    picture = _ground(scene, size) * (1 - share * covered)
    for channel, color in zip(picture, colors, strict=True):
        channel += share * np.bincount(pixel, color, size * size).astype(np.float32).reshape(size, size)
    finished = (np.sqrt(picture) * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(finished, 0, -1)))


def _linear(*colors: tuple[int, int, int]) -> Floats:
    """sRGB colours -> light, (3, number of colours)."""
    return _power(np.array(colors, np.float32).T / 255, 1)


@functools.lru_cache(maxsize=4)
def _light_disc(light: Light, rays: int) -> Floats:
    """Directions spread over the light's disc by the golden angle, (rays, 3)."""
    toward = light.direction
    side = np.array([toward[1], -toward[0], 0]) / math.hypot(toward[0], toward[1])
    other = np.cross(side, toward)
    number = np.arange(rays)
    radius, angle = LIGHT_RADIUS * np.sqrt((number + 0.5) / rays), number * math.pi * (3 - math.sqrt(5))
    spread = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
    return (toward + radius[:, None] * spread).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _bare_ground(size: int, color: tuple[int, int, int]) -> Floats:
    """The lit ground without objects, (3, size, size), linear: brighter in the middle, darker to the corners."""
    position = pixel_centers(0, size, size)
    u, v = position[None], position[:, None]
    fade = 1.06 - 0.55 * (_power(u - 0.48, 1) + _power(v - 0.42, 1))
    return fade * _linear(color)[..., None]


def _ground(scene: Scene, size: int) -> Floats:
    """The ground with the objects' shadows and the darkening at their feet, (3, size, size), linear."""
    position = pixel_centers(0, size, size)
    x, y = scene.camera.ground(position[None], position[:, None])
    x = np.broadcast_to(x, (size, size))
    y = np.broadcast_to(y, (size, size))
    disc = _light_disc(scene.light, GROUND_RAYS)
    lit = np.ones((GROUND_RAYS, size, size), np.bool_)
    open_sky = np.ones((size, size), np.float32)
    areas = _shadow_areas(scene.items, scene.camera, disc)
    for item, area in zip(scene.items, areas, strict=True):
        left, top, right, bottom = pixel_box(area, size)
        window = np.s_[top:bottom, left:right]
        points = (x[window], y[window], np.zeros((), np.float32))
        lit[:, top:bottom, left:right] &= ~_blocked(item, points, disc)
        away = np.sqrt(_power(x[window] - item.x, 1) + _power(y[window] - item.y, 1)) / item.extent[0]
        open_sky[window] *= 1 - 0.6 * _power(np.minimum(np.maximum(CONTACT - away, 0), 1), 1)
    key = KEY * scene.light.strength * (lit.view(np.uint8).sum(axis=0, dtype=np.uint8) / np.float32(GROUND_RAYS))
    light = (key + (AMBIENT + FILL) * open_sky) / (KEY + AMBIENT + FILL)
    return _bare_ground(size, scene.world.ground) * light


def _shadow_areas(items: Sequence[Item], camera: Camera, disc: Floats) -> Floats:
    """Screen points that span each object's shadow and foot, (n, N, 2)."""
    corners = boxes(items)
    slopes = disc[:, :2] / disc[:, 2:]
    ends = np.stack([slopes.min(axis=0), slopes.max(axis=0)])
    fallen = corners[:, :, None, :2] - corners[:, :, None, 2:] * ends
    feet = np.array([(item.x, item.y) for item in items], np.float32)[:, None, None]
    around = feet + CONTACT * (corners[:, :, None, :2] - feet)
    flat = np.concatenate([fallen.reshape(len(items), -1, 2), around.reshape(len(items), -1, 2)], axis=1)
    return camera.project(np.concatenate([flat, np.zeros_like(flat[..., :1])], axis=-1))


def _blocked(item: Item, points: Vector, disc: Floats) -> Bools:
    """Whether an object hides each direction of the light from each point: (rays, *points.shape)."""
    shape = (len(disc),) + (1,) * points[0].ndim
    toward = (disc[:, 0].reshape(shape), disc[:, 1].reshape(shape), disc[:, 2].reshape(shape))
    near, far = SOLIDS[item.shape].interval(item.point_to_local(points), item.to_local(toward))
    return (near < far) & (far > 0)


def _shade(scene: Scene, hits: Cast, where: Indices) -> Floats:
    """Colours of the objects at the flat pixels `where`, which are sorted by object: (3, N), linear."""
    resolution = hits.ids.shape[0]
    depth = hits.depth.ravel()[where]
    position = pixel_centers(0, resolution, resolution)
    ray = scene.camera.rays(position[where % resolution], position[where // resolution])
    eye = scene.camera.position
    point = (eye[0] + depth * ray[0], eye[1] + depth * ray[1], eye[2] + depth * ray[2])
    normal = np.empty((3, len(where)), np.float32)
    lit = np.ones(len(where), np.float32)
    disc = _light_disc(scene.light, OBJECT_RAYS)
    counts = hits.seen
    for item, count, end in zip(scene.items, counts, itertools.accumulate(counts), strict=True):
        mine = slice(end - count, end)
        here = (point[0][mine], point[1][mine], point[2][mine])
        normal[:, mine] = item.to_world(SOLIDS[item.shape].normal(item.point_to_local(here)))
        blockers = [other for other in scene.items if other is not item and _may_shade(other, item, scene.light)]
        if blockers:
            blocked = functools.reduce(np.logical_or, (_blocked(other, here, disc) for other in blockers))
            lit[mine] = 1 - blocked.mean(axis=0, dtype=np.float32)
    view = np.stack(ray) / np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
    centers = np.array([item.center for item in scene.items], np.float32).T
    scales = np.array([item.scale for item in scene.items], np.float32)
    offset = (np.stack(point) - np.repeat(centers, counts, axis=1)) / np.repeat(scales, counts)
    return _surface(scene, counts, normal, view, lit, offset)


def _may_shade(blocker: Item, item: Item, light: Light) -> bool:
    """Whether the blocker's shadow can reach the item: a cheap test that is never wrong when it says no."""
    toward = light.direction
    flat = math.hypot(float(toward[0]), float(toward[1]))
    ahead_x, ahead_y = float(toward[0]) / flat, float(toward[1]) / flat
    x, y = blocker.x - item.x, blocker.y - item.y
    apart = (blocker.extent[0] + item.extent[0]) * 1.1
    along, across = x * ahead_x + y * ahead_y, abs(x * ahead_y - y * ahead_x)
    length = blocker.extent[2] * flat / float(toward[2]) * 1.4
    return -apart < along < length + apart and across < apart + LIGHT_RADIUS * length * 2


def _surface(
    scene: Scene,
    counts: list[int],
    normal: Floats,
    view: Floats,
    lit: Floats,
    offset: Floats,
) -> Floats:
    """Colours of N surface points, (3, N), linear.

    `counts` says how many of them belong to each object, in order. `normal`, `view` and `offset`, the place relative to
    the object's centre in units of its scale, are (3, N); `lit` is the share of the key light that reaches the point.
    """
    world, light = scene.world, scene.light
    toward = light.direction
    fill = np.array([0.75, -0.55, 0.36], np.float32)
    mirrored = view - 2 * (view * normal).sum(axis=0) * normal
    key = np.maximum(toward @ normal, 0) * lit * (KEY * light.strength)
    foot = 0.6 + 0.4 * np.clip(0.8 + 0.8 * offset[2], 0, 1)
    around = AMBIENT * (0.62 + 0.38 * normal[2]) * foot + FILL * np.maximum(fill @ normal, 0)
    gloss = np.maximum(toward @ mirrored, 0) * (0.2 + 0.8 * lit)
    albedo = np.repeat(_linear(*(world.colors[item.color] for item in scene.items)), counts, axis=1)
    colors = albedo * (EXPOSURE * (key + around)) + 0.04 * _power(gloss, 3) * lit
    metal = np.flatnonzero(np.repeat([item.material == "metal" for item in scene.items], counts))
    diffuse = (key + around)[metal]
    # What is mirrored is not infinitely far away, so flat faces show more than one colour of it.
    seen = mirrored[:, metal] + 0.3 * offset[:, metal]
    colors[:, metal] = _metal(world, albedo[:, metal], seen, gloss[metal], diffuse, foot[metal])
    return colors


def _power(base: Floats, doublings: int) -> Floats:
    """base ** 2 ** doublings, much faster than a power of floats."""
    for _ in range(doublings):
        base = base * base
    return base


def _bump(x: Floats, middle: float, width: float) -> Floats:
    """1 in the middle, falling smoothly to 0 at `width` to either side."""
    return _power(np.maximum(1 - _power((x - middle) / width, 1), 0), 1)


def _metal(world: World, albedo: Floats, mirrored: Floats, gloss: Floats, diffuse: Floats, foot: Floats) -> Floats:
    """Metal mirrors made-up surroundings, tinted by its colour.

    Bright sky above a dark horizon, lit ground below, two strips of light to the left and right, and the lamp itself.
    """
    across, _, up = mirrored
    above = np.clip((up + 0.02) / 0.2, 0, 1)
    above = above * above * (3 - 2 * above)
    studio = 0.5 + 0.9 * _bump(across, -0.45, 0.4) + 0.45 * _bump(across, 0.55, 0.3)
    sky = (0.35 + 0.85 * np.maximum(up, 0)) * above * studio
    ground = (0.3 + 0.9 * np.clip(-up, 0, 1)) * (1 - above) * foot * foot * studio
    surroundings = _linear(world.sky) * sky + _linear(world.ground) * ground
    lamp = 0.5 * _power(gloss, 4) + 1.2 * _power(gloss, 7)
    tint = 0.025 + 0.975 * albedo
    return tint * (1.5 * surroundings + 0.45 * diffuse) + lamp * (0.3 + 0.7 * tint)
