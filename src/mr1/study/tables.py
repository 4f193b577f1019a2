"""A study's tables as words: the same ones for `results.md`, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mr1.report.html import signed
from mr1.report.page import duration
from mr1.study.paper import LABEL, OTHER_TASK, SAME_TASK, STATED
from mr1.study.results import UNTRAINED, Arm, Contrast, Range, Results, Score
from mr1.study.statistics import Mean

NONE = "–"


@dataclass(frozen=True)
class Table:
    """Lines of text under a head; the first cell of each names the line."""

    title: str
    reading: str
    """How to read it."""
    head: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """As Markdown, with its title as a heading."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        body = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        return f"## {self.title}\n\n{body}\n\n{self.reading}\n"


def all_tables(results: Results) -> list[Table]:
    """Every table that the study has numbers for, in order."""
    made = [
        same_task(results),
        *_cross_task(results),
        *(_contrasts(results, name) for name in results.contrasts if results.contrasts[name]),
        *_changes(results),
        *_difficulty(results),
        *_sweeps(results),
        _costs(results),
        *_tuning(results),
        *(_paper() if results.paper else []),
    ]
    return [table for table in made if table.rows]


def same_task(results: Results) -> Table:
    """The paper's Table 1: accuracy on the task that was trained on."""
    rows, same = [], [results.same[task] for task in results.trained]
    if any(task in results.blind for task in same):
        known = [results.blind.get(task) for task in same]
        told = [f"{each['share']:.1%} ({each['name']})" if each else NONE for each in known]
        rows.append(["without the image", *told])
    untrained = [results.untrained.get(task) for task in same]
    rows.append([UNTRAINED, *(_mean(score.accuracy) if score else NONE for score in untrained)])
    for method in results.methods:
        arms = [results.arm(method, task) for task in results.trained]
        if any(arms):
            rows.append([method, *(_own(results, arm) if arm else NONE for arm in arms)])
    reading = (
        "Accuracy on the test samples of the task that was trained on: the mean over seeds, its 95 % interval, and "
        "each seed. The interval is for both kinds of chance, which seeds and which samples; of a single run, for "
        "the samples alone."
    )
    return Table("Same task (Table 1)", reading, ["method", *results.trained], rows)


def _cross_task(results: Results) -> Iterator[Table]:
    """The paper's Figure 7: each method trained on each task, tested on each."""
    rows = []
    reference = results.relative_to
    for arm in results.arms:
        row = [arm.method, arm.trained]
        for task in results.tested:
            score = arm.scores[task]
            relative = [_percent(score.over_untrained)]
            if reference:
                relative.append(NONE if arm.method == reference else _percent(score.over_reference))
            row.append(f"{score.accuracy.value:.1%} ({' / '.join(relative)})")
        rows.append(row)
    against = f" and to {reference} trained on the same task" if reference else ""
    reading = (
        "Accuracy on every task, trained on or not; in brackets how much that is relative to the untrained model's"
        f"{against}. Its intervals are in the tables of comparisons."
    )
    yield Table("Trained and tested (Figure 7)", reading, ["method", "trained on", *_tested(results)], rows)


def _contrasts(results: Results, name: str) -> Table:
    contrasts = results.contrasts[name]
    told = sum(each.holm < 0.05 for each in contrasts)
    smallest = sorted(100 * each.detectable_in_table for each in contrasts)
    reading = (
        "Points between two methods on the same samples, with the 95 % interval. p is two-sided; Holm's is p raised "
        f"for all {len(contrasts)} comparisons of this table, and below 0.05 for {told} of them. The last column is "
        "the smallest difference that would have been found four times in five: by this comparison alone, and among "
        f"all of the table, where the median is {smallest[len(smallest) // 2]:.0f} points."
    )
    if any(each.comparison.seeds == (1, 1) for each in contrasts):
        reading += " Where each has one run, p is McNemar's, and says nothing of other seeds."
    head = ["methods", "trained on", "tested on", "difference", "p", "Holm", "told apart", "could be seen"]
    return Table(f"Comparisons, {name}", reading, head, [_contrast(each) for each in contrasts])


