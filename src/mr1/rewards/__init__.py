"""Rewards: functions from the assistant's turn and its sample to a score.

A reward is registered by name in `REWARDS`; a recipe's `rewards` gives each the weight with which it enters the total
(OThink-MR1, Eq. 1: total = accuracy + alpha * format, where alpha is the weight of `format`). A name with a colon is a
function of the user's own (see `functions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor

from mr1.judge.pool import side_by_side
from mr1.judge.tags import turn
from mr1.rewards.accuracy import accuracy, accuracy_r1v
from mr1.rewards.format import well_formed
from mr1.rewards.functions import score_by_function
from mr1.types import Group, Sample

Reward = Callable[[str, Sample], float]

REWARDS: dict[str, Reward] = {"accuracy": accuracy, "accuracy-r1v": accuracy_r1v, "format": well_formed}


def score_groups(groups: Sequence[Group], weights: dict[str, float]) -> None:
    """Fill in the groups' scores, one (G,) tensor for each reward named in `weights`, and their weighted sums.

    A score is NaN where a function of the user's own says that it does not apply; the sum is of the others, and NaN
    where there is no other. It is added up in float64 and rounded once, so that totals that are equal on paper, such
    as 0.1 + 0.2 and 0.3, are equal.

    The rewards of `REWARDS` are asked for all completions side by side; functions of the user's own group by group, in
    order, in the thread of the caller.
    """
    asked = [
        (REWARDS[name], turn(group.prompt, completion), group.prompt.sample)
        for group in groups
        for name in weights
        if ":" not in name
        for completion in group.completions
    ]
    said = iter(side_by_side(lambda each: each[0](each[1], each[2]), asked))
    for group in groups:
        group.scores = {
            name: score_by_function(name, group)
            if ":" in name
            else torch.tensor([*islice(said, len(group.completions))])
            for name in weights
        }
        group.rewards = _total(group, weights)


def _total(group: Group, weights: dict[str, float]) -> Tensor:
    count = len(group.completions)
    total, applies = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    for name, weight in weights.items():
        total = total + weight * group.scores[name].double().nan_to_num(nan=0.0)
        applies |= ~group.scores[name].isnan()
    return total.masked_fill(~applies, torch.nan).float()
