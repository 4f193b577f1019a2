"""A run's curves as inline SVG; see `drawing` for what they look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mr1.evaluate.intervals import wilson
from mr1.report.drawing import (
    COLOURS,
    INK,
    SERIES,
    STYLE,
    WIDTH,
    Array,
    Plot,
    binned,
    inline_svg,
    named,
    smooth,
    svg_of,
    window_of,
)
from mr1.report.outline import Evaluations, Metrics, Outline

MOST_POINTS = 500
"""Of a line; a longer run's steps are averaged in bins."""
MOST_BARS = 60
PHASES = ("rollout", "reward", "score", "update", "evaluation", "checkpoint")


def run_plots(run: Outline, metrics: Metrics, evaluations: Evaluations) -> list[Plot]:
    """All plots that the run has numbers for, in the page's order.

    Args:
        run: what it is.
        metrics: the lines of `metrics.jsonl`.
        evaluations: what `evaluation.json` holds.
    """
    if not metrics:
        return []
    drawn = [
        _rewards(run, metrics),
        _loss(run, metrics),
        _kl(run, metrics),
        _held_out(run, metrics, evaluations),
        _lengths(run, metrics),
        _health(run, metrics),
        _times(run, metrics),
    ]
    return [plot for plot in drawn if plot is not None]


