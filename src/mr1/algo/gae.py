"""Generalised advantage estimation: what a token is worth beside what a critic expected (arXiv 1506.02438)."""

from __future__ import annotations

import torch
from torch import Tensor

from mr1.algo.advantage import alike


def gae(rewards: Tensor, values: Tensor, discount: float, trace: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns of one completion's tokens.

    With delta_t = r_t + gamma V_{t+1} - V_t, and 0 behind the last token: A_t = delta_t + gamma lambda A_{t+1}, and the
    return that a critic learns is A_t + V_t.

    Args:
        rewards: (T,) what each token earned.
        values: (T,) what the critic expected before each token.
        discount: gamma.
        trace: lambda: 1 compares the whole rest of the completion with the critic, 0 the next token alone.

    Returns:
        (T,) advantages and (T,) returns, float32, without gradient.

    Source: arXiv 1506.02438, Eq. 16; its recursion as PPO (arXiv 1707.06347), Eq. 11.
    """
    rewards, values = rewards.detach().float(), values.detach().float()
    following = torch.cat([values[1:], values.new_zeros(1)])
    surprises = rewards + discount * following - values
    advantages = torch.empty_like(surprises)
    carried = surprises.new_zeros(())
    for place in range(len(surprises) - 1, -1, -1):
        carried = surprises[place] + discount * trace * carried
        advantages[place] = carried
    return advantages, advantages + values


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """The critic's squared error per token, half of it, and no less than that of a value that stays near the old one.

    Args:
        values: (N,) with gradient.
        old_values: (N,) as they were when the advantages were made.
        returns: (N,) what is to be expected.
        clip: how far a step may move a value; None for as far as it goes.

    Returns:
        (N,) 1/2 max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2).

    Source: the clipping is that of OpenAI's PPO code (baselines, ppo2), not of the paper.
    """
    errors = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        errors = torch.maximum(errors, (near - returns).square())
    return errors / 2


def whitened(values: list[Tensor], epsilon: float = 1e-8) -> list[Tensor]:
    """Each completion's values less the mean of all tokens of the batch, in terms of their standard deviation.

    Args:
        values: (T,) of each completion.
        epsilon: keeps what hardly differs small.

    Returns:
        (T,) of each; exactly 0 where all are alike, whatever rounding makes of their mean.
    """
    flat = torch.cat(values)
    if alike(flat):
        return [torch.zeros_like(each) for each in values]
    mean, std = flat.mean(), flat.std(correction=0)
    return [(each - mean) / (std + epsilon) for each in values]


def explained(advantages: Tensor, returns: Tensor) -> float:
    """The share of the returns' variance over a batch's tokens that the critic foresaw; 0 where they are all alike, but
    for rounding.

    Args:
        advantages: (N,) what came beyond what was expected, before they are whitened.
        returns: (N,) what came.
    """
    size = torch.maximum(returns.abs().max(), advantages.abs().max())  # a return is an advantage plus a value
    if returns.max() - returns.min() <= 1e-5 * size:
        return 0.0
    return float(1 - advantages.var(correction=0) / returns.var(correction=0))
