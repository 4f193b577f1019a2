"""RLOO: REINFORCE, leave one out.

RLOO (arXiv 2402.14740): a completion's baseline is the mean of its group's others, A_i = r_i - mean of r_j over j != i,
and it is one action: the gradient is A_i times the sum of its tokens' gradients. In later updates of a batch the ratio
of the whole completion is clipped, as in TRL's trainer; it is the product of its tokens' ratios, so long completions
leave the range soon.

With `kl.estimator=k1`, as in the paper and TRL, beta times the log ratio to the reference, summed over the completion's
tokens, is taken off its reward before the baseline. The policy that sampled is run once more for that. The other
estimators stand in the loss as with GRPO.

Settings: GRPO's but for `loss.aggregation`: the loss is the mean over completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from mr1.algo.advantage import leave_one_out_advantage
from mr1.algo.kl import k1
from mr1.algo.objective import rloo_loss
from mr1.methods.base import Measure, give_each_token
from mr1.methods.grpo import GRPO
from mr1.types import Completion, Group, LossInputs, LossOutput

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config
    from mr1.models.vlm import VLM


class RLOO(GRPO):
    """See the module."""

    uses = GRPO.uses - {"loss.aggregation"}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.looks = config.kl.estimator == "k1"
        self.prices: list[Tensor] = []
        """(G,) of each group of the batch: what the KL takes off the rewards."""

    def look(self, policy: VLM, groups: Sequence[Group], step: int, measure: Measure) -> None:
        measure(policy, None)
        weights = iter(self.kl.weights(step, groups))
        self.prices = [torch.stack([_price(each, next(weights)) for each in group.completions]) for group in groups]

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        for number, group in enumerate(groups):
            assert group.rewards is not None, "score() fills them in"
            rewards = group.rewards - self.prices[number] if self.looks else group.rewards
            give_each_token(group, leave_one_out_advantage(rewards))

    def loss(self, inputs: LossInputs) -> LossOutput:
        config = self.config
        return rloo_loss(inputs, *self.clip, config.kl.estimator, config.clip.dual, config.loss.entropy)


def _price(completion: Completion, beta: float) -> Tensor:
    """beta times the completion's log ratio to the reference, under the policy that sampled it."""
    if not beta:
        return torch.zeros(())
    assert completion.old_logprobs is not None, "the policy has looked at it"
    assert completion.ref_logprobs is not None, "the reference has been run"
    return beta * k1(completion.old_logprobs, completion.ref_logprobs).sum().cpu()
