"""A study's plots, in the reports' colours: for the page, and as files (SVG and PNG) with a white ground.

They are one column wide and grow downwards, so that their words can be read on a phone. A method has the same colour
and the same dashes in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from mr1.report.drawing import COLOURS, INK, named
from mr1.report.html import signed
from mr1.study.canvas import (
    DASHES,
    LINE,
    Drawing,
    Shown,
    alike,
    band,
    draw,
    in_rounds,
    interval,
    legend_columns,
    legend_of,
    panels_of,
    point_of,
    rows,
    same_width,
    style_of,
)
from mr1.study.results import UNTRAINED, Arm, Curve, Range, Results, SweepResult
from mr1.study.statistics import Mean

FAR = 20
"""How many times the least KL the most is where they stand on a logarithmic axis."""


def all_drawings(results: Results) -> list[Drawing]:
    """Every plot that the study has numbers for, in order."""
    drawn = [
        _same_task(results),
        _changes(results),
        _steps(results),
        *(_sweep(results, sweep, *of) for sweep in results.sweeps for of in _of(sweep)),
        _rewards(results),
        _travelled(results),
        _training(results),
        *(_difficulty(results, task) for task in results.trained),
    ]
    return [drawing for drawing in drawn if drawing is not None]


def _same_task(results: Results) -> Drawing | None:
    """Table 1: a panel for each task, a line for each method."""

    def paint(axes: Sequence[Axes]) -> None:
        for panel, task in zip(axes, results.trained, strict=True):
            same, arms = results.same[task], [arm for arm in results.arms if arm.trained == task]
            start = results.untrained[same].accuracy
            rows(panel, [UNTRAINED, *(arm.method for arm in arms)])
            interval(panel, 100 * start.value, 0, 100 * start.low, 100 * start.high, across=True, color=INK)
            panel.axvline(100 * start.value, color=INK, linewidth=1, linestyle=DASHES[2])
            for row, arm in enumerate(arms, start=1):
                mean, own = arm.scores[same].accuracy, point_of(results, arm.method)
                seeds = [100 * value for value in mean.seeds]
                panel.plot(seeds, [row] * len(seeds), "|", color=own["color"], markersize=9, alpha=0.6)
                interval(panel, 100 * mean.value, row, 100 * mean.low, 100 * mean.high, across=True, **own)
            panel.set_title(named(f"trained and tested on {task}"), loc="left", fontsize=9)
        axes[-1].set_xlabel("accuracy (%)")

    count = {task: sum(arm.trained == task for arm in results.arms) for task in results.trained}
    reading = (
        "Accuracy on the test samples of the trained task. Points: means over seeds with their 95 % intervals (seeds "
        "and samples); strokes: single seeds; dotted: the untrained model."
    )
    heights = [0.55 + LINE * (1 + count[task]) for task in results.trained]
    return draw("same-task", "Same task (Table 1)", reading, heights, paint, {})


def _changes(results: Results) -> Drawing | None:
    """Figure 7: what each method changed on each task."""
    places = [(trained, tested) for trained in results.trained for tested in results.tested]

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (trained, tested) in zip(axes, places, strict=True):
            arms = [arm for arm in results.arms if arm.trained == trained]
            rows(panel, [arm.method for arm in arms])
            panel.axvline(0, color=INK, linewidth=1)
            for row, arm in enumerate(arms):
                score = arm.scores[tested]
                if (change := score.change) is None:
                    continue
                points = 100 * change.difference, row, 100 * change.low, 100 * change.high
                interval(panel, *points, across=True, **point_of(results, arm.method))
                if score.over_untrained is not None:
                    share = f"{signed(100 * score.over_untrained, 0)} %"
                    where = panel.get_yaxis_transform()
                    panel.text(1.01, row, share, transform=where, va="center", fontsize=8)
            panel.set_title(named(f"trained on {trained}, tested on {tested}"), loc="left", fontsize=9)
        same_width(axes)
        axes[-1].set_xlabel("points of accuracy over the untrained model")

    reading = (
        "What training changed, with 95 % intervals, on the trained task and on the others. At the right: the same "
        "relative to the untrained model's accuracy, as the paper gives it."
    )
    heights = [0.5 + LINE * max(1, sum(arm.trained == trained for arm in results.arms)) for trained, _ in places]
    return draw("trained-and-tested", "Trained and tested (Figure 7)", reading, heights, paint, {})


def _steps(results: Results) -> Drawing | None:
    """Figure 1: accuracy against the step."""
    panels = panels_of(results, _shown(results.validation))
    if not panels:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (shown, methods) in zip(axes, panels, strict=True):
            trained, tested = shown
            for curve in results.validation:
                if (curve.trained, curve.of) == shown:
                    behind = curve.method not in methods
                    band(panel, curve, style_of(results, curve.method), scale=100, smoothed=False, behind=behind)
            for arm in results.arms:
                if arm.trained == trained and arm.method in methods:
                    mean, own = arm.scores[tested].accuracy, style_of(results, arm.method)
                    panel.plot(arm.cost["updates"].mean, 100 * mean.value, "s", color=own["color"], markersize=4.5)
            start = results.untrained[tested].accuracy.value
            panel.plot(0, 100 * start, "s", color=INK, markersize=4.5)
            panel.set_title(named(f"trained on {trained}, tested on {tested}"), loc="left", fontsize=9)
            panel.set_ylabel("accuracy (%)")
            panel.margins(x=0.03)
        alike(axes, [shown for shown, _ in panels])
        axes[-1].set_xlabel("optimiser step")

    reading = (
        "Lines: accuracy on the validation samples by the model that is about to make that step, the mean over "
        "seeds; bands: from the lowest to the highest seed. Squares: on the test samples, before and after."
    )
    labels = legend_of(results, [curve.method for curve in results.validation])
    reading += _of_pale(panels)
    return draw("accuracy-steps", "Accuracy against steps (Figure 1)", reading, [1.55] * len(panels), paint, labels)


def _of(sweep: SweepResult) -> Iterator[tuple[str, str]]:
    """The methods and tasks of a sweep."""
    yield from dict.fromkeys((arm.method, arm.trained) for arm in sweep.arms)


def _sweep(results: Results, sweep: SweepResult, method: str, trained: str) -> Drawing | None:
    """Figures 4 and 6: accuracy and format against the values of one setting."""
    arms = [arm for arm in sweep.arms if (arm.method, arm.trained) == (method, trained)]
    if len(arms) < 2:
        return None
    same = results.same[trained]
    numbers = all(isinstance(arm.value, int | float) and not isinstance(arm.value, bool) for arm in arms)
    places = [float(arm.value) if numbers else float(place) for place, arm in enumerate(arms)]
    kinds = [*arms[0].scores[same].by_difficulty]

    def paint(axes: Sequence[Axes]) -> None:
        for task, colour in zip(results.tested, COLOURS.values(), strict=False):
            _against(axes[0], places, [arm.scores[task].accuracy for arm in arms], colour, f"tested on {task}")
        formed = [arm.scores[same].well_formed for arm in arms]
        _against(axes[1], places, formed, COLOURS["purple"], "right format")
        if kinds:
            for kind, colour in zip(kinds, COLOURS.values(), strict=False):
                values = [arm.scores[same].by_difficulty[kind] for arm in arms]
                _against(axes[2], places, values, colour, f"difficulty {kind}")
        for panel, label in zip(axes, ("accuracy (%)", "format (%)", f"{same} (%)"), strict=False):
            panel.set_ylabel(label)
            panel.margins(x=0.06, y=0.1)
            if panel is not axes[1]:
                columns = legend_columns([str(line.get_label()) for line in panel.get_lines()])
                panel.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=columns, fontsize=8)
            panel.set_xticks(places, [str(arm.value) for arm in arms])
        axes[-1].set_xlabel(sweep.key)

    figure = {"rewards.format": " (Figure 4)", "kl.weight": " (Figure 6)"}.get(sweep.key, "")
    reading = (
        f"{method}, trained on {trained}, with other values of {sweep.key}: accuracy, the share of completions of the "
        f"right format on {same}" + (", and accuracy by difficulty" if kinds else "") + ". Bars are 95 % intervals."
    )
    heights = [1.7, 1.2, 1.7] if kinds else [1.7, 1.2]
    name = "-".join(["sweep", sweep.name, *([] if len([*_of(sweep)]) == 1 else [method, trained])])
    return draw(name, f"{sweep.name}: {method} on {trained}{figure}", reading, heights, paint, {})


def _against(axes: Axes, places: Sequence[float], means: Sequence[Mean], colour: str, label: str) -> None:
    """Means with their intervals over places, joined by a line."""
    for place, mean in zip(places, means, strict=True):
        interval(axes, place, 100 * mean.value, 100 * mean.low, 100 * mean.high, across=False, color=colour)
    axes.plot(places, [100 * mean.value for mean in means], color=colour, linewidth=1.5, label=named(label))


def _rewards(results: Results) -> Drawing | None:
    """Figure 5: what the completions of training earned."""
    rewards = [curve.of for curve in results.curves if curve.of.startswith("reward/") and curve.of != "reward/total"]
    return _curves(
        results,
        "rewards",
        "Rewards in training (Figure 5)",
        "What the completions of each step earned, smoothed: the mean over seeds, in a band from the lowest to the "
        "highest.",
        [*dict.fromkeys(rewards)],
    )


def _training(results: Results) -> Drawing | None:
    """What else is worth watching."""
    wanted = ("kl", "kl_weight", "entropy", "completion/length_mean")
    return _curves(
        results,
        "training",
        "KL, entropy and length in training",
        "Smoothed: the mean over seeds, in a band from the lowest to the highest. KL and entropy are in nats per "
        "token, on training samples; of method sft, entropy and length are on the teacher's text.",
        [metric for metric in wanted if any(curve.of == metric for curve in results.curves)],
    )


NAMES = {"kl": "KL", "kl_weight": "KL weight β", "completion/length_mean": "length (tokens)"}


def _curves(results: Results, name: str, title: str, reading: str, metrics: Sequence[str]) -> Drawing | None:
    """A panel for each task and metric."""
    # A method that has no reference has a weight of 0 throughout.
    curves = [
        curve
        for trained in results.trained
        for metric in metrics
        for curve in results.curves
        if (curve.trained, curve.of) == (trained, metric) and (metric != "kl_weight" or any(curve.high))
    ]
    panels = panels_of(results, _shown(curves))
    if not panels:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        titled: set[str] = set()
        for panel, (shown, methods) in zip(axes, panels, strict=True):
            trained, metric = shown
            for curve in curves:
                if (curve.trained, curve.of) == shown:
                    band(panel, curve, style_of(results, curve.method), behind=curve.method not in methods)
            panel.set_ylabel(named(NAMES.get(metric, metric.removeprefix("reward/"))))
            panel.xaxis.set_major_locator(MaxNLocator(7, integer=True))
            if trained not in titled:
                panel.set_title(named(f"trained on {trained}"), loc="left", fontsize=9)
                titled.add(trained)
        alike(axes, [shown for shown, _ in panels])
        axes[-1].set_xlabel("optimiser step")

    labels = legend_of(results, [curve.method for curve in results.curves if curve.of in metrics])
    return draw(name, title, reading + _of_pale(panels), [1.25] * len(panels), paint, labels)


def _shown(curves: Iterable[Curve]) -> Iterator[tuple[Shown, str]]:
    for curve in curves:
        yield (curve.trained, curve.of), curve.method


def _of_pale(panels: Sequence[tuple[Shown, set[str]]]) -> str:
    return " Pale: the methods of the other panels." if in_rounds(panels) else ""


def _travelled(results: Results) -> Drawing | None:
    """What was gained, and lost elsewhere, for how much KL."""
    arms = [arm for arm in results.arms if arm.kl.get(results.same[arm.trained])]
    places = [(trained, tested) for trained in results.trained for tested in results.tested]
    points = {of: [arm for arm in arms if arm.trained == of[0] and of[1] in arm.kl] for of in places}
    panels = panels_of(results, ((of, arm.method) for of, those in points.items() for arm in those))
    if not panels:
        return None
    apart = in_rounds(panels)

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (shown, methods) in zip(axes, panels, strict=True):
            trained, tested = shown
            panel.axhline(0, color=INK, linewidth=1)
            for arm in points[shown]:
                look = point_of(results, arm.method)
                _point(panel, arm, arm.kl[tested], tested, look, behind=arm.method not in methods)
            panel.set_title(named(f"trained on {trained}, tested on {tested}"), loc="left", fontsize=9)
            panel.set_ylabel("points gained")
            beside = [arm.kl[tested].mean for arm in points[shown]]
            if _far(beside if apart else [kl.mean for arm in arms for kl in arm.kl.values()]):
                panel.set_xscale("log")
                panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                panel.xaxis.set_minor_formatter(NullFormatter())
        if apart:
            alike(axes, [shown for shown, _ in panels])
        else:
            same_width(axes)
        axes[-1].set_xlabel("KL travelled (nats per token)")

    reading = (
        "Points of accuracy over the untrained model against KL(trained || untrained) on held-out prompts of that "
        "task. Up and down: 95 % intervals; left and right: from the lowest to the highest seed." + _of_pale(panels)
    )
    marks = {
        method: {**point_of(results, method), "linestyle": "none"}
        for method in legend_of(results, [arm.method for arm in arms])
    }
    return draw("kl-travelled", "Gain against KL travelled", reading, [1.6] * len(panels), paint, marks)


def _far(reached: Sequence[float]) -> bool:
    return min(reached) > 0 and max(reached) > FAR * min(reached)


def _point(axes: Axes, arm: Arm, kl: Range, tested: str, look: Mapping[str, Any], behind: bool) -> None:
    change = arm.scores[tested].change
    if change is None:
        return
    points = 100 * change.difference, 100 * change.low, 100 * change.high
    if behind:
        axes.plot(kl.mean, points[0], look["marker"], color=INK, markersize=3, alpha=0.3, zorder=1)
        return
    interval(axes, kl.mean, *points, across=False, **look)
    axes.plot([kl.low, kl.high], [points[0]] * 2, color=look["color"], linewidth=1.5)


def _difficulty(results: Results, trained: str) -> Drawing | None:
    """Accuracy by the samples' difficulty."""
    same = results.same[trained]
    start = results.untrained[same]
    kinds = [*start.by_difficulty]
    scores = {arm.method: arm.scores[same].by_difficulty for arm in results.arms if arm.trained == trained}
    panels = panels_of(results, (((trained, same), method) for method in scores))
    if len(kinds) < 2:
        return None

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (_, methods) in zip(axes, panels, strict=True):
            shown = [UNTRAINED, *(method for method in scores if method in methods)]
            for method, means in ({UNTRAINED: start.by_difficulty} | scores).items():
                values = [100 * means[kind].value for kind in kinds]
                if method not in shown:
                    panel.plot(range(len(kinds)), values, color=INK, linewidth=0.7, alpha=0.3, zorder=1)
                    continue
                aside = min(0.09, 0.7 / len(shown)) * (shown.index(method) - (len(shown) - 1) / 2)
                places = [place + aside for place in range(len(kinds))]
                panel.plot(places, values, linewidth=1.2, **style_of(results, method))
                for place, kind in zip(places, kinds, strict=True):
                    mean = means[kind]
                    points = 100 * mean.value, 100 * mean.low, 100 * mean.high
                    interval(panel, place, *points, across=False, **point_of(results, method))
            panel.set_xticks(range(len(kinds)), kinds)
            panel.grid(axis="x", visible=False)
            panel.set_ylabel("accuracy (%)")
        alike(axes, [of for of, _ in panels])
        axes[-1].set_xlabel("difficulty")

    reading = f"Accuracy on {same} by the samples' difficulty, trained on {trained}, with 95 % intervals."
    labels = {UNTRAINED: style_of(results, UNTRAINED)} | dict(legend_of(results, [*scores]))
    heights = [2.3] * len(panels)
    return draw(
        f"difficulty-{trained}", f"By difficulty: {trained}", reading + _of_pale(panels), heights, paint, labels
    )