def column(metrics: Metrics, key: str) -> Array:
    """A metric's value at each recorded step; NaN, and so a gap in a line, where it is null or missing."""
    values = [line.get(key) for line in metrics]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _lines(metrics: Metrics, key: str) -> tuple[Array, Array, Array]:
    """Steps, values and smoothed values of a metric, at most MOST_POINTS of them."""
    size = -(-len(metrics) // MOST_POINTS)
    steps, values = binned(column(metrics, "step"), size), binned(column(metrics, key), size)
    return steps, values, smooth(values, window_of(len(values)))


def _has(metrics: Metrics, key: str) -> bool:
    return any(line.get(key) is not None for line in metrics)


def _draw(axes: Axes, metrics: Metrics, key: str, colour: str, label: str | None = None) -> None:
    """A metric as a light line with its smoothed one on top."""
    steps, values, mean = _lines(metrics, key)
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    alone = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    if window_of(len(values)) > 1:
        axes.plot(steps, values, color=colour, alpha=0.35, linewidth=0.7)
    # A value between two gaps has no line to be seen by.
    axes.plot(steps, mean, color=colour, linewidth=1.6, marker=".", markevery=alone)
    if label:
        axes.plot([], [], color=colour, linewidth=1.6, label=named(label))


def _smoothing(metrics: Metrics) -> str:
    """What the page says of thin and thick lines."""
    size = -(-len(metrics) // MOST_POINTS)
    window = window_of(-(-len(metrics) // size))
    thin = "each step" if size == 1 else f"the mean of {size} steps"
    return f" Thin: {thin}; thick: the mean of {size * window} steps." if window > 1 else ""


def _plot(
    run: Outline, title: str, reading: str, panels: int, paint: Callable[[Sequence[Axes]], None], legend: int = 0
) -> Plot:
    """Make a plot.

    Args:
        run: whose stages are marked.
        title: stands above it.
        reading: stands below it.
        panels: panels one above the other, with one axis of steps.
        paint: draws on the panels.
        legend: the legend's columns; 0 for no legend.
    """
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title}):
        figure = Figure(figsize=(WIDTH, 2.9 if panels == 1 else 0.7 + 1.15 * panels), layout="constrained")
        axes = list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
        paint(axes)
        _mark_stages(run, axes)
        axes[-1].set_xlabel("step")
        axes[-1].xaxis.set_major_locator(MaxNLocator(7, integer=True))
        if legend:
            figure.legend(loc="outside upper left", ncols=legend)
        figure.align_ylabels()
        svg = inline_svg(svg_of(figure), title)
    return Plot(title, reading, svg)


def _mark_stages(run: Outline, axes: Sequence[Axes]) -> None:
    """A line where each stage begins, and its name at the top."""
    for name, first in run.stages.items():
        for panel in axes:
            if first:
                panel.axvline(first - 0.5, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        place = max(first - 0.5, axes[0].get_xlim()[0])
        axes[0].text(place, 1.0, name, transform=axes[0].get_xaxis_transform(), fontsize=8, va="bottom", ha="left")


def _rewards(run: Outline, metrics: Metrics) -> Plot | None:
    if not _has(metrics, "reward/total"):
        return None

    def paint(axes: Sequence[Axes]) -> None:
        for name, colour in zip([*run.rewards, "total"], cycle(SERIES), strict=False):
            _draw(axes[0], metrics, f"reward/{name}", colour, name)
        axes[0].set_ylabel("mean reward")
        axes[0].set_ylim(bottom=min(0.0, axes[0].get_ylim()[0]))

    known = [f"{weight:g} × {name}" for name, weight in run.rewards.items() if weight is not None]
    total = f"; total = {' + '.join(known)}" if known else ""
    reading = (
        f"What the sampled completions of each step earned{total}. "
        "If only format rises, the policy has learned the form and not the task." + _smoothing(metrics)
    )
    return _plot(run, "Rewards", reading, 1, paint, legend=4)


def _loss(run: Outline, metrics: Metrics) -> Plot | None:
    if _has(metrics, "reward/total"):
        return None  # The loss of a policy gradient says nothing about progress.

    def paint(axes: Sequence[Axes]) -> None:
        _draw(axes[0], metrics, "loss", COLOURS["blue"])
        axes[0].set_ylabel("loss (nats per token)")

    reading = "How badly the policy predicts the teacher's text on samples that it has not seen yet; lower is better."
    return _plot(run, "Loss", reading + _smoothing(metrics), 1, paint)


def _kl(run: Outline, metrics: Metrics) -> Plot | None:
    if not _has(metrics, "kl"):
        return None

    def paint(axes: Sequence[Axes]) -> None:
        _draw(axes[0], metrics, "kl", COLOURS["blue"])
        axes[0].set_ylabel("KL\n(nats per token)")
        axes[0].set_ylim(bottom=0)
        steps, weights, _ = _lines(metrics, "kl_weight")
        axes[1].plot(steps, weights, color=COLOURS["orange"], linewidth=1.6)
        axes[1].set_ylabel("KL weight β")
        axes[1].set_ylim(bottom=0)

    reading = (
        "Above, how far the policy has moved from the model it began with; below, what moving costs. "
        "A gap is a step whose weight was 0: the reference was not run." + _smoothing(metrics)
    )
    return _plot(run, "KL and its weight", reading, 2, paint)


def _held_out(run: Outline, metrics: Metrics, evaluations: Evaluations) -> Plot | None:
    tasks = run.tasks
    watched = [task for task in tasks if _has(metrics, f"eval/{task}/accuracy")]
    if not watched and not evaluations:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        for index, (task, colour) in enumerate(zip(tasks, cycle(SERIES), strict=False)):
            role = f" ({run.role(task)})" if run.role(task) else ""
            if task in watched:
                _draw_validation(axes[0], metrics, task, run.samples, colour)
            _draw_tests(axes[0], evaluations, task, colour, run.steps, index - (len(tasks) - 1) / 2)
            axes[0].plot([], [], color=colour, marker="o", markersize=3, label=named(f"{task}{role}"))
        if evaluations:
            axes[0].plot([], [], color=INK, marker="s", markersize=5, linestyle="none", label="test samples")
        if _has(metrics, "reward/accuracy"):
            steps, _, mean = _lines(metrics, "reward/accuracy")
            axes[0].plot(steps, mean, color=INK, linewidth=1.2, linestyle=(0, (1.5, 1.5)), label="training samples")
        axes[0].set_ylabel("accuracy (%)")
        axes[0].set_ylim(0, 1)
        axes[0].set_yticks(np.linspace(0, 1, 6), [f"{percent}" for percent in range(0, 101, 20)])

    reading = ["Bars and bands are 95% intervals."]
    if watched:
        samples = "" if run.samples is None else f"{run.samples} "
        reading.append(f"Lines: {samples}validation samples, greedy, by the policy about to make that step.")
    if evaluations:
        reading.append("Squares: test samples before and after, greedy.")
    if _has(metrics, "reward/accuracy"):
        reading.append(
            "If the dotted line (training samples, drawn at the rollout's temperature) climbs while the trained task's "
            "held-out accuracy does not, the run overfits."
        )
    return _plot(run, "Held-out accuracy", " ".join(reading), 1, paint, legend=2)


def _draw_validation(axes: Axes, metrics: Metrics, task: str, samples: int | None, colour: str) -> None:
    """Accuracy on the validation split where it was measured, in its 95 % band."""
    steps, values = column(metrics, "step"), column(metrics, f"eval/{task}/accuracy")
    steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
    if samples is not None:
        low, high = zip(*(wilson(round(value * samples), samples) for value in values), strict=True)
        axes.fill_between(steps, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(steps, values, color=colour, linewidth=1.6, marker="o", markersize=3)


def _draw_tests(axes: Axes, evaluations: Evaluations, task: str, colour: str, steps: int, shift: float) -> None:
    """The test accuracies at both ends of the run; tasks stand beside each other, so that no bar hides another."""
    for stage, step in (("before", 0), ("after", steps)):
        result = evaluations.get(stage, {}).get(task)
        if result is None:
            continue
        x, accuracy = step + 0.012 * steps * shift, result["accuracy"]
        reach = [[accuracy - result["low"]], [result["high"] - accuracy]]
        axes.errorbar([x], [accuracy], np.clip(reach, 0, 1), color=colour, marker="s", markersize=5, capsize=3)


def _lengths(run: Outline, metrics: Metrics) -> Plot:
    def paint(axes: Sequence[Axes]) -> None:
        _draw(axes[0], metrics, "completion/length_mean", COLOURS["blue"])
        axes[0].set_ylabel("mean length\n(tokens)")
        axes[0].set_ylim(bottom=0)
        _draw(axes[1], metrics, "completion/truncated_fraction", COLOURS["orange"])
        axes[1].set_ylabel("share cut off")
        axes[1].set_ylim(-0.02, max(0.1, axes[1].get_ylim()[1]))

    limit = "" if run.longest is None else f" at {run.longest} tokens"
    reading = (
        f"How long the completions are, and the share that was cut off{limit}; "
        "what is cut off states no answer, so the share should stay near 0." + _smoothing(metrics)
    )
    return _plot(run, "Completion length", reading, 2, paint)


def _health(run: Outline, metrics: Metrics) -> Plot:
    panels = {"entropy": "entropy\n(nats per token)", "grad_norm": "gradient norm"}
    reading = (
        "Entropy near 0 means that the policy no longer explores; peaks of the gradient norm (before clipping) mean "
    )
    reading += "rough updates"
    if _has(metrics, "advantage/zero_std_fraction"):
        panels["advantage/zero_std_fraction"] = "share of groups\nall alike"
        reading += "; groups whose completions all earned the same teach nothing"

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (key, label), colour in zip(axes, panels.items(), SERIES, strict=False):
            _draw(panel, metrics, key, colour)
            panel.set_ylabel(label)
            panel.set_ylim(bottom=0)
        if len(axes) > 2:
            axes[2].set_ylim(-0.03, 1.03)

    return _plot(run, "Exploration and stability", reading + "." + _smoothing(metrics), len(panels), paint)


def _times(run: Outline, metrics: Metrics) -> Plot | None:
    phases = [phase for phase in PHASES if np.nansum(column(metrics, f"time/{phase}")) > 0]
    if not phases:
        return None
    size = -(-len(metrics) // MOST_BARS)
    names = [f"waiting/{rank}" for rank in range(sum(key.startswith("waiting/") for key in metrics[-1]))]
    waiting = [column(metrics, name) for name in names]

    def paint(axes: Sequence[Axes]) -> None:
        steps = binned(column(metrics, "step"), size)
        bottom = np.zeros(len(steps))
        for phase, colour in zip(PHASES, SERIES, strict=False):
            if phase in phases:
                seconds = binned(np.nan_to_num(column(metrics, f"time/{phase}")), size)
                axes[0].bar(steps, seconds, 0.9 * size, bottom, color=colour, label=phase)
                bottom += seconds
        axes[0].set_ylabel("seconds\nper step")
        axes[0].grid(axis="x", visible=False)
        if waiting:
            _draw_waiting(axes[1], binned(column(metrics, "step"), size), waiting, size)

    bars = "Each bar is a step" if size == 1 else f"Each bar is the mean of {size} steps"
    reading = (
        f"{bars}: sampling (rollout), scoring by the rewards (reward) and by the reference (score), the gradient step "
        "(update), and validation where it was due; the tallest part is where time can be saved."
    )
    if waiting:
        reading += (
            f" Below it, how long each of the {len(waiting)} processes waited for the others: those that wait least "
            "hold the others up."
        )
    return _plot(run, "Time per step", reading, 2 if waiting else 1, paint, legend=4 if waiting else 5)


def _draw_waiting(axes: Axes, steps: Array, waiting: Sequence[Array], size: int) -> None:
    """Seconds that processes waited for each other: a line for each, or the least, the mean and the most of many."""
    lines = {f"process {rank}": binned(seconds, size) for rank, seconds in enumerate(waiting)}
    if len(lines) > len(SERIES):
        all_of_them = np.stack([*lines.values()])
        lines = {"least": all_of_them.min(0), "mean": all_of_them.mean(0), "most": all_of_them.max(0)}
    for (name, seconds), colour in zip(lines.items(), SERIES, strict=False):
        axes.plot(steps, seconds, color=colour, linewidth=1.2, label=name)
    axes.set_ylabel("seconds\nof waiting")
    axes.set_ylim(bottom=0)
