"""Guards: warnings of what goes wrong in a run, by what its steps have recorded.

A guard compares a figure of the latest batches with a limit, a setting of its name in `guards`. A figure is a pure
function of the lines of `metrics.jsonl`, and these lines are all the state there is: a resumed run reads them again.
What each guard means, and why its limit is what it is: `docs/guards.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean, median
from typing import Any

from mr1.config import Config
from mr1.tasks import load_task

Lines = Sequence[Mapping[str, float]]
"""What has been recorded of each step so far, in order: of what is `WATCHED`, the numbers."""

REWARD, KL, GAP = "reward/total", "kl", "sampler/logprob_gap"
FLAT, UNDECIDED = "advantage/zero_std_fraction", "judge/undecided"
ENTROPY, LENGTH, TRUNCATED = OWN = ("entropy", "completion/length_mean", "completion/truncated_fraction")
"""They tell of the policy only where it wrote the completions itself, not a teacher."""
SKIPPED = "update/skipped"
WATCHED = (REWARD, KL, GAP, FLAT, UNDECIDED, SKIPPED, *OWN, "eval/", "spread/", "guard/")
"""Keys of a line that guards look at, or what these begin with."""

ROUNDING = {"float32": 1e-4, "bfloat16": 0.02}
"""Nats per token: more than rounding makes of `sampler/logprob_gap`, by `loading.dtype`. Measured are 2e-7 and 0.003
(`benchmarks/rounding.py`, `docs/guards.md`); the rest is room for deeper models and other hardware."""


@dataclass(frozen=True)
class Frame:
    """What a figure has to know of a run beside its lines."""

    window: int
    """Lines: those of `guards.window` batches of rollouts."""
    completions: int
    """In so many batches."""
    accuracies: tuple[str, ...]
    """Keys of the validation accuracies that count: of the trained tasks where they are evaluated, else of all, as for
    the best checkpoint."""
    samples: int
    """Of all these tasks in a validation."""
    rounding: float
    """Nats per token that rounding explains between sampler and scorer."""


def frame(config: Config) -> Frame:
    """A run's frame; of tasks that are sources, these must be open."""
    evaluated = config.evaluation.tasks
    tasks = tuple(task for task in evaluated if task in config.tasks) or tuple(evaluated)
    samples = 0
    if config.evaluation.every:
        sizes = [load_task(task, config.sources).size("validation") for task in tasks]
        samples = sum(
            config.evaluation.samples if size is None else min(size, config.evaluation.samples) for size in sizes
        )
    return Frame(
        config.guards.window * config.updates_per_rollout,
        config.guards.window * config.prompts_per_step * config.rollout.group_size,
        tuple(f"eval/{task}/accuracy" for task in tasks),
        samples,
        # A batch ahead is scored by a policy that has learned since.
        math.inf if config.rollout.ahead else ROUNDING[config.loading.dtype],
    )


def known(lines: Lines, key: str) -> list[float]:
    """The values of a key where at least half of the lines have one; else none, as they would not stand for all."""
    values = [line[key] for line in lines if key in line]
    return values if 2 * len(values) >= len(lines) else []


def latest(lines: Lines, frame: Frame) -> Lines:
    """The last window; nothing before there is a whole one."""
    return lines[-frame.window :] if len(lines) >= frame.window else []


def beginning(lines: Lines, frame: Frame) -> Lines:
    """The first window; nothing before the last one is wholly behind it."""
    return lines[: frame.window] if len(lines) >= 2 * frame.window else []


def share(lines: Lines, frame: Frame, key: str) -> float | None:
    """The mean over the last window, for shares: no batch weighs much, and those of a few completions are coarse."""
    values = known(latest(lines, frame), key)
    return fmean(values) if values else None


def usual(lines: Lines, frame: Frame, key: str) -> float | None:
    """The median of the last window: what fewer than half of the batches do doesn't move it beyond the others."""
    values = known(latest(lines, frame), key)
    return median(values) if values else None


def change(lines: Lines, frame: Frame, key: str) -> float | None:
    """The last window's median in terms of the first one's."""
    before, now = known(beginning(lines, frame), key), usual(lines, frame, key)
    return None if not before or now is None or median(before) <= 0 else now / median(before)


def gap(lines: Lines, frame: Frame) -> float | None:
    """The sampler's gap in terms of what rounding explains."""
    found = usual(lines, frame, GAP)
    return None if found is None else found / frame.rounding