def _contrast(each: Contrast) -> list[str]:
    found = each.comparison
    reach = f"{signed(100 * found.low, 1)} to {signed(100 * found.high, 1)}"
    smallest = ", ".join(_points(size) if size < 1 else "> 100" for size in (each.detectable, each.detectable_in_table))
    difference = f"{signed(100 * found.difference, 1)} ({reach})"
    told = "yes" if each.holm < 0.05 else "no"
    methods = f"{each.one} – {each.other}"
    return [methods, each.trained, each.tested, difference, _p(found.p), _p(each.holm), told, smallest]


def _changes(results: Results) -> Iterator[Table]:
    """What training did: gain, transfer, forgetting, and how far the model travelled for it."""
    rows = []
    for arm in results.arms:
        same = results.same[arm.trained]
        others = [task for task in results.tested if task != same]
        rows.append(
            [
                arm.method,
                arm.trained,
                _change(arm.scores[same]),
                _each({task: _change(arm.scores[task]) for task in others}),
                _each({task: _forgotten(arm.scores[task]) for task in others}),
                _number(arm.kl.get(same)),
                _each({task: _number(arm.kl.get(task)) for task in others}),
                _number(arm.entropy.get(same)),
                _each({task: _number(arm.entropy.get(task)) for task in others}),
            ]
        )
    reading = (
        "Gain and transfer: points of accuracy over the untrained model, with the 95 % interval, on the task that "
        "was trained on and on the others. Forgotten: of what the untrained model got right on the others, the share "
        "that is wrong now. KL: KL(trained || untrained) on what the trained model writes to held-out prompts, "
        "exact, in nats per token, and its entropy there; the mean of the seeds, the lowest and the highest."
    )
    head = ["method", "trained on", "gain", "transfer", "forgotten", "KL", "KL on others", "entropy"]
    yield Table("Gain, transfer, forgetting, KL", reading, [*head, "entropy on others"], rows)


def _difficulty(results: Results) -> Iterator[Table]:
    for task in results.trained:
        same = results.same[task]
        start = results.untrained.get(same)
        if not start or not start.by_difficulty:
            continue
        scores = {UNTRAINED: start} | {arm.method: arm.scores[same] for arm in results.arms if arm.trained == task}
        kinds = [*start.by_difficulty]
        rows = [[name, *(_short(of.by_difficulty.get(kind)) for kind in kinds)] for name, of in scores.items()]
        counts = ", ".join(f"{kind}: {mean.samples}" for kind, mean in start.by_difficulty.items())
        reading = f"Accuracy by the samples' difficulty, with the 95 % interval. Samples: {counts}."
        yield Table(f"By difficulty: {task}", reading, ["method", *start.by_difficulty], rows)


def _sweeps(results: Results) -> Iterator[Table]:
    for sweep in results.sweeps:
        for method, trained in dict.fromkeys((arm.method, arm.trained) for arm in sweep.arms):
            arms = [arm for arm in sweep.arms if (arm.method, arm.trained) == (method, trained)]
            same = results.same[trained]
            kinds = [*arms[0].scores[same].by_difficulty]
            head = [sweep.key, "seeds", *_tested(results), "right format", "KL", *kinds]
            rows = [
                [
                    f"{arm.value}",
                    _seeds(results, arm),
                    *(_short(arm.scores[task].accuracy) for task in results.tested),
                    _short(arm.scores[same].well_formed),
                    _number(arm.kl.get(same)),
                    *(_short(arm.scores[same].by_difficulty.get(kind)) for kind in kinds),
                ]
                for arm in arms
            ]
            figure = {"rewards.format": " (Figure 4)", "kl.weight": " (Figure 6)"}.get(sweep.key, "")
            reading = (
                f"{method}, trained on {trained}, with other values of {sweep.key}: accuracy with its 95 % interval, "
                f"and on {same} the share of completions of the right format and the KL travelled"
                + (", and the accuracy by difficulty." if kinds else ".")
            )
            yield Table(f"{sweep.name}: {method} on {trained}{figure}", reading, head, rows)


