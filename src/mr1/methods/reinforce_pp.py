"""REINFORCE++: advantages normalised over the batch instead of the group.

REINFORCE++ (arXiv 2501.03262), in both of its forms (`batch_advantages`). With a baseline the rewards less their
group's mean are normalised over the batch, and the KL is in the loss by k2. Plain, the rewards are normalised over the
batch, and the KL is in the reward. Which KL it is stays with the recipe: `kl.estimator` of k2 for the former, and of k1
for the latter, which here is each token's own and not added up over what follows it. All else is GRPO.

The paper's text was not at hand; this is after what the documentation of RLinf and ms-swift says of it.

Settings: `method.baseline`, and GRPO's.
"""

from __future__ import annotations

from collections.abc import Sequence

from mr1.algo.advantage import batch_advantages
from mr1.config import MethodSettings
from mr1.methods.base import give_each_token
from mr1.methods.grpo import GRPO
from mr1.types import Group


class ReinforcePPSettings(MethodSettings):
    """Of `reinforce++`."""

    baseline: bool = True
    """Whether the mean of the group is taken off each reward first; else groups don't matter."""


class ReinforcePP(GRPO):
    """See the module."""

    settings = ReinforcePPSettings

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        assert isinstance(self.config.method, ReinforcePPSettings), "the class says so"
        rewards = [group.rewards for group in groups if group.rewards is not None]
        for group, advantages in zip(groups, batch_advantages(rewards, self.config.method.baseline), strict=True):
            give_each_token(group, advantages)