def undecided(lines: Lines, frame: Frame) -> float | None:
    """The share of the last window's completions that the judge could not decide on."""
    values = known(latest(lines, frame), UNDECIDED)
    return sum(values) / frame.completions if values else None


def spreads(lines: Lines) -> dict[str, float]:
    """By the reward's name, the median of its shares of the totals' spread (`metrics.spread_shares`)."""
    names = dict.fromkeys(key for line in lines for key in line if key.startswith("spread/"))
    return {name.removeprefix("spread/"): median(values) for name in names if (values := known(lines, name))}


def dominance(lines: Lines, frame: Frame) -> float | None:
    """The largest reward's share of the totals' spread, where others vary as well."""
    return max(spreads(latest(lines, frame)).values(), default=None)


def fall(lines: Lines, frame: Frame) -> float | None:
    """How far validation accuracy has fallen below its best while the training reward rises.

    Returns:
        The smaller fall of the last two validations, in standard errors of the difference between two accuracies p and
        q of n samples each, sqrt(2 m (1 - m) / n) with m = (p + q) / 2; None where the last window's median reward is
        not above that of the window that began with the best validation, or before there is all that.
    """
    measured = [(at, found) for at, line in enumerate(lines) if (found := accuracy(line, frame.accuracies)) is not None]
    if len(measured) < 3 or not frame.samples:
        return None
    at, best = max(measured[:-2], key=lambda each: each[1])
    before = known(lines[at : at + frame.window], REWARD) if at + frame.window <= len(lines) else []
    now = usual(lines, frame, REWARD)
    if not before or now is None or now <= median(before):
        return None
    return min(standard_errors(best, later, frame.samples) for _, later in measured[-2:])


def accuracy(line: Mapping[str, float], keys: Sequence[str]) -> float | None:
    """The mean of some validation accuracies before a step; None where not all were measured."""
    return fmean(line[key] for key in keys) if all(key in line for key in keys) else None


def standard_errors(before: float, after: float, samples: int) -> float:
    """How far an accuracy has fallen, in standard errors of the difference (see `fall`)."""
    middle = (before + after) / 2
    error = math.sqrt(2 * middle * (1 - middle) / samples)
    return 0.0 if before == after else (before - after) / error


def above(figure: float, limit: float) -> float | None:
    """The limit, where a figure is above it."""
    return limit if figure > limit else None


def below(figure: float, limit: float) -> float | None:
    """The limit, where a figure is below it."""
    return limit if figure < limit else None


def outside(figure: float, factor: float) -> float | None:
    """The factor or its inverse, where a figure is beyond it."""
    return above(figure, factor) or below(figure, 1 / factor)


@dataclass(frozen=True)
class Guard:
    """One guard."""

    figure: Callable[[Lines, Frame], float | None]
    """Of the lines so far; None where they don't tell."""
    crossed: Callable[[float, float], float | None]
    """(figure, setting) -> the limit that the figure is beyond, None where it is within."""
    says: str
    """What is so, with `figure`, `limit` and `reward`, the one whose share of the spread is the largest."""
    advice: str
    """What to do about it."""


GUARDS: dict[str, Guard] = {
    "held_out": Guard(
        fall,
        above,
        "validation accuracy is {figure:.1f} standard errors below its best, and the training reward rises (limit "
        "{limit:g})",
        "Take the best checkpoint (checkpoint.keep_best) and look at what the completions earn their reward with.",
    ),
    "length": Guard(
        lambda lines, frame: change(lines, frame, LENGTH),
        outside,
        "completions are {figure:.2f} times as long as at the run's beginning (limit {limit:.3g})",
        "Read the samples: where length itself is what pays, or nothing but the answer is left, change the rewards.",
    ),
    "dominance": Guard(
        dominance,
        above,
        "{reward} makes {figure:.1%} of the differences between totals where other rewards differ too (limit "
        "{limit:.1%})",
        "Lower its weight in rewards, or scale what it returns: the others teach next to nothing.",
    ),
    "no_spread": Guard(
        lambda lines, frame: share(lines, frame, FLAT),
        above,
        "in {figure:.0%} of the groups all completions earned the same, and teach nothing (limit {limit:.0%})",
        "Take problems that are neither solved nor out of reach, a larger rollout.group_size, or a finer reward.",
    ),
    "entropy": Guard(
        lambda lines, frame: change(lines, frame, ENTROPY),
        below,
        "entropy is {figure:.2f} times what it was at the run's beginning (limit {limit:g})",
        "The policy hardly explores: lower the learning rate, or raise the KL weight or rollout.temperature.",
    ),
    "kl": Guard(
        lambda lines, frame: usual(lines, frame, KL),
        above,
        "the policy is {figure:.3g} nats per token away from its reference (limit {limit:g})",
        "Raise the KL weight or lower the learning rate, and compare with an earlier checkpoint.",
    ),
    "truncated": Guard(
        lambda lines, frame: share(lines, frame, TRUNCATED),
        above,
        "{figure:.0%} of the completions are cut off and state no answer (limit {limit:.0%})",
        "Raise rollout.max_new_tokens, or reward shorter completions.",
    ),
    "undecided": Guard(
        undecided,
        above,
        "the judge could not decide on {figure:.1%} of the completions, which earned nothing (limit {limit:.1%})",
        "See `judged` of the recorded samples; answers of another kind, or a source's answer_kind, may settle it.",
    ),
    "sampler_gap": Guard(
        gap,
        above,
        "sampler and scorer differ by {figure:.3g} times what rounding explains (limit {limit:g})",
        "Set rollout.top_p to 1 if it is below; else the model needs another way of being run: see mr1 check.",
    ),
}
"""By the name of their settings."""


