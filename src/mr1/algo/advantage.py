"""Advantages: what a completion is worth beside the others of its group."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def group_advantage(rewards: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Rewards normalised within their group: A_i = (r_i - mean(r)) / (std(r) + epsilon).

    Args:
        rewards: (..., G) float, the rewards of one group on the last axis, G >= 2; NaN where no reward applies.
        epsilon: keeps a group whose rewards are all equal at zero instead of 0/0.

    Returns:
        (..., G) advantages without unit, exactly 0 in a group whose rewards are alike; 0 where no reward applies, and
        the others are compared among themselves.

    Raises:
        ValueError: a group of one has no spread to be measured against.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 2; the unbiased std and 1e-4 are R1-V's.
    """
    centred, applies = _centred(rewards), ~rewards.isnan()
    if applies.all():
        std = rewards.std(dim=-1, keepdim=True)
    else:
        count = applies.sum(dim=-1, keepdim=True)
        std = (centred.square().sum(dim=-1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return _unless_alike(centred / (std + epsilon), rewards)


def mean_advantage(rewards: Tensor) -> Tensor:
    """Rewards without their group's mean, and not divided by its spread: A_i = r_i - mean(r).

    Args, Returns and Raises: as for `group_advantage`; advantages are in the rewards' unit.

    Source: Dr. GRPO (arXiv 2503.20783); REINFORCE with the group's mean as its baseline.
    """
    return _unless_alike(_centred(rewards), rewards)


def leave_one_out_advantage(rewards: Tensor) -> Tensor:
    """RLOO: a reward less the mean of the group's others, A_i = r_i - mean of r_j over j != i.

    It is the group's mean advantage times n / (n - 1), of n rewards that apply: the baseline does not depend on the
    completion itself, so the gradient is that of the expected reward.

    Args, Returns and Raises: as for `mean_advantage`; 0 where no other reward applies.

    Source: RLOO (arXiv 2402.14740).
    """
    count = (~rewards.isnan()).sum(dim=-1, keepdim=True)
    return mean_advantage(rewards) * (count / (count - 1).clamp(min=1))


def spread_shares(scores: Tensor, weights: Tensor) -> Tensor:
    """Each reward's share of what makes a group's totals differ: |w_k| std_k / sum over j of |w_j| std_j.

    Args:
        scores: (R, G) float, what each of R rewards gave for the G completions of one group; NaN where one does not
            apply.
        weights: (R,) float, with which they enter the total.

    Returns:
        (R,) float64 shares that add up to 1, by the population's std; all NaN where fewer than two rewards differ
        within the group: then there is nothing that one of them could drown.
    """
    scores = scores.double()
    centred = (scores - scores.nanmean(dim=-1, keepdim=True)).nan_to_num(nan=0.0)
    count = (~scores.isnan()).sum(dim=-1).clamp(min=1)
    std = (centred.square().sum(dim=-1) / count).sqrt().masked_fill(alike(scores), 0.0)
    spread = weights.double().abs() * std
    return spread / spread.sum() if (spread > 0).sum() > 1 else torch.full_like(spread, torch.nan)


def alike(rewards: Tensor) -> Tensor:
    """Whether a group's rewards are all equal, so that nothing can be learned from it.

    Args:
        rewards: (..., G) float, the rewards of one group on the last axis; NaN where no reward applies.

    Returns:
        (...) bool; true as well where at most one reward applies.
    """
    lowest = rewards.nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf).amin(dim=-1)
    highest = rewards.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf).amax(dim=-1)
    return lowest >= highest


def _centred(rewards: Tensor) -> Tensor:
    """Without the mean of those that apply; 0 where none does."""
    if rewards.shape[-1] < 2:
        raise ValueError(f"a group needs at least two rewards to be compared, got {rewards.shape[-1]}")
    applies = ~rewards.isnan()
    if applies.all():
        return rewards - rewards.mean(dim=-1, keepdim=True)
    return (rewards - rewards.nanmean(dim=-1, keepdim=True)).masked_fill(~applies, 0.0)


def _unless_alike(advantages: Tensor, rewards: Tensor) -> Tensor:
    """0 in groups that are alike: the mean of equal fractions is rounded, and so may not be exactly they, as of 0.1."""
    return advantages.masked_fill(alike(rewards)[..., None], 0.0)
