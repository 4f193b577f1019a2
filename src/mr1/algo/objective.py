"""Objectives: what a token contributes to the loss.

Each loss is minus the weighted sum over tokens of an objective. They differ in that alone: `regularised_loss` takes the
KL off, adds the entropy bonus and makes the metrics that all of them have.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from mr1.algo.kl import k1, k2, k3
from mr1.types import KLEstimator, LossInputs, LossOutput

DRIFT_LIMIT = 2.0
"""How far above 1 a ratio still adds to the gradient of `policy_drift`."""


def clipped_surrogate(
    log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float, dual: float | None = None
) -> Tensor:
    """The clipped policy gradient objective per token, to be maximised: min(rho A, clip(rho, 1-low, 1+high) A).

    Args:
        log_ratio: (N,) log rho = log pi_theta - log pi_old.
        advantages: (N,) each token's advantage.
        clip_low: epsilon below 1.
        clip_high: epsilon above 1.
        dual: c, above 1 + clip_high: where A < 0 the objective is no less than c A, and from there on without
            gradient; None for no such limit.

    Returns:
        (N,) objective values.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4, inside the brackets; dual clip: arXiv 1912.09729. As c lies above the
    range, a cap of the ratio at c before the min is the same function: where A > 0 the clip holds first. Such caps are
    MM-Eureka's clamp to [0, 3] (arXiv 2503.07365) and TRL's `delta`.
    """
    ratio = torch.exp(_capped(log_ratio, advantages, dual))
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_low, 1 + clip_high) * advantages)


def grpo_loss(
    inputs: LossInputs,
    clip_low: float,
    clip_high: float,
    estimator: KLEstimator = "k3",
    dual: float | None = None,
    entropy: float = 0.0,
) -> LossOutput:
    """GRPO's loss: minus the weighted sum over tokens of [clipped surrogate - beta * KL].

    With `weights` of 1 / (completions * completion length) this is Eq. 4 averaged over the batch's groups.

    The KL is k3, as in Eq. 4 and 5, or by `estimator`: k2; k3 times the importance ratio pi/pi_old, with the ratio's
    gradient; or k1 in the reward, where beta * k1, without gradient, is taken off the token's advantage instead.

    Metrics are means over the batch's tokens by their `shares`: `kl`, always by k3, which never is negative (absent
    where the reference was not run), and `clip_fraction`, the share of tokens whose ratio left the clip range on the
    side where the clip takes the gradient away, or is above `dual`.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 4; k3-ratio: DeepSeek-V3.2 (arXiv 2512.02556); k1 in the reward and k2 in
    the loss: arXiv 2510.01555.
    """
    log_ratio, advantages = inputs.logprobs - inputs.old_logprobs, priced_advantages(inputs, estimator)
    return _surrogate_loss(inputs, log_ratio, advantages, (clip_low, clip_high, dual), estimator, entropy)


def gspo_loss(
    inputs: LossInputs,
    clip_low: float,
    clip_high: float,
    estimator: KLEstimator = "k3",
    dual: float | None = None,
    entropy: float = 0.0,
) -> LossOutput:
    """GSPO's loss: GRPO's with one ratio for a whole completion, s = exp(mean over its tokens of log rho).

    It is the paper's GSPO-token: a token's ratio is sg[s] pi / sg[pi], whose value is s and whose gradient is the
    token's own. Where a completion's tokens have one advantage, value, clip and gradient are those of GSPO.

    Args, metrics: as for `grpo_loss`; the clip takes whole completions. `k3-ratio` has each token's own ratio, where
    TRL's has the completion's.

    Source: GSPO (arXiv 2507.18071).
    """
    log_ratio = inputs.logprobs - inputs.old_logprobs
    of_completion = over_completion(log_ratio, inputs.completion, "mean").detach() + log_ratio - log_ratio.detach()
    advantages = priced_advantages(inputs, estimator)
    return _surrogate_loss(inputs, of_completion, advantages, (clip_low, clip_high, dual), estimator, entropy)


def rloo_loss(
    inputs: LossInputs,
    clip_low: float,
    clip_high: float,
    estimator: KLEstimator = "k3",
    dual: float | None = None,
    entropy: float = 0.0,
) -> LossOutput:
    """RLOO's loss: the clipped surrogate of whole completions, whose ratio is the product of their tokens'.

    The gradient of a completion is its advantage times the sum of its tokens' gradients: long completions are not held
    back. Every token has its completion's term, so `weights` are 1 / (completions * completion length).

    Args, metrics: as for `grpo_loss`, but that with `k1` the KL is in the advantages already.

    Source: RLOO (arXiv 2402.14740); with a ratio and its clip for later updates as in TRL's trainer.
    """
    of_completion = over_completion(inputs.logprobs - inputs.old_logprobs, inputs.completion, "sum")
    return _surrogate_loss(inputs, of_completion, inputs.advantages, (clip_low, clip_high, dual), estimator, entropy)


def cispo_loss(
    inputs: LossInputs, clip_low: float, clip_high: float, estimator: KLEstimator = "k3", entropy: float = 0.0
) -> LossOutput:
    """CISPO's loss: REINFORCE whose importance weight is clipped, sg[clip(rho, 1 - low, 1 + high)] A log pi.

    Every token keeps a gradient, however far its ratio is; `clip_fraction` is the share whose weight is clipped.

    Source: MiniMax-M1 (arXiv 2506.13585).
    """
    log_ratio = inputs.logprobs - inputs.old_logprobs
    ratio = torch.exp(log_ratio.detach())
    weight = ratio.clamp(1 - clip_low, 1 + clip_high)
    objective = weight * priced_advantages(inputs, estimator) * inputs.logprobs
    return regularised_loss(inputs, log_ratio, objective, weight != ratio, estimator, entropy)


def cpgd_loss(
    inputs: LossInputs,
    clip_low: float,
    clip_high: float,
    drift: float,
    estimator: KLEstimator = "k3",
    entropy: float = 0.0,
) -> LossOutput:
    """CPGD's loss: a clipped policy gradient without a ratio, and a price for the way from the policy that sampled.

    The objective is min(x A, clip(x, log(1 - low), log(1 + high)) A) - alpha * drift, x = log rho: the gradient of x A
    is that of A log pi, whatever the ratio is.

    Args: as for `grpo_loss`.
        drift: alpha.

    Metrics: as for `grpo_loss`, and `policy_drift`, the mean of `policy_drift`.

    Source: CPGD (arXiv 2505.12504); A log pi is written there, which has the same gradient.
    """
    x = inputs.logprobs - inputs.old_logprobs
    advantages = priced_advantages(inputs, estimator)
    floor = math.log(1 - clip_low) if clip_low < 1 else -math.inf
    gain = torch.minimum(x * advantages, x.clamp(floor, math.log1p(clip_high)) * advantages)
    away = policy_drift(x)
    clipped = _clipped(x, advantages, clip_low, clip_high)
    output = regularised_loss(inputs, x, gain - drift * away, clipped, estimator, entropy)
    return LossOutput(output.loss, output.metrics | {"policy_drift": mean_over_tokens(away, inputs)})


def policy_drift(log_ratio: Tensor) -> Tensor:
    """A stable estimate of KL(pi_old || pi_theta), per token: rho - 1 - log rho, on a straight line above rho = 3.

    Its gradient is min(rho - 1, 2) times that of log pi, so that one token can't blow it up. Up to rho = 3 its mean
    over what the old policy samples is the KL.

    Args:
        log_ratio: (...) log rho = log pi_theta - log pi_old of sampled tokens.

    Returns:
        (...) estimates in nats, never negative.

    Source: CPGD (arXiv 2505.12504), whose estimator was not at hand in the paper's own text: the gradient is that of
    siiRL's code, a third party's.
    """
    near = log_ratio.clamp(max=math.log(DRIFT_LIMIT + 1))
    return torch.exp(near) - 1 - near + DRIFT_LIMIT * (log_ratio - near)


def nll_loss(inputs: LossInputs) -> LossOutput:
    """Negative log-likelihood, weighted: supervised fine-tuning."""
    return LossOutput(loss=-(inputs.weights * inputs.logprobs).sum(), metrics={})


def priced_advantages(inputs: LossInputs, estimator: KLEstimator) -> Tensor:
    """The (N,) advantages, off which beta * k1 of each token is taken, without gradient, where the KL is in the reward.

    Args:
        inputs: N tokens.
        estimator: `k1`; with the others the advantages are as they were.
    """
    if inputs.ref_logprobs is None or estimator != "k1":
        return inputs.advantages
    return inputs.advantages - inputs.kl_weights * k1(inputs.logprobs.detach(), inputs.ref_logprobs)


def regularised_loss(
    inputs: LossInputs,
    log_ratio: Tensor,
    objective: Tensor,
    clipped: Tensor,
    estimator: KLEstimator = "k3",
    entropy: float = 0.0,
) -> LossOutput:
    """Minus the weighted sum over tokens of [objective - beta * KL], minus the bonus for the mean entropy.

    Args:
        inputs: N tokens.
        log_ratio: (N,) log pi_theta - log pi_old of each token by itself.
        objective: (N,) with gradient, to be maximised.
        clipped: (N,) bool: the tokens that are limited, for the metric `clip_fraction`.
        estimator: of the KL; `k1` is in the reward, and the objective's matter.
        entropy: the weight of the bonus; `inputs.entropy` is there where it isn't 0.
    """
    metrics = {"clip_fraction": mean_over_tokens(clipped.float(), inputs)}
    if inputs.ref_logprobs is not None:
        kl = k3(inputs.logprobs, inputs.ref_logprobs)
        metrics["kl"] = mean_over_tokens(kl, inputs)
        if estimator == "k2":
            kl = k2(inputs.logprobs, inputs.ref_logprobs)
        elif estimator == "k3-ratio":
            kl = torch.exp(log_ratio) * kl
        if estimator != "k1":
            objective = objective - inputs.kl_weights * kl
    loss = -(inputs.weights * objective).sum()
    if entropy:
        assert inputs.entropy is not None, "the method asks for it"
        loss = loss - entropy * (inputs.shares * inputs.entropy).sum()
    return LossOutput(loss, metrics)


def over_completion(values: Tensor, completion: Tensor, how: Literal["mean", "sum"]) -> Tensor:
    """For each token the mean, or the sum, over the tokens of its completion.

    Args:
        values: (N,) of tokens, each completion's one after another.
        completion: (N,) the number of each token's completion.
        how: to put them together.

    Returns:
        (N,), with gradient to all tokens of the completion.
    """
    counts = torch.unique_consecutive(completion, return_counts=True)[1].tolist()
    parts = values.split(counts)
    return torch.cat([(part.mean() if how == "mean" else part.sum()).expand_as(part) for part in parts])


def mean_over_tokens(values: Tensor, inputs: LossInputs) -> Tensor:
    """A micro-batch's part of the batch's mean of (N,) values, without gradient."""
    return (values.detach() * inputs.shares).sum()


def _surrogate_loss(
    inputs: LossInputs,
    log_ratio: Tensor,
    advantages: Tensor,
    clip: tuple[float, float, float | None],
    estimator: KLEstimator,
    entropy: float,
) -> LossOutput:
    """The loss whose objective is the clipped surrogate of these (N,) log ratios, a token's own or its completion's."""
    objective, clipped = clipped_surrogate(log_ratio, advantages, *clip), _clipped(log_ratio, advantages, *clip)
    own = inputs.logprobs - inputs.old_logprobs
    return regularised_loss(inputs, own, objective, clipped, estimator, entropy)


def _capped(log_ratio: Tensor, advantages: Tensor, dual: float | None) -> Tensor:
    """Where the advantage is negative, log rho up to log c. The log, as what exp makes infinite has no gradient."""
    if dual is None:
        return log_ratio
    return torch.where(advantages < 0, log_ratio.clamp(max=math.log(dual)), log_ratio)


def _clipped(
    log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float, dual: float | None = None
) -> Tensor:
    """Which tokens the clip takes out of the gradient."""
    ratio = torch.exp(log_ratio)
    above = (ratio > 1 + clip_high) & (advantages > 0)
    below = (ratio < 1 - clip_low) & (advantages < 0)
    far = (ratio > dual) & (advantages < 0) if dual is not None else torch.zeros_like(above)
    return above | below | far
