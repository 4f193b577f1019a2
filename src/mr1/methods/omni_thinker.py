"""Omni-Thinker: several tasks, each with rewards of its own kind, one after the other.

Omni-Thinker (arXiv 2507.14783): one policy learns mathematics, code, questions and writing by GRPO, by checks where a
task can be checked and by a language model's comparison with a reference answer where it can't. Tasks come as stages of
one run, in an order that a measured matrix of transfer gives (`study.order`). Its text was not at hand; all of this is
by its abstract and reviews.

Settings: `method.rewards` and GRPO's. Metrics, for each task of the batch: `task/NAME/groups`, and `task/NAME/reward`,
the mean of its totals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from mr1.config import MethodSettings
from mr1.data.settings import Text
from mr1.errors import UserError, nearest
from mr1.methods.grpo import GRPO
from mr1.rewards import fill_in, score_groups
from mr1.types import Group

if TYPE_CHECKING:
    from mr1.config import Config


class OmniThinkerSettings(MethodSettings):
    """Which rewards a task has."""

    rewards: dict[Text, dict[Text, Annotated[float, Field(ge=-1e9, le=1e9)]]] = Field(default={})
    """By task, the weight of each of its rewards; a task that is not named has the run's."""


class OmniThinker(GRPO):
    """See the module."""

    settings = OmniThinkerSettings

    @classmethod
    def check(cls, config: Config) -> None:
        from mr1.tasks import TASKS

        super().check(config)
        for task, weights in _own(config).rewards.items():
            key = f"method.rewards.{task}"
            if task not in (known := [*TASKS, *config.sources]):
                raise UserError(f"{key}: there is no such task{nearest(task, known)}")
            for name in weights:
                if name not in config.rewards:
                    raise UserError(f"{key}: the run has no reward {name}; add it to rewards, with weight 0")
            if not any(weights.values()):
                raise UserError(f"{key}: none has a weight other than 0; nothing would be learned of {task}")
            looked_at = getattr(cls.controller(config).of(config), "reward", None)
            if looked_at is not None and task in config.tasks and looked_at not in weights:
                raise UserError(
                    f"{key}: kl.controller={config.kl.controller} looks at {looked_at}; add it, a weight of 0 is enough"
                )

    def weights(self, task: str) -> dict[str, float]:
        """The weight of each reward that a task has."""
        return _own(self.config).rewards.get(task, self.config.rewards)

    def score(self, groups: Sequence[Group]) -> None:
        """Score each task's groups by its own rewards; those of other tasks don't apply to them."""
        by_task: dict[str, list[Group]] = {}
        for group in groups:
            by_task.setdefault(group.prompt.sample.id.partition("/")[0], []).append(group)
        for task, own in by_task.items():
            score_groups(own, self.weights(task))
            totals = torch.cat([group.rewards for group in own if group.rewards is not None])
            self.metrics[f"task/{task}/groups"] = len(own)
            if not totals.isnan().all():
                self.metrics[f"task/{task}/reward"] = totals.nanmean().item()
        fill_in(groups, self.config.rewards)


def _own(config: Config) -> OmniThinkerSettings:
    assert isinstance(config.method, OmniThinkerSettings), "the class says so"
    return config.method
