"""Stages: a run's steps divided among parts that learn by settings of their own.

Easy before hard, text before images, one task after the other: a stage goes on with the policy that the one before it
left, and begins everything else anew, as a run that was started from the other's end would: the method with its state,
AdamW, the learning rate's schedule, the reference, the order of the samples.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mr1.config.tree import Config
from mr1.errors import UserError, nearest

OWN = (
    "seed",
    "task",
    "prompt",
    "method",
    "rewards",
    "kl",
    "clip",
    "loss",
    "demonstrations",
    "rollout.group_size",
    "optimizer.learning_rate",
    "optimizer.schedule",
    "optimizer.warmup",
)
"""The settings that a stage may have of its own, or what these are below."""


@dataclass(frozen=True)
class Stage:
    """A part of a run that is trained by one tree of settings."""

    name: str
    """Empty where the run has no stages."""
    first: int
    """The run's step that it begins with."""
    config: Config
    """Its settings, as of a run by itself; `steps` are its own."""

    @property
    def end(self) -> int:
        """The run's step that it ends before."""
        return self.first + self.config.steps


def starts(config: Config) -> list[int]:
    """The step that each stage begins with, and that the last one ends before.

    A stage has at least one batch of rollouts, and none is torn apart.

    Raises:
        UserError: the run has fewer batches than stages.
    """
    batch = config.updates_per_rollout
    batches = config.steps // batch
    if batches < len(config.stages):
        raise UserError(
            f"steps: {config.steps} are too few for {len(config.stages)} stages of {batch} or more each; raise them, "
            "or take stages out"
        )
    return [batch * place for place in _divided(batches, [stage.share for stage in config.stages.values()])]


def own_settings(config: Config, name: str) -> Mapping[str, object]:
    """What a stage has otherwise than the run.

    Raises:
        UserError: a setting that holds for the whole run.
    """
    settings = config.stages[name].settings
    for key in settings:
        if not any(key == own or key.startswith(f"{own}.") for own in OWN):
            raise UserError(
                f"stages.{name}.settings: {key} holds for the whole run; a stage may have its own "
                f"{', '.join(OWN)}{nearest(key, OWN)}"
            )
    return settings


def check_stage(run: Config, name: str, stage: Config) -> None:
    """Raise UserError for what a stage has and the run that it is part of does not know."""
    for task in stage.tasks:
        if task not in run.tasks:
            raise UserError(f"stages.{name}.settings: task {task} is none of the run's; add it to task")
    for reward in stage.rewards:
        if reward not in run.rewards:
            raise UserError(f"stages.{name}.settings: the run has no reward {reward}; add it to rewards, with weight 0")


def stage_seed(seed: int, number: int) -> int:
    """The seed of a stage that has none of its own: the run's for the first, others for those behind it."""
    if number == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"stage {number} of {seed}".encode()).digest()[:7], "big")


def _divided(whole: int, shares: Sequence[float]) -> list[int]:
    """Where the parts of `whole` begin and end, as near to the shares as parts of at least 1 can be."""
    sums = [*itertools.accumulate(map(Fraction, shares))]
    places = [0]
    for number, upto in enumerate(sums, start=1):
        left = len(sums) - number  # parts behind this one
        places.append(min(max(round(whole * upto / sums[-1]), places[-1] + 1), whole - left))
    return places
