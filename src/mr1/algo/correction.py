"""Correction of what another program sampled: truncated importance sampling.

An engine computes with other kernels and in another order, or has older weights, so that what it draws from isn't quite
the trainer's policy. Each token's part of the loss is weighted by the ratio of the two probabilities, or by its whole
completion's, and by no more than a cap, which bounds the variance and lets some of the bias stay.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mr1.algo.objective import over_completion

Level = Literal["token", "sequence"]
"""Whether a ratio is a token's or its whole completion's."""


def truncated_ratios(
    old_logprobs: Tensor, behaviour_logprobs: Tensor, completion: Tensor, level: Level, cap: float
) -> Tensor:
    """min(pi_old / pi_behaviour, cap) of each token, or of the product over its completion's tokens.

    Args:
        old_logprobs: (N,) by the trainer, of the policy that was to be sampled from.
        behaviour_logprobs: (N,) by the sampler; NaN where nobody knows, as of a teacher's text, which counts as 1.
        completion: (N,) int64, the number of each token's completion, whose tokens stand one after another.
        level: `token` or `sequence`.
        cap: above 0.

    Returns:
        (N,) weights in [0, cap], without gradient.

    Source: of tokens, between a rollout engine and a trainer: Yao et al., "Your Efficient RL Framework Secretly Brings
    You Off-Policy RL Training" (2025), by recollection; of completions: TRL 1.16.0's `sequence_truncate`.
    """
    log_ratios = torch.nan_to_num(old_logprobs.detach() - behaviour_logprobs, nan=0.0)
    if level == "sequence" and len(log_ratios):
        log_ratios = over_completion(log_ratios, completion, "sum")
    return log_ratios.exp().clamp(max=cap)
