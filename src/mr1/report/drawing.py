"""What all plots share: colours, style, series of numbers, and a drawing as inline SVG.

A plot follows the page's colours: each colour of the drawing becomes a CSS variable of the page, with the colour itself
as its fallback, so one drawing serves a light and a dark page. Series colours are Okabe and Ito's, which people with
colour-blindness can tell apart.
"""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]

INK = "#5a6472"
COLOURS = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#b0578d",
    "amber": "#c98a00",
    "sky": "#4a9fd4",
}
SERIES = tuple(COLOURS.values())
VARIABLES = {INK: "currentColor"} | {colour: f"var(--{name}, {colour})" for name, colour in COLOURS.items()}

STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "svg.fonttype": "none",
    "text.parse_math": False,
}
WIDTH = 4.8
"""Inches. Narrow, so that the text is still readable when the page is as wide as a phone."""


@dataclass(frozen=True)
class Plot:
    """A drawing with what the page says above and below it."""

    title: str
    reading: str
    """How to read it."""
    svg: str


def binned(values: Array, size: int) -> Array:
    """Means of `size` neighbours each, the NaNs left out; NaN where a bin has nothing else."""
    padded = np.full(-(-len(values) // size) * size, np.nan)
    padded[: len(values)] = values
    rows = padded.reshape(-1, size)
    counts = np.isfinite(rows).sum(axis=1)
    return np.where(counts > 0, np.nansum(rows, axis=1) / np.maximum(counts, 1), np.nan)


def smooth(values: Array, window: int) -> Array:
    """The mean of up to `window` neighbours around each value (an odd number), fewer at the ends; gaps stay gaps."""
    finite = np.isfinite(values)
    kernel = np.ones(window)
    half = window // 2
    sums = np.convolve(np.where(finite, values, 0.0), kernel)[half : half + len(values)]
    counts = np.convolve(finite.astype(np.float64), kernel)[half : half + len(values)]
    return np.where(finite, sums / np.maximum(counts, 1.0), np.nan)


def window_of(points: int) -> int:
    """The window that a line of so many points is smoothed with: about a fifteenth, odd; 1 (none) for short runs."""
    return 1 if points < 12 else 2 * max(1, points // 30) + 1


def named(label: str) -> str:
    """A label as a legend shows it: matplotlib leaves out those that begin with an underscore."""
    return f"\u200b{label}" if label.startswith("_") else label


def svg_of(figure: Figure) -> str:
    """A drawing as an SVG document without a ground.

    To be called within the `rc_context` that it was drawn in. Its `svg.hashsalt` keeps the names that a drawing
    refers to apart from those of the page's other drawings.
    """
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    return buffer.getvalue()


def inline_svg(svg: str, label: str) -> str:
    """A document of `svg_of` as an element of a page: without its prologue and unused names, in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg)
    svg = re.sub(r" (?:width|height)=\"[\d.]+pt\"| xmlns(?::xlink)?=\"[^\"]*\"", "", svg, count=4)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
