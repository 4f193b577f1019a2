"""Advantages: what a completion is worth beside the others of its group."""

from __future__ import annotations

from torch import Tensor


def group_advantage(rewards: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Rewards normalised within their group: A_i = (r_i - mean(r)) / (std(r) + epsilon).

    Args:
        rewards: (..., G) float, the rewards of one group on the last axis, G >= 2; NaN where no reward applies.
        epsilon: keeps a group whose rewards are all equal at zero instead of 0/0.

    Returns:
        (..., G) advantages without unit; 0 where no reward applies, and the others are compared among themselves.

    Raises:
        ValueError: a group of one has no spread to be measured against.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 2; the unbiased std and 1e-4 are R1-V's.
    """
    if rewards.shape[-1] < 2:
        raise ValueError(f"a group needs at least two rewards to be compared, got {rewards.shape[-1]}")
    applies = ~rewards.isnan()
    if not applies.all():
        count = applies.sum(dim=-1, keepdim=True)
        centred = (rewards - rewards.nanmean(dim=-1, keepdim=True)).masked_fill(~applies, 0.0)
        std = (centred.square().sum(dim=-1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
        return centred / (std + epsilon)
    centred = rewards - rewards.mean(dim=-1, keepdim=True)
    return centred / (rewards.std(dim=-1, keepdim=True) + epsilon)
