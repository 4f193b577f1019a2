"""KL: how far the policy is from its reference, and how much that costs at each step."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k1 estimate of KL(policy || reference), per token: log(pi/pi_ref). Its mean is the KL, its sign is open.

    Args and Returns: as for `k3`.

    Source: arXiv 2510.01555.
    """
    return logprobs - ref_logprobs


def k2(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k2 estimate of KL(policy || reference), per token: log(pi/pi_ref)^2 / 2.

    As a value it is biased, but on policy the mean of its gradient is the KL's.

    Args and Returns: as for `k3`.

    Source: arXiv 2510.01555.
    """
    return (logprobs - ref_logprobs).square() / 2


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k3 estimate of KL(policy || reference), per token: pi_ref/pi - log(pi_ref/pi) - 1. Never negative.

    Args:
        logprobs: (...) log pi of the sampled tokens.
        ref_logprobs: (...) log pi_ref of the same tokens.

    Returns:
        (...) estimates in nats.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 5.
    """
    log_ratio = ref_logprobs - logprobs
    return torch.exp(log_ratio) - log_ratio - 1.0


def dynamic_kl_weight(step: int, steps: int, minimum: float, maximum: float, exploration: float) -> float:
    """The KL weight beta(s) of GRPO-D: falls from the middle to the minimum while exploring, then rises to the maximum.

    Args:
        step: s, counted from 0.
        steps: t, the run's optimiser steps.
        minimum: beta_min, reached at s = w.
        maximum: beta_max, reached at s = t.
        exploration: w as a fraction of t, above 0 and at most 1.

    Returns:
        beta(s).

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 3.
    """
    middle = (minimum + maximum) / 2
    w = exploration * steps
    if step <= w:
        return middle - (middle - minimum) * step / w
    return minimum + (maximum - minimum) * (step - w) / (steps - w)


def linear_kl_weight(step: int, steps: int, first: float, final: float) -> float:
    """beta(s) on a straight line from `first` at s = 0 to `final` at s = t = `steps`."""
    return first + (final - first) * step / steps


def cosine_kl_weight(step: int, steps: int, first: float, final: float) -> float:
    """beta(s) on half a cosine from `first` at s = 0 to `final` at s = t = `steps`: slow at both ends."""
    return first + (final - first) * (1 - math.cos(math.pi * step / steps)) / 2


def adapted_kl_weight(weight: float, kl: float, target: float, gain: float) -> float:
    """beta of the next step, such that the KL comes to a target: beta (1 + K e), e = clip(KL / target - 1, -0.2, 0.2).

    Args:
        weight: beta of this step.
        kl: the batch's, in the same unit as the target.
        target: the KL that is wanted, above 0.
        gain: K; the paper's is 0.1.

    Source: Ziegler et al. (arXiv 1909.08593), section 2.2.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return weight * (1 + gain * error)


def accuracy_kl_weight(accuracy: float, minimum: float, maximum: float) -> float:
    """beta by the batch's accuracy a: from `minimum` where all fail to `maximum` where all succeed, as tanh(a) rises.

    The paper's beta (tanh(a) + 1) / 2 is this with bounds of beta / 2 and 0.8808 beta.

    Source: AKL of FG-ExPO (arXiv 2605.11403), Eq. 4 and 8.
    """
    return minimum + (maximum - minimum) * math.tanh(accuracy) / math.tanh(1.0)


def difficulty_kl_factor(accuracy: float) -> float:
    """What DADS multiplies beta by for a group's completions that are better than their group: 1 - exp(-e (1 - d)).

    Args:
        accuracy: the share of the group's completions that are right; the difficulty d is what is missing to 1.

    Returns:
        From 0.93 for an easy group down towards 0 for a hard one, and 1 where all or none are right.

    Source: APO (arXiv 2506.21655), as its authors' code has it (github.com/Indolent-Kawhi/View-R1).
    """
    if accuracy <= 0 or accuracy >= 1:
        return 1.0
    return 1 - math.exp(-math.e * accuracy)
