"""GRPO with the KL in the reward, where `kl.estimator` is k1: beta log(pi_old / pi_ref) of each token is part of what a
completion has earned when advantages are made, and not taken off each token's advantage afterwards.

For that the policy that sampled is run once more on a fresh batch, without gradient. The other estimators stand in the
loss as with GRPO.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from mr1.algo.kl import k1
from mr1.methods.base import Measure
from mr1.methods.grpo import GRPO
from mr1.types import Completion, Group, LossInputs, LossOutput

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config
    from mr1.models.vlm import VLM


class KLInReward(GRPO):
    """See the module. Subclasses say what the prices do to the advantages."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.in_reward = self.looks = config.kl.estimator == "k1"
        self.prices: list[list[Tensor]] = []
        """By group and completion, what the KL costs each of its tokens that count; none where it is in the loss."""

    def look(self, policy: VLM, groups: Sequence[Group], step: int, measure: Measure) -> None:
        measure(policy, None)
        self.price(groups, step)

    def price(self, groups: Sequence[Group], step: int) -> None:
        """Fill in `prices` for a fresh batch, which the policy has looked at."""
        weights = iter(self.kl.weights(step, groups))
        self.prices = [[_price(completion, next(weights)) for completion in group.completions] for group in groups]

    def loss(self, inputs: LossInputs) -> LossOutput:
        if self.in_reward:  # it has been paid
            inputs = replace(inputs, kl_weights=torch.zeros_like(inputs.kl_weights))
        return super().loss(inputs)


def _price(completion: Completion, beta: float) -> Tensor:
    if not beta:
        return torch.zeros(int(completion.mask.sum()))
    assert completion.old_logprobs is not None, "the policy has looked at it"
    assert completion.ref_logprobs is not None, "the reference has been run"
    return beta * k1(completion.old_logprobs, completion.ref_logprobs).cpu()
