"""RLOO: REINFORCE, leave one out.

RLOO (arXiv 2402.14740): a completion's baseline is the mean of its group's others, A_i = r_i - mean of r_j over j != i,
and it is one action: the gradient is A_i times the sum of its tokens' gradients. In later updates of a batch the ratio
of the whole completion is clipped, as in TRL's trainer; it is the product of its tokens' ratios, so long completions
leave the range soon.

With `kl.estimator=k1`, as in the paper and TRL, beta times the log ratio to the reference, summed over the completion's
tokens, is taken off its reward before the baseline (`kl_in_reward.py`).

Settings: GRPO's but for `loss.aggregation`: the loss is the mean over completions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mr1.algo.advantage import leave_one_out_advantage
from mr1.algo.objective import rloo_loss
from mr1.methods.base import give_each_token
from mr1.methods.kl_in_reward import KLInReward
from mr1.types import Group, LossInputs, LossOutput


class RLOO(KLInReward):
    """See the module."""

    uses = KLInReward.uses - {"loss.aggregation"}

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        for number, group in enumerate(groups):
            assert group.rewards is not None, "score() fills them in"
            rewards = group.rewards
            if self.in_reward:
                rewards = rewards - torch.stack([prices.sum() for prices in self.prices[number]])
            give_each_token(group, leave_one_out_advantage(rewards))

    def loss(self, inputs: LossInputs) -> LossOutput:
        config = self.config
        return rloo_loss(inputs, *self.clip, config.kl.estimator, config.clip.dual, config.loss.entropy)
