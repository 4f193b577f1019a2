"""Draws a figure: points, lines and marks, turned and scaled a little, with letters where they cover no line.

The figure is drawn at several times its size and reduced, which makes its edges smooth. Lengths on the page are in
units of 1/112 of the image's side, so that a figure looks the same at every size.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mr1.tasks.geometry.problem import Figure

PAGE = 112.0
OVERSAMPLING = 4
INK, PAPER = 20, 255
LINE, THIN = 1.5, 1.3
MARGIN, BARE_MARGIN = 14.0, 9.0
"""Room around a figure, with and without letters."""
LETTER, DIGIT = 13.0, 12.0
LETTER_SPACE = 6.0
"""How far a letter's middle should stay from lines and marks."""
TURN = 20.0
"""A figure is turned by at most as many degrees."""


@lru_cache(maxsize=256)
def glyph(letter: str, pixels: int) -> Image.Image:
    """One bold character as a mask, cropped to its ink."""
    font = ImageFont.load_default(pixels)
    mask = Image.new("L", (2 * pixels, 2 * pixels))
    ImageDraw.Draw(mask).text(
        (pixels // 2, pixels // 4), letter, fill=255, font=font, stroke_width=max(1, round(pixels / 26))
    )
    return mask.crop(mask.getbbox())


def place(figure: Figure, rng: np.random.Generator) -> dict[str, complex]:
    """Where the points are on the page (y down), after a small turn, perhaps a reflection, and a change of scale."""
    turn = cmath.rect(1, math.radians(rng.uniform(-TURN, TURN)))
    mirrored = bool(rng.integers(2))
    points = {}
    for name, point in figure.points.items():
        turned = point * turn
        points[name] = complex(-turned.real if mirrored else turned.real, -turned.imag)
    shown = [points[name] for name in points if any(name in line for line in figure.lines)]
    if figure.circle:
        middle, radius = points[figure.circle[0]], abs(points[figure.circle[1]] - points[figure.circle[0]])
        shown = [middle - complex(radius, radius), middle + complex(radius, radius)]
    left, right = min(p.real for p in shown), max(p.real for p in shown)
    top, bottom = min(p.imag for p in shown), max(p.imag for p in shown)
    margin = MARGIN if figure.labels else BARE_MARGIN
    room = PAGE - 2 * margin
    scale = room / max(right - left, bottom - top) * rng.uniform(0.9, 1.0)
    free = complex(PAGE - scale * (right - left), PAGE - scale * (bottom - top)) - complex(2 * margin, 2 * margin)
    corner = complex(margin + free.real * rng.uniform(0.3, 0.7), margin + free.imag * rng.uniform(0.3, 0.7))
    return {name: corner + scale * (point - complex(left, top)) for name, point in points.items()}


class Page:
    """A page that is being drawn on, and what is on it already: a letter keeps clear of it."""

    def __init__(self, size: int) -> None:
        self.unit = size * OVERSAMPLING / PAGE
        self.image = Image.new("L", (size * OVERSAMPLING, size * OVERSAMPLING), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self.segments: list[tuple[complex, complex]] = []
        self.spots: list[tuple[complex, float]] = []
        """Middles and radii of marks and letters."""

    def box(self, middle: complex, radius: float) -> tuple[float, float, float, float]:
        """The square around a circle, in pixels."""
        x, y, r = middle.real * self.unit, middle.imag * self.unit, radius * self.unit
        return x - r, y - r, x + r, y + r

    def line(self, start: complex, end: complex, width: float = LINE) -> None:
        """A line with round ends."""
        ends = [(point.real * self.unit, point.imag * self.unit) for point in (start, end)]
        self.pen.line(ends, fill=INK, width=round(width * self.unit))
        for point in (start, end):
            self.pen.ellipse(self.box(point, width / 2), fill=INK)
        self.segments.append((start, end))

    def circle(self, middle: complex, radius: float) -> None:
        """A circle's outline."""
        self.pen.ellipse(self.box(middle, radius + LINE / 2), outline=INK, width=round(LINE * self.unit))
        corners = [middle + cmath.rect(radius, math.radians(15 * i)) for i in range(25)]
        self.segments += list(pairwise(corners))

    def dot(self, middle: complex) -> None:
        """A point."""
        self.pen.ellipse(self.box(middle, 2.0), fill=INK)

    def tick(self, start: complex, end: complex) -> None:
        """The mark of equal segments, across the middle of one."""
        middle, across = (start + end) / 2, 1j * (end - start) / abs(end - start)
        self.line(middle - 4 * across, middle + 4 * across, 1.8)

    def square(self, first: complex, vertex: complex, last: complex) -> None:
        """The mark of a right angle."""
        side = min(8.0, 0.4 * abs(first - vertex), 0.4 * abs(last - vertex))
        along, across = (side * (end - vertex) / abs(end - vertex) for end in (first, last))
        self.line(vertex + along, vertex + along + across, THIN)
        self.line(vertex + across, vertex + along + across, THIN)

    def arc(self, first: complex, vertex: complex, last: complex, radius: float) -> tuple[complex, float]:
        """An arc across an angle. Returns the direction of its middle and the angle's degrees."""
        start, end = (math.degrees(cmath.phase(point - vertex)) for point in (first, last))
        wide = (end - start) % 360
        if wide > 180:
            start, wide = end, 360 - wide
        self.pen.arc(self.box(vertex, radius + THIN / 2), start, start + wide, fill=INK, width=round(THIN * self.unit))
        toward = cmath.rect(1, math.radians(start + wide / 2))
        self.spots.append((vertex + radius * toward, 1.0))
        return toward, wide

    def equal_arc(self, first: complex, vertex: complex, last: complex) -> None:
        """The mark of equal angles: an arc with a tick across it."""
        radius = min(22.0, 0.6 * abs(first - vertex), 0.6 * abs(last - vertex))
        toward, _ = self.arc(first, vertex, last, radius)
        self.line(vertex + (radius - 3) * toward, vertex + (radius + 3) * toward, 1.6)

    def number(self, digit: str, first: complex, vertex: complex, last: complex) -> None:
        """An arc with a numeral beside it, as far out as the angle has room for it."""
        half = math.radians(abs(math.degrees(cmath.phase((last - vertex) / (first - vertex))))) / 2
        away = max(14.0, 5.8 / math.sin(half))
        toward, _ = self.arc(first, vertex, last, min(away - 6.5, 14.0))
        self.write(digit, vertex + away * toward, DIGIT)

    def write(self, letter: str, middle: complex, size: float) -> None:
        """A character."""
        mask = glyph(letter, round(size * self.unit))
        corner = (round(middle.real * self.unit - mask.width / 2), round(middle.imag * self.unit - mask.height / 2))
        self.image.paste(INK, corner, mask)
        self.spots.append((middle, 5.0))

    def label(self, letter: str, point: complex, outward: complex) -> None:
        """A point's letter, beside the point where it covers least."""
        places = RING + point
        nearness = np.abs(np.clip(distances(places, self.segments), 0, LETTER_SPACE) - LETTER_SPACE)
        cost = (nearness**2).sum(axis=1) + 0.15 * np.abs(RING) - 2.0 * (RING * outward.conjugate()).real / np.abs(RING)
        for middle, radius in self.spots:
            cost += 2 * np.clip(LETTER_SPACE + radius - np.abs(places - middle), 0, None) ** 2
        edge = np.minimum(np.minimum(places.real, places.imag), PAGE - np.maximum(places.real, places.imag))
        cost += 20 * np.clip(LETTER_SPACE - edge, 0, None) ** 2
        self.write(letter, complex(places[int(cost.argmin())]), LETTER)


RING: NDArray[np.complex128] = np.concatenate(
    [radius * np.exp(2j * np.pi * np.arange(24) / 24) for radius in (8.0, 9.5, 11.5)]
)
"""Where a letter can stand, relative to its point."""


def distances(places: NDArray[np.complex128], segments: list[tuple[complex, complex]]) -> NDArray[np.float64]:
    """(P, S): how far each of P places is from each of S segments."""
    starts, ends = np.array(segments, dtype=np.complex128).T
    along = ends - starts
    offset = places[:, None] - starts
    part = np.clip((offset * along.conj()).real / np.abs(along) ** 2, 0, 1)
    return np.abs(offset - part * along)


def draw(figure: Figure, size: int, rng: np.random.Generator) -> Image.Image:
    """The figure as an RGB picture of `size` by `size` pixels; the generator chooses how it lies on the page."""
    at = place(figure, rng)
    page = Page(size)
    for name in figure.lines:
        page.line(at[name[0]], at[name[1]])
    if figure.circle:
        middle, rim = (at[end] for end in figure.circle)
        page.circle(middle, abs(rim - middle))
    for name in figure.dots:
        page.dot(at[name])
    for name in figure.ticks:
        page.tick(*(at[end] for end in name))
    for name in figure.squares:
        page.square(*(at[point] for point in name))
    for name in figure.arcs:
        page.equal_arc(*(at[point] for point in name))
    for digit, name in figure.numbers.items():
        page.number(digit, *(at[point] for point in name))
    for name in figure.labels:
        neighbours = [at[line.replace(name, "")] for line in figure.lines if name in line]
        outward = sum(((at[name] - end) / abs(at[name] - end) for end in neighbours), start=0j)
        page.label(name, at[name], outward / max(abs(outward), 1e-9) if abs(outward) > 0.1 else 0j)
    return page.image.reduce(OVERSAMPLING).convert("RGB")