def _costs(results: Results) -> Table:
    rows = [
        [
            arm.method,
            arm.trained,
            _seeds(results, arm),
            *(f"{arm.cost[name].mean:,.0f}" for name in ("samples", "updates", "tokens")),
            duration(arm.cost["training"].mean),
            duration(arm.cost["evaluation"].mean),
            _points(arm.scores[results.same[arm.trained]].accuracy.value),
        ]
        for arm in results.arms
    ]
    alike = "the same for all methods" if results.equal else "not held equal in this study (`equal: false`)"
    reading = (
        f"Of one run, the mean over seeds. Training samples seen, evaluation samples and runs of tuning are {alike}. "
        "Tokens: of prompts, each once, and of completions, through the update. Times are of the machine that it ran "
        "on, with what else was under way there; evaluation is what validation took."
    )
    head = [
        "method",
        "trained on",
        "seeds",
        "samples",
        "optimiser steps",
        "tokens",
        "training",
        "evaluation",
        "accuracy (%)",
    ]
    return Table("What it took", reading, head, rows)


def _tuning(results: Results) -> Iterator[Table]:
    rows = [
        [each.method, each.task, _said(each.candidate), f"{each.accuracy:.1%}", "taken" if each.chosen else ""]
        for each in results.tuning
    ]
    reading = (
        "The runs that chose each method's settings, by accuracy on the validation samples of the trained task, with a "
        "seed that no result is made of."
    )
    yield Table("Tuning", reading, ["method", "trained on", "settings", "validation accuracy", ""], rows)


def _paper() -> Iterator[Table]:
    rows = [[each.model, each.method, f"{each.counting:.2f}", f"{each.geometry:.2f}"] for each in SAME_TASK]
    yield Table("The paper: Table 1", LABEL, ["model", "method", "counting (%)", "geometry (%)"], rows)
    bars = [
        [each.method, each.trained, each.tested, *(NONE if v is None else f"{signed(v, 2)} %" for v in each[3:])]
        for each in OTHER_TASK
    ]
    head = ["method", "trained on", "tested on", "over untrained", "over SFT"]
    yield Table("The paper: Figure 7", f"{LABEL} {' '.join(STATED)}", head, bars)


def _tested(results: Results) -> list[str]:
    return [f"tested on {task}" for task in results.tested]


def _own(results: Results, arm: Arm) -> str:
    """On the task that was trained on."""
    few = f"; {_seeds(results, arm)} seeds" if len(arm.seeds) < len(results.seeds) else ""
    return f"{_mean(arm.scores[results.same[arm.trained]].accuracy)}{few}"


def _seeds(results: Results, arm: Arm) -> str:
    done, asked = len(arm.seeds), len(results.seeds)
    return str(done) if done == asked else f"{done} of {asked}"


def _mean(mean: Mean) -> str:
    """With its interval and, of several, each seed."""
    each = f"; {', '.join(_points(value) for value in mean.seeds)}" if len(mean.seeds) > 1 else ""
    return f"{_short(mean)}{each}"


def _short(mean: Mean | None) -> str:
    return NONE if mean is None else f"{mean.value:.1%} ({_points(mean.low)} to {_points(mean.high)})"


def _change(score: Score) -> str:
    if score.change is None:
        return NONE
    reach = f"{signed(100 * score.change.low, 1)} to {signed(100 * score.change.high, 1)}"
    return f"{signed(100 * score.change.difference, 1)} ({reach})"


def _forgotten(score: Score) -> str:
    return NONE if score.forgotten is None else f"{score.forgotten.value:.1%}"


def _number(value: Range | None) -> str:
    if value is None:
        return NONE
    return f"{value.mean:.3g}" + (f" ({value.low:.3g} to {value.high:.3g})" if value.low < value.high else "")


def _each(said: Mapping[str, str]) -> str:
    """Of one task what is said of it; of several, each with its name."""
    if len(said) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{task}: {text}" for task, text in said.items()) or NONE


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{signed(100 * share, 1)} %"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _said(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _cell(text: str) -> str:
    """Text that stays within its cell."""
    return " ".join(text.replace("|", "\\|").split())
