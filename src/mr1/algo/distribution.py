"""Whole distributions over the vocabulary: exact where an estimate would need many samples."""

from __future__ import annotations

import torch
from torch import Tensor


def exact_entropy(logprobs: Tensor) -> Tensor:
    """The entropy of each distribution, -sum p log p, in nats.

    Args:
        logprobs: (..., V) log-probs; -inf for a token that can't come, whose share is 0.

    Returns:
        (...) entropies.
    """
    return -torch.linalg.vecdot(logprobs.exp(), _finite(logprobs))


def exact_kl(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """KL(policy || reference), sum p (log p - log q), of each pair of distributions, in nats.

    It is the mean of `kl.k3`, and of every other unbiased estimate, over the tokens that the policy may draw.

    Args:
        logprobs: (..., V) log p; -inf for a token that can't come, whose share is 0 whatever the reference says.
        ref_logprobs: (..., V) log q, finite wherever log p is.

    Returns:
        (...) divergences, above -1e-6 where they are 0 but for rounding.
    """
    return torch.linalg.vecdot(logprobs.exp(), _finite(logprobs) - _finite(ref_logprobs))


def _finite(logprobs: Tensor) -> Tensor:
    """Log-probs whose product with a share of 0 is 0, and not NaN."""
    return logprobs.clamp_min(torch.finfo(logprobs.dtype).min / 2)
