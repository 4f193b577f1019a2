"""REINFORCE++: advantages normalised over the batch instead of the group.

REINFORCE++ (arXiv 2501.03262), in both of its forms. What a token is worth, x, is normalised over the tokens of the
whole batch, (x - mean(x)) / std(x) (`whitened`), so that long completions count for more in mean and std:

- with a baseline (`method.baseline`, the default): x is the completion's reward less the mean of its group. The KL
  stands in the loss, by k2;
- plain: x is the completion's reward, as groups don't matter; a prompt that is hard for all of its completions gives
  them all a negative advantage. The KL is in the reward: beta k1, added up from the token to the completion's end, is
  taken off x.

Which KL it is stays with the recipe: `kl.estimator` of k2 for the former, of k1 for the latter (`kl_in_reward.py`). All
else is GRPO. The paper's text was not at hand; this is after what RLinf's documentation says of it.

Settings: `method.baseline`, and GRPO's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mr1.algo.advantage import mean_advantage
from mr1.algo.gae import whitened
from mr1.config import MethodSettings
from mr1.methods.kl_in_reward import KLInReward
from mr1.types import Completion, Group


class ReinforcePPSettings(MethodSettings):
    """Of `reinforce++`."""

    baseline: bool = True
    """Whether the mean of the group is taken off each reward first; else groups don't matter."""


class ReinforcePP(KLInReward):
    """See the module."""

    settings = ReinforcePPSettings

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        assert isinstance(self.config.method, ReinforcePPSettings), "the class says so"
        counted: list[Completion] = []
        worth: list[Tensor] = []
        for number, group in enumerate(groups):
            assert group.rewards is not None, "score() fills them in"
            values = mean_advantage(group.rewards) if self.config.method.baseline else group.rewards
            for place, completion in enumerate(group.completions):
                completion.advantages = torch.zeros(len(completion))
                if group.rewards[place].isnan():  # it does not count
                    continue
                counted.append(completion)
                worth.append(values[place].expand(int(completion.mask.sum())))
                if self.in_reward:
                    worth[-1] = worth[-1] - self.prices[number][place].flip(0).cumsum(0).flip(0)
        for completion, advantages in zip(counted, whitened(worth) if worth else [], strict=True):
            assert completion.advantages is not None, "just made"
            completion.advantages[completion.mask] = advantages