def told(name: str, line: Mapping[str, float], lines: Lines) -> str:
    """What a guard says, by what a step has recorded of it; the lines tell which reward is meant."""
    found = spreads(lines)
    figure, limit = (line[f"guard/{name}/{part}"] for part in ("figure", "limit"))
    return GUARDS[name].says.format(
        figure=figure, limit=limit, reward=max(found, key=found.__getitem__, default="one reward")
    )


def holding(line: Mapping[str, Any]) -> list[str]:
    """The guards that hold at a step, by what it has recorded."""
    return [name for name in GUARDS if {f"guard/{name}/figure", f"guard/{name}/limit"} <= line.keys()]


class Guards:
    """The guards of one run."""

    def __init__(self, config: Config, recorded: Iterable[Mapping[str, Any]], say: Callable[[str], None]) -> None:
        """Take up what was recorded.

        Args:
            config: the run's.
            recorded: the lines of the steps before, where the run goes on.
            say: takes a line for the terminal.
        """
        self.settings, self.say, self.frame = config.guards, say, frame(config)
        self.lines = [watched(line) for line in recorded]
        self.stop = ""
        """Why the run is to end, by a guard of `guards.stop`; empty while it isn't."""

    def look(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Look at a step's metrics. A guard is said when it begins to hold, not again before a window without it.

        Returns:
            `guard/<name>/figure` and `guard/<name>/limit` of those that hold, to be recorded with the metrics.
        """
        said = {name for line in self.lines[-self.frame.window :] for name in holding(line)}
        line = watched(metrics)
        self.lines.append(line)
        found: dict[str, float] = {}
        for name, guard in GUARDS.items():
            setting = getattr(self.settings, name)
            figure = None if setting is None else guard.figure(self.lines, self.frame)
            limit = None if figure is None else guard.crossed(figure, setting)
            if figure is not None and limit is not None:
                found |= {f"guard/{name}/figure": figure, f"guard/{name}/limit": limit}
        line |= found
        for name in holding(line):
            if name not in said:
                self._speak(name, int(metrics["step"]))
        self._look_for_skipped(int(metrics["step"]))
        return found

    def _look_for_skipped(self, step: int) -> None:
        """End the run at every `not_finite` skipped steps in a row: a resumed one has as many again."""
        skipped = in_a_row(self.lines)
        if self.settings.not_finite and skipped and skipped % self.settings.not_finite == 0 and not self.stop:
            self.stop = (
                f"guard not_finite at step {step}: {skipped} steps in a row were skipped, as loss or gradient was not "
                "finite"
            )

    def _speak(self, name: str, step: int) -> None:
        what = told(name, self.lines[-1], latest(self.lines, self.frame))
        self.say(f"guard {name}, step {step}: {what}. {GUARDS[name].advice} docs/guards.md#{name}")
        if name in self.settings.stop and not self.stop:
            self.stop = f"guard {name} at step {step}: {what}"


def in_a_row(lines: Lines) -> int:
    """How many of the last steps were skipped, one after another."""
    return sum(1 for _ in takewhile(lambda line: line.get(SKIPPED), reversed(lines)))


def watched(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What guards look at of a step, as it is once it has been recorded: numbers that are finite."""
    sampled = metrics.get(GAP) is not None
    return {
        key: value
        for key, value in metrics.items()
        if key.startswith(WATCHED)
        and isinstance(value, int | float)
        and math.isfinite(value)
        and (sampled or key not in OWN)
    }
