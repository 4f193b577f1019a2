"""What a study's plots are drawn on and with: panels, a look for each method, points with intervals, bands."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mr1.report.drawing import INK, SERIES, STYLE, WIDTH, Plot, inline_svg, named, smooth, svg_of, window_of
from mr1.study.results import UNTRAINED, Curve, Results

Paint = Callable[[Sequence[Axes]], None]

Legend = Mapping[str, Mapping[str, Any]]
"""How the lines of each label look."""

Shown = tuple[str, str]
"""The task that was trained on, and what is shown of it."""

DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1.2, 1.2)))
MARKS = ("o", "s", "D")
"""Of a method's lines and points: with more methods than colours, the colours come again with the next."""
DPI = 170
LINE = 0.24
"""Inches of a line with one method."""


@dataclass(frozen=True)
class Drawing:
    """A plot in every form that it is needed in."""

    name: str
    """Of its files."""
    plot: Plot
    """For the page."""
    svg: str
    png: bytes


def draw(name: str, title: str, reading: str, heights: Sequence[float], paint: Paint, legend: Legend) -> Drawing:
    """Make a drawing of panels one above the other.

    Args:
        name: of the files.
        title: stands above it on the page.
        reading: stands below it there.
        heights: of the panels, in inches.
        paint: draws on them.
        legend: labels and how their lines look; empty for none.
    """
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        columns = legend_columns(legend)
        above = 0.2 + 0.19 * math.ceil(len(legend) / columns) if legend else 0.1
        figure = Figure(figsize=(WIDTH, sum(heights) + above + 0.1), layout="constrained")
        axes = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
        paint(axes)
        if legend:
            lines = [axes[0].plot([], [], label=named(label), **look)[0] for label, look in legend.items()]
            figure.legend(handles=lines, loc="outside upper left", ncols=columns)
        figure.align_ylabels()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # all forms have the places that were found for the first
        svg, png = svg_of(figure), io.BytesIO()
        figure.savefig(png, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return Drawing(name, Plot(title, reading, inline_svg(svg, title)), _on_white(svg), png.getvalue())


def legend_columns(labels: Collection[str]) -> int:
    """How many labels stand side by side in a plot's width."""
    return max(1, min(3, int(58 / (7 + max(map(len, labels), default=0)))))


def _on_white(svg: str) -> str:
    """An SVG document with a white ground."""
    return re.sub(r"(<svg[^>]*>)", r'\1\n <rect width="100%" height="100%" fill="white"/>', svg, count=1)


def style_of(results: Results, method: str) -> dict[str, Any]:
    """The colour and the dashes of a method's lines."""
    if method == UNTRAINED:
        return {"color": INK, "linestyle": DASHES[2]}
    number = results.methods.index(method)
    return {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number // len(SERIES) % len(DASHES)]}


def point_of(results: Results, method: str) -> dict[str, Any]:
    """The colour and the mark of a method's points."""
    number = 0 if method == UNTRAINED else results.methods.index(method)
    return {"color": style_of(results, method)["color"], "marker": MARKS[number // len(SERIES) % len(MARKS)]}


def legend_of(results: Results, methods: Sequence[str]) -> Legend:
    return {method: style_of(results, method) for method in results.methods if method in methods}


def panels_of(results: Results, drawn: Iterable[tuple[Shown, str]]) -> list[tuple[Shown, set[str]]]:
    """Panels: what each shows, and whose lines are in colour on it.

    All methods share a panel; where there are more than colours, those of each round of colours do.

    Args:
        results: their order of methods gives the rounds.
        drawn: what is shown, and of which method.
    """
    panels: dict[Shown, dict[int, set[str]]] = {}
    for shown, method in drawn:
        rounds = panels.setdefault(shown, {})
        rounds.setdefault(results.methods.index(method) // len(SERIES), set()).add(method)
    return [(shown, rounds[number]) for shown, rounds in panels.items() for number in sorted(rounds)]


def in_rounds(panels: Sequence[tuple[Shown, set[str]]]) -> bool:
    """Whether the same is shown on several panels."""
    return len({shown for shown, _ in panels}) < len(panels)


def interval(axes: Axes, x: float, y: float, low: float, high: float, across: bool, **look: Any) -> None:
    """A point with its interval; `across` where the axis of the figure is the horizontal one."""
    middle = x if across else y
    look["xerr" if across else "yerr"] = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
    drawn: dict[str, Any] = {"marker": "o", "markersize": 4.5, "capsize": 2.5} | look
    axes.errorbar([x], [y], **drawn)


def rows(axes: Axes, names: Sequence[str]) -> None:
    """A horizontal line for each name, the first on top."""
    axes.set_yticks(range(len(names)), [named(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def same_width(axes: Sequence[Axes]) -> None:
    """All panels with one range of the horizontal axis."""
    low, high = min(panel.get_xlim()[0] for panel in axes), max(panel.get_xlim()[1] for panel in axes)
    for panel in axes:
        panel.set_xlim(low, high)


def alike(axes: Sequence[Axes], shown: Sequence[object]) -> None:
    """The same limits on the panels that show the same."""
    for what in dict.fromkeys(shown):
        panels = [panel for panel, each in zip(axes, shown, strict=True) if each == what]
        for limits, name in ((Axes.get_xlim, "xlim"), (Axes.get_ylim, "ylim")):
            low, high = zip(*map(limits, panels), strict=True)
            for panel in panels:
                panel.set(**{name: (min(low), max(high))})


def band(
    axes: Axes, curve: Curve, look: Mapping[str, Any], scale: float = 1, smoothed: bool = True, behind: bool = False
) -> None:
    """The seeds' mean as a line, in a band from the lowest to the highest; `behind` others, as a pale line alone."""
    steps = np.array(curve.steps)
    mean, low, high = (
        scale * np.array([math.nan if value is None else value for value in each])
        for each in (curve.mean, curve.low, curve.high)
    )
    if smoothed:
        window = window_of(len(steps))
        mean, low, high = smooth(mean, window), smooth(low, window), smooth(high, window)
    if behind:
        axes.plot(steps, mean, color=INK, linewidth=0.7, alpha=0.3, zorder=1)
        return
    axes.fill_between(steps, low, high, color=look["color"], alpha=0.13, linewidth=0)
    axes.plot(steps, mean, linewidth=1.5, **look)
