"""Rewards: functions from the assistant's turn and its sample to a score.

A reward is registered by name in `REWARDS`; a recipe's `rewards` gives each the weight with which it enters the total
(OThink-MR1, Eq. 1: total = accuracy + alpha * format, where alpha is the weight of `format`). A name with a colon is a
function of the user's own (see `functions.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from mr1.errors import UserError, nearest
from mr1.judge.tags import turn
from mr1.rewards.accuracy import accuracy, accuracy_r1v
from mr1.rewards.format import well_formed
from mr1.rewards.functions import load_function, score_by_function
from mr1.types import Group, Sample

Reward = Callable[[str, Sample], float]

REWARDS: dict[str, Reward] = {"accuracy": accuracy, "accuracy-r1v": accuracy_r1v, "format": well_formed}


def check_reward(name: str) -> None:
    """Raise UserError where a recipe's name is no reward."""
    if ":" in name:
        load_function(name)
    elif name not in REWARDS:
        raise UserError(f"rewards: unknown '{name}'{nearest(name, REWARDS)}")


def score_group(group: Group, weights: dict[str, float]) -> None:
    """Fill in a group's scores, one (G,) tensor for each reward named in `weights`, and their weighted sum.

    A score is NaN where a function of the user's own says that it does not apply; the sum is of the others, and NaN
    where there is no other. It is added up in float64 and rounded once, so that totals that are equal on paper, such
    as 0.1 + 0.2 and 0.3, are equal.
    """
    sample, turns = group.prompt.sample, [turn(group.prompt, completion) for completion in group.completions]
    group.scores = {
        name: score_by_function(name, group)
        if ":" in name
        else torch.tensor([REWARDS[name](text, sample) for text in turns])
        for name in weights
    }
    count = len(group.completions)
    total, applies = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    for name, weight in weights.items():
        total = total + weight * group.scores[name].double().nan_to_num(nan=0.0)
        applies |= ~group.scores[name].isnan()
    group.rewards = total.masked_fill(~applies, torch.nan).float()
