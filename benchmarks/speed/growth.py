"""How time and memory of both sides' steps grow: one thing is changed at a time, the others stay as at the base."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.speed.pairs import SIDES, measure_pairs, typical
from benchmarks.speed.work import Work

AXES: dict[str, tuple[int, ...]] = {
    "group_size": (4, 8, 16, 32),
    "pixels": (224, 448, 896),
    "new_tokens": (32, 128, 512),
    "prompts": (1, 2, 4),
    "hidden": (256, 512, 1024),
}
LABELS = {
    "group_size": "completions of each prompt",
    "pixels": "tokens of an image",
    "new_tokens": "tokens of a completion",
    "prompts": "prompts in a step",
    "hidden": "width of the hidden states",
}
FIGURES = ("seconds", "memory")


def measure_growth(axes: Sequence[str] = tuple(AXES), pairs: int = 1) -> dict[str, Any]:
    """Each axis's points.

    Returns:
        By axis: `x`; `seconds` and `memory`, by side a list of what each point takes over what MR1 takes at the base;
        and `slopes`, by figure and side.
    """
    results: dict[Work, dict[str, Any]] = {}
    works = {axis: [_work(axis, each) for each in AXES[axis]] for axis in axes}
    for work in (Work(), *(work for points in works.values() for work in points)):
        if work not in results:
            results[work] = measure_pairs(work, pairs, count=False)
    start = {figure: typical(results[Work()]["steps"]["mr1"], figure) for figure in FIGURES}
    grown = {}
    for axis, points in works.items():
        x = [work.image_tokens if axis == "pixels" else getattr(work, axis) for work in points]
        curves = {
            figure: {
                side: [typical(results[work]["steps"][side], figure) / start[figure] for work in points]
                for side in SIDES
            }
            for figure in FIGURES
        }
        slopes = {figure: {side: slope(x, y) for side, y in by_side.items()} for figure, by_side in curves.items()}
        grown[axis] = {"x": x, **curves, "slopes": slopes}
    return grown


def _work(axis: str, value: int) -> Work:
    settings: dict[str, Any] = {axis: value}
    return Work(**settings)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent of growth: the slope of log y over log x, by least squares. 1 is proportional, 0 is constant."""
    logs = [(math.log(a), math.log(b)) for a, b in zip(x, y, strict=True)]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in logs)
    return covariance / sum((a - mean_x) ** 2 for a, _ in logs)


def growth_table(grown: dict[str, Any]) -> Table:
    """A row for each axis: slopes, and TRL over MR1 at its smallest and largest point."""
    table = Table("axis", title="growth: exponent of time and memory, and TRL over MR1 at the axis's ends")
    for header in ("time, MR1", "time, TRL", "memory, MR1", "memory, TRL", "time ratio", "memory ratio"):
        table.add_column(header, justify="right")
    for axis, curves in grown.items():
        cells = [f"{curves['slopes'][figure][side]:.2f}" for figure in FIGURES for side in SIDES]
        for figure in FIGURES:
            ends = [curves[figure]["trl"][i] / curves[figure]["mr1"][i] for i in (0, -1)]
            cells.append(f"{ends[0]:.1f} to {ends[1]:.1f}")
        table.add_row(LABELS[axis], *cells)
    return table


def plot_growth(grown: dict[str, Any], path: Path) -> None:
    """A row of panels for time and one for memory, a column for each axis; all relative to MR1 at the base."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    colours, names = {"mr1": "#1f6feb", "trl": "#b35900"}, {"mr1": "MR1", "trl": "TRL"}
    figure, panels = plt.subplots(
        2, len(grown), figsize=(3.0 * len(grown), 5.4), sharey="row", squeeze=False, layout="constrained"
    )
    for row, what in enumerate(FIGURES):
        for panel, (axis, curves) in zip(panels[row], grown.items(), strict=True):
            for side in SIDES:
                label = f"{names[side]}, slope {curves['slopes'][what][side]:.2f}"
                marker = "o" if side == "mr1" else "s"
                panel.plot(curves["x"], curves[what][side], marker=marker, ms=4, color=colours[side], label=label)
            _log_axes(panel, curves["x"])
            panel.legend(frameon=False, fontsize=8, loc="upper left")
            if row:
                panel.set_xlabel(LABELS[axis])
    for row, words in enumerate(("time of a step", "peak memory of score and update")):
        panels[row][0].set_ylabel(f"{words}\n(MR1 at the base = 1)")
        # Room for the legend above the curves.
        panels[row][0].set_ylim(top=panels[row][0].get_ylim()[1] * 3)
    figure.savefig(path, dpi=160)
    plt.close(figure)


def _log_axes(panel: Any, x: Sequence[int]) -> None:
    """Logarithmic both ways, with the measured points as the ticks below."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, NullLocator

    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(x, [str(each) for each in x])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.grid(True, which="major", color="#e3e3e3", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
