"""MM-Eureka: GRPO on groups of middling accuracy alone, without a KL, and with a ratio that is capped at 3.

MM-Eureka (arXiv 2503.07365, version 2; github.com/ModalMinds/MM-EUREKA): a group is kept where the mean of its accuracy
reward, not of the total, is within [0.1, 0.9], and prompts are sampled until the batch is full. In the first
`method.freezing` steps all groups are kept. The ratio's clamp to [0, 3] before the min is the dual clip with c = 3
(`algo.objective.clipped_surrogate`). Its first version's RLOO is method `rloo`.

The paper's buffer is filled by whole batches of prompts and cleared behind each update. Here just as many prompts are
asked for as are missing, so nothing is left over and all is on policy. What `method.refills` can't fill stays empty:
the batch is smaller then. Where no group is kept, the first ones that were not make the batch, and have advantages of
0: a step has to have a batch, and may still have a KL.

With `method.adora` a group's advantages count less where thinking longer did not help (`adora_weight`), as in the code.

Settings: `method.*` as below and GRPO's. Metrics, of the batch's rollout: `sampling/prompts`, those that completions
were sampled for; `sampling/too_hard` and `sampling/too_easy`, groups that were not kept; `sampling/missing`, places
that stayed empty; `sampling/accuracy`, the mean over all that were sampled (those of `reward/` are of the batch alone);
`adora/weight`, the groups' mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from mr1.algo.difficulty import adora_weight
from mr1.errors import UserError
from mr1.methods.base import More, give_each_token, no_more
from mr1.methods.refill import fill
from mr1.methods.right import KnowsRight, RightSettings
from mr1.types import Group, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.rollout.engine import Engine

Share = Annotated[float, Field(ge=0, le=1)]


class MMEurekaSettings(RightSettings):
    """Which groups are kept, and what they count."""

    lowest: Share = 0.1
    """A group of a lower mean accuracy is too hard, and not kept."""
    highest: Share = 0.9
    """One of a higher is too easy."""
    freezing: Annotated[int, Field(ge=0)] = 0
    """Steps at the beginning in which all groups are kept."""
    refills: Annotated[int, Field(ge=0, le=100)] = 3
    """How often more prompts are asked for, at most, each time as many as are missing; 0 for never."""
    adora: Share | None = None
    """What a group's advantages count where thinking longer did not help; the code's is 0.1; null for 1."""


class MMEureka(KnowsRight):
    """See the module."""

    settings = MMEurekaSettings
    own_dual = 3.0

    idle = False
    """Whether the batch is of groups that were not kept."""

    @property
    def own(self) -> MMEurekaSettings:
        return _own(self.config)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        lowest, highest = _own(config).lowest, _own(config).highest
        if lowest > highest:
            raise UserError(f"method.lowest: {lowest:g} is above method.highest={highest:g}; no group would be kept")

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:
        self.idle = False
        if step < self.own.freezing:
            return super().rollout(engine, prompts, step)

        def sample(asked: Sequence[Prompt]) -> list[Group]:
            groups = super(MMEureka, self).rollout(engine, asked, step)
            self.score(groups)
            return groups

        filled = fill(sample, prompts, more, self.own.refills, self._kept)
        accuracies = [self.accuracy(group) for group in (*filled.kept, *filled.dropped)]
        self.metrics |= {
            "sampling/prompts": len(accuracies),
            "sampling/too_hard": sum(each < self.own.lowest for each in accuracies),
            "sampling/too_easy": sum(each > self.own.highest for each in accuracies),
            "sampling/missing": filled.missing,
            "sampling/accuracy": fmean(accuracies),
        }
        self.idle = not filled.kept
        return filled.kept or filled.dropped[: len(prompts)]

    def score(self, groups: Sequence[Group]) -> None:
        """Score those that the rollout has not scored."""
        super().score([group for group in groups if group.rewards is None])

    def accuracy(self, group: Group) -> float:
        """The mean of the accuracy reward over a group; what it does not apply to counts as 0."""
        return group.scores[self.judged_by].double().nan_to_num(nan=0.0).mean().item()

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        weights = [0.0 if self.idle else self._weight(group) for group in groups]
        for group, weight in zip(groups, weights, strict=True):
            assert group.rewards is not None, "score() fills them in"
            give_each_token(group, weight * self.advantage(group.rewards))
        if self.own.adora is not None and not self.idle:
            self.metrics["adora/weight"] = fmean(weights)

    def _kept(self, group: Group) -> bool:
        return self.own.lowest <= self.accuracy(group) <= self.own.highest

    def _weight(self, group: Group) -> float:
        if self.own.adora is None:
            return 1.0
        lengths = torch.tensor([len(completion) for completion in group.completions])
        whole = torch.tensor([completion.finish_reason != "length" for completion in group.completions])
        return adora_weight(self.right(group), lengths, whole, self.own.adora)


def _own(config: Config) -> MMEurekaSettings:
    assert isinstance(config.method, MMEurekaSettings), "the class says so"
    return config.method
