"""Greedy accuracy of a model on a task's held-out samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mr1.evaluate.intervals import wilson
from mr1.rewards.accuracy import accuracy
from mr1.rewards.format import well_formed
from mr1.rollout.engine import Engine
from mr1.tasks.base import Task
from mr1.types import Sample

BATCH = 128
"""Samples in memory at once, decoded side by side."""


@dataclass
class Outcome:
    """What the model wrote to one sample, and whether that was right."""

    sample: Sample
    completion: str
    correct: bool
    well_formed: bool
    truncated: bool


@dataclass
class Evaluation:
    """A model's outcomes on one task."""

    task: str
    split: str
    outcomes: list[Outcome]

    @property
    def accuracy(self) -> float:
        """The share of right answers; a missing answer is wrong."""
        return sum(outcome.correct for outcome in self.outcomes) / len(self.outcomes)

    def summary(self) -> dict[str, Any]:
        """Accuracy with its 95 % Wilson interval, the number of samples, and the share that keeps to the format."""
        low, high = wilson(sum(outcome.correct for outcome in self.outcomes), len(self.outcomes))
        return {
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "n": len(self.outcomes),
            "format_rate": sum(outcome.well_formed for outcome in self.outcomes) / len(self.outcomes),
        }


def evaluate(
    engine: Engine, task: Task, split: str, count: int, template: str, max_new_tokens: int, seed: int = 0
) -> Evaluation:
    """Greedy answers to the first `count` samples of a split.

    The samples are those of `seed`, which does not follow a run's seed: all runs are measured on the same ones.
    """
    outcomes = []
    for start in range(0, count, BATCH):
        samples = [task.sample(split, seed, index) for index in range(start, min(start + BATCH, count))]
        prompts = [engine.vlm.prompt(sample, template) for sample in samples]
        completions = engine.greedy(prompts, max_new_tokens, BATCH)
        outcomes += [
            Outcome(
                sample=sample,
                completion=completion.text,
                correct=accuracy(completion.text, sample) == 1.0,
                well_formed=well_formed(completion.text) == 1.0,
                truncated=completion.finish_reason == "length",
            )
            for sample, completion in zip(samples, completions, strict=True)
        ]
    return Evaluation(task.name, split, outcomes)
