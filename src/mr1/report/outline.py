"""What a run was, for its page: by its settings, or as far as its numbers tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mr1.config import Config, divide

Metrics = Sequence[Mapping[str, Any]]
Evaluations = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Outline:
    """What the page has to know of a run beside its numbers."""

    steps: int
    rewards: Mapping[str, float | None]
    """Weights by name; None where they are not known."""
    tasks: Sequence[str]
    """Those that are measured."""
    trained: Sequence[str] | None
    """The tasks that the run learned from; None where they are not known, as all that follows."""
    samples: int | None
    """Of a validation."""
    longest: int | None
    """Completion, in tokens."""
    stages: Mapping[str, int] = field(default_factory=dict)
    """The step that each stage begins with, by name; none of a run that is one."""

    def role(self, task: str) -> str:
        """What a task was to the run; empty where it isn't known."""
        return "" if self.trained is None else "trained" if task in self.trained else "transfer"


def outline(config: Config | None, metrics: Metrics, evaluations: Evaluations) -> Outline:
    """A run's outline by its settings, or, where they can't be read, by what its numbers are called."""
    if config is not None:
        rewards: dict[str, float | None] = dict(config.rewards)
        evaluation, longest = config.evaluation, config.rollout.max_new_tokens
        stages = {stage.name: stage.first for stage in divide(config, run_code=False)} if config.stages else {}
        return Outline(config.steps, rewards, evaluation.tasks, config.tasks, evaluation.samples, longest, stages)
    keys = dict.fromkeys(key for line in metrics for key in line)
    named = [key.removeprefix("reward/") for key in keys if key.startswith("reward/") and key != "reward/total"]
    watched = [key.removeprefix("eval/").removesuffix("/accuracy") for key in keys if key.startswith("eval/")]
    tasks = dict.fromkeys([*watched, *(task for stage in evaluations.values() for task in stage)])
    steps = max((line["step"] + 1 for line in metrics), default=0)
    return Outline(steps, dict.fromkeys(named), [*tasks], trained=None, samples=None, longest=None)
