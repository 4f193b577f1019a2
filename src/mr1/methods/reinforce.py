"""REINFORCE with the mean of the group as its baseline: GRPO whose advantages are not divided by the group's spread.

A_i = r_i - mean(r). What it does to the gradient: a group that disagrees little no longer counts as much as one that
disagrees much. LMM-R1 (arXiv 2503.07536) and R1-Searcher (arXiv 2503.05592) train with it, in OpenRLHF's words
`reinforce_baseline`. All else is GRPO: the clip, the mean over each completion's tokens, the KL.

Settings: GRPO's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mr1.algo.advantage import mean_advantage
from mr1.methods.grpo import GRPO

if TYPE_CHECKING:
    from torch import Tensor


class Reinforce(GRPO):
    """See the module."""

    def advantage(self, rewards: Tensor) -> Tensor:
        return mean_advantage(rewards)
