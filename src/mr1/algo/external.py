"""Text that the policy did not write: how much a token of it counts in the policy's gradient (RL-PLUS)."""

from __future__ import annotations

import torch
from torch import Tensor


def mixture_ratio(logprobs: Tensor, old_logprobs: Tensor, uniform: float) -> Tensor:
    """The importance ratio of a token whose writer is unknown: 2 pi_theta / (pi_w + pi_old), pi_w = (pi_old + U) / 2.

    Multiple importance sampling: a token counts as drawn half from its writer's policy pi_w and half from pi_old, so
    that neither a token that pi_old hardly knows nor one that it would surely write makes the ratio large. pi_w itself
    is estimated as half pi_old and half U, which knows nothing.

    Args:
        logprobs: (N,) log pi_theta, with gradient.
        old_logprobs: (N,) log pi_old.
        uniform: U, above 0. The released code has 1, so that no ratio is above 4 pi_theta; a uniform distribution over
            V tokens has 1 / V, with which ratios are near 4/3 wherever pi_theta = pi_old is far above 1 / V.

    Returns:
        (N,) ratios, above 0, with gradient.

    Source: RL-PLUS (arXiv 2508.00222), multiple importance sampling; by its released code, where U = 1.
    """
    old = torch.exp(old_logprobs)
    return 2 * torch.exp(logprobs) / (old + 0.5 * (old + uniform))


def exploration(logprobs: Tensor, gamma: float) -> Tensor:
    """What a token's advantage is multiplied by: (1 - pi_theta)^gamma, without gradient.

    What the policy would hardly write counts in full, what it would surely write not at all.

    Args:
        logprobs: (N,) log pi_theta.
        gamma: how much less what the policy knows counts; 0 for not at all.

    Returns:
        (N,) in [0, 1].

    Source: RL-PLUS (arXiv 2508.00222), exploration-based advantage; gamma is 0.5 in its released code.
    """
    return (1 - torch.exp(logprobs.detach())).clamp(min=0) ** gamma
