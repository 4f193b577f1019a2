"""VL-Cogito's PCuRL: groups count by how hard they are, and wrong completions pay for their length.

VL-Cogito (arXiv 2507.22607): three stages, easy, medium and hard, of GRPO on the same data. In each a group's
advantages are multiplied by a weight of its accuracy (`algo.difficulty.difficulty_weight`); in the last one wrong
completions are drawn towards the length of the right ones (`dynamic_length`) and pay for repeating themselves. All is
by the released code (github.com/alibaba-damo-academy/VL-Cogito), whose std has 1e-6 added and whose loss is the mean
over tokens; the paper's text was not at hand.

A recipe has the stages as its `stages`, each with its `method.difficulty`. The reward `repetition` costs wrong
completions alone here.

Settings: `method.*` as below and GRPO's. Metrics: `difficulty/weight`, the groups' mean; `difficulty/unused`, the share
of groups whose rewards differ and whose weight is 0; `reward/dynamic-length`, the mean over completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from mr1.algo.advantage import alike, group_advantage
from mr1.algo.difficulty import difficulty_weight, dynamic_length
from mr1.errors import UserError
from mr1.methods.base import give_each_token
from mr1.methods.right import KnowsRight, RightSettings
from mr1.rewards import score_groups, total_reward
from mr1.types import Group

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config

REPETITION, LENGTH = "repetition", "dynamic-length"


class VLCogitoSettings(RightSettings):
    """What the curriculum has come to."""

    difficulty: Literal["easy", "medium", "hard"] | None = None
    """Which groups count most; null for all alike."""
    hard_cut: bool = False
    """Whether a group counts wholly or not at all, as in the paper's ablation."""
    length: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Weight of the dynamic length reward; the paper's last stage has 1, the others 0."""


class VLCogito(KnowsRight):
    """See the module."""

    settings = VLCogitoSettings
    own_aggregation = "token"

    @property
    def own(self) -> VLCogitoSettings:
        assert isinstance(self.config.method, VLCogitoSettings)
        return self.config.method

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        assert isinstance(config.method, VLCogitoSettings)
        if config.method.hard_cut and config.method.difficulty is None:
            raise UserError("method.hard_cut: it has no effect without method.difficulty; set both, or leave both out")

    def score(self, groups: Sequence[Group]) -> None:
        score_groups(groups, self.config.rewards)
        weights = self.config.rewards | ({LENGTH: self.own.length} if self.own.length else {})
        for group in groups:
            right = self.right(group)
            if REPETITION in group.scores:
                group.scores[REPETITION] = group.scores[REPETITION].masked_fill(right, 0.0)
            if self.own.length:
                lengths = torch.tensor([len(completion) for completion in group.completions])
                group.scores[LENGTH] = dynamic_length(right, lengths)
            group.rewards = total_reward(group, weights)
        if self.own.length:
            self.metrics[f"reward/{LENGTH}"] = torch.cat([group.scores[LENGTH] for group in groups]).mean().item()

    def weight(self, group: Group) -> float:
        """The factor of a group's advantages."""
        if self.own.difficulty is None:
            return 1.0
        return difficulty_weight(self.right(group).float().mean().item(), self.own.difficulty, self.own.hard_cut)

    def advantage(self, rewards: Tensor) -> Tensor:
        return group_advantage(rewards, epsilon=1e-6)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        weights, unused = [self.weight(group) for group in groups], 0
        for group, weight in zip(groups, weights, strict=True):
            assert group.rewards is not None, "score() fills them in"
            give_each_token(group, weight * self.advantage(group.rewards))
            unused += weight == 0 and not alike(group.rewards)
        self.metrics |= {"difficulty/weight": fmean(weights), "difficulty/unused": unused / len(groups)}
