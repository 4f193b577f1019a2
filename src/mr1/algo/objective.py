"""Objectives: what a token contributes to the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from mr1.algo.kl import k1, k2, k3
from mr1.types import KLEstimator, LossInputs, LossOutput


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """The clipped policy gradient objective per token, to be maximised: min(rho A, clip(rho, 1-low, 1+high) A).

    Args:
        log_ratio: (N,) log rho = log pi_theta - log pi_old.
        advantages: (N,) each token's advantage.
        clip_low: epsilon below 1.
        clip_high: epsilon above 1.

    Returns:
        (N,) objective values.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4, inside the brackets.
    """
    ratio = torch.exp(log_ratio)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_low, 1 + clip_high) * advantages)


def grpo_loss(inputs: LossInputs, clip_low: float, clip_high: float, estimator: KLEstimator = "k3") -> LossOutput:
    """GRPO's loss: minus the weighted sum over tokens of [clipped surrogate - beta * KL].

    With `weights` of 1 / (completions * completion length) this is Eq. 4 averaged over the batch's groups.

    The KL is k3, as in Eq. 4 and 5, or by `estimator`: k2; k3 times the importance ratio pi/pi_old, with the ratio's
    gradient; or k1 in the reward, where beta * k1, without gradient, is taken off the token's advantage instead.

    Metrics are weighted like the loss: `kl`, always by k3, which never is negative (absent where the reference was not
    run), and `clip_fraction`, the share of tokens whose ratio left the clip range on the side where the clip takes the
    gradient away.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4; k3-ratio: DeepSeek-V3.2 (arXiv 2512.02556); k1 in the reward and k2 in
    the loss: arXiv 2510.01555.
    """
    log_ratio, advantages, ref = inputs.logprobs - inputs.old_logprobs, inputs.advantages, inputs.ref_logprobs
    if ref is not None and estimator == "k1":
        advantages = advantages - inputs.kl_weights * k1(inputs.logprobs.detach(), ref)
    objective = clipped_surrogate(log_ratio, advantages, clip_low, clip_high)
    metrics = {"clip_fraction": _share(_clipped(log_ratio, advantages, clip_low, clip_high), inputs.weights)}
    if ref is not None:
        kl = k3(inputs.logprobs, ref)
        metrics["kl"] = _share(kl, inputs.weights)
        if estimator == "k2":
            kl = k2(inputs.logprobs, ref)
        elif estimator == "k3-ratio":
            kl = torch.exp(log_ratio) * kl
        if estimator != "k1":
            objective = objective - inputs.kl_weights * kl
    return LossOutput(loss=-(inputs.weights * objective).sum(), metrics=metrics)


def nll_loss(inputs: LossInputs) -> LossOutput:
    """Negative log-likelihood, weighted: supervised fine-tuning."""
    return LossOutput(loss=-(inputs.weights * inputs.logprobs).sum(), metrics={})


def _clipped(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    ratio = torch.exp(log_ratio)
    above = (ratio > 1 + clip_high) & (advantages > 0)
    below = (ratio < 1 - clip_low) & (advantages < 0)
    return (above | below).float()


def _share(values: Tensor, weights: Tensor) -> Tensor:
    return (values.detach() * weights).sum()
