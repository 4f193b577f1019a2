"""Rewards: functions from the assistant's turn and its sample to a score.

A reward is registered by name in `REWARDS`, or where a language model gives it in `judgements.JUDGEMENTS`; a recipe's
`rewards` gives each the weight with which it enters the total (OThink-MR1, Eq. 1: total = accuracy + alpha * format,
where alpha is the weight of `format`). A name with a colon is a function of the user's own (see `functions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor

from mr1.judge.pool import side_by_side
from mr1.judge.tags import turn
from mr1.parallel import ranks
from mr1.rewards.accuracy import accuracy, accuracy_r1v
from mr1.rewards.facts import facts, false_facts
from mr1.rewards.format import well_formed, well_formed_r1v
from mr1.rewards.functions import score_by_function
from mr1.rewards.judged import score_by_judge
from mr1.rewards.judgements import JUDGEMENTS
from mr1.rewards.words import other_script, repetition
from mr1.types import Group, Sample

Reward = Callable[[str, Sample], float]

REWARDS: dict[str, Reward] = {
    "accuracy": accuracy,
    "accuracy-r1v": accuracy_r1v,
    "facts": facts,
    "false-facts": false_facts,
    "format": well_formed,
    "format-r1v": well_formed_r1v,
    "other-script": other_script,
    "repetition": repetition,
}


Scored = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str], Tensor]
"""A group's scores, where they are not finite, what failed, and the rewards."""


def score_groups(groups: Sequence[Group], weights: dict[str, float]) -> None:
    """Fill in the groups' scores, one (G,) tensor for each reward named in `weights`, and their weighted sums.

    A score is NaN where a function of the user's own says that it does not apply; the sum is of the others, and NaN
    where there is no other: such a completion does not count. Nor does one for which a function gives NaN or infinity,
    or fails and is to be skipped, or a language model fails, as nobody knows what it is worth. A reward of weight 0
    decides nothing of this. The sum is added up in float64 and rounded once, so that totals that are equal on paper,
    such as 0.1 + 0.2 and 0.3, are equal.

    The rewards of `REWARDS` are asked for all completions side by side; functions of the user's own group by group, in
    order, in the thread of the caller; a language model is asked for all completions at once. Several processes divide
    the groups among them.
    """
    scored = ranks.spread(groups, lambda own: _score(own, weights), "the rewards")
    for group, made in zip(groups, scored, strict=True):
        group.scores, group.not_finite, group.failures, group.rewards = made


def _score(groups: Sequence[Group], weights: dict[str, float]) -> list[Scored]:
    asked = [
        (REWARDS[name], turn(group.prompt, completion), group.prompt.sample)
        for group in groups
        for name in weights
        if ":" not in name and name not in JUDGEMENTS
        for completion in group.completions
    ]
    said = iter(side_by_side(lambda each: each[0](each[1], each[2]), asked))
    judged = score_by_judge([name for name in weights if name in JUDGEMENTS], groups)
    made: list[Scored] = []
    for group, by_judge in zip(groups, judged, strict=True):
        group.scores, group.not_finite, group.failures = {}, {}, {}
        for name in weights:
            if name in by_judge:
                group.scores[name], group.not_finite[name] = by_judge[name]
            elif ":" in name:
                group.scores[name], group.not_finite[name] = score_by_function(name, group)
            else:
                group.scores[name] = torch.tensor([*islice(said, len(group.completions))])
        group.rewards = total_reward(group, weights)
        made.append((group.scores, group.not_finite, group.failures, group.rewards))
    return made


def fill_in(groups: Sequence[Group], names: Iterable[str]) -> None:
    """Give each group a score of every name, in their order: NaN where it was not asked for, as it does not apply."""
    for group in groups:
        size = len(group.completions)
        unasked, none = torch.full((size,), torch.nan), torch.zeros(size, dtype=torch.bool)
        group.scores = {name: group.scores.get(name, unasked) for name in names}
        group.not_finite = {name: group.not_finite.get(name, none) for name in names}


def not_finite(groups: Iterable[Group]) -> dict[str, str]:
    """By the name of each reward that gave no score for a completion: what is to be said of it, in a line."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        for name, where in group.not_finite.items():
            found.setdefault(name, []).extend([group] * int(where.sum()))
    return {name: _said_of(name, of) for name, of in found.items() if of}


def _said_of(name: str, groups: Sequence[Group]) -> str:
    """Of the groups of the completions, each as often as it has some."""
    reasons = [group.failures[name] for group in groups if name in group.failures]
    what = "failed" if reasons or name in JUDGEMENTS else "gave NaN or infinity"
    because = f" (it {reasons[0]})" if reasons else ""
    first = f"the first of them to {groups[0].prompt.sample.id}{because}"
    return f"rewards: {name} {what} for {len(groups)} completions, {first}; they don't count"


def total_reward(group: Group, weights: dict[str, float]) -> Tensor:
    """(G,) weighted sums of a group's scores, as `score_groups` makes them."""
    count = len(group.completions)
    total, applies = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
    unknown = torch.zeros(count, dtype=torch.bool)
    for name, weight in weights.items():
        if weight == 0:
            continue
        total = total + weight * group.scores[name].double().nan_to_num(nan=0.0)
        applies |= ~group.scores[name].isnan()
        unknown |= group.not_finite.get(name, unknown)
    return total.masked_fill(~applies | unknown, torch.nan).float()
