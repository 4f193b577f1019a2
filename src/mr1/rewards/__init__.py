"""Rewards: functions from a completion's text and its sample to a score.

A reward is registered by name in `REWARDS`; a recipe's `rewards` gives each the weight with which it enters the total
(OThink-MR1, Eq. 1: total = accuracy + alpha * format, where alpha is the weight of `format`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from mr1.rewards.accuracy import accuracy
from mr1.rewards.format import well_formed
from mr1.types import Group, Sample

Reward = Callable[[str, Sample], float]

REWARDS: dict[str, Reward] = {"accuracy": accuracy, "format": well_formed}


def score_group(group: Group, weights: dict[str, float]) -> None:
    """Fill in a group's scores, one (G,) tensor for each reward named in `weights`, and their weighted sum."""
    sample = group.prompt.sample
    group.scores = {
        name: torch.tensor([REWARDS[name](completion.text, sample) for completion in group.completions])
        for name in weights
    }
    total = torch.zeros(len(group.completions))
    for name, weight in weights.items():
        total = total + weight * group.scores[name]
    group.rewards = total
