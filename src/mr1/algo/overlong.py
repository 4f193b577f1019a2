"""What a completion costs that comes near to the end of its budget."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def overlong_penalty(lengths: Sequence[int], longest: int, buffer: int) -> Tensor:
    """The soft penalty for long completions: 0 up to L - b tokens, then on a straight line to -1 at L.

    Args:
        lengths: of G completions, in tokens.
        longest: L, the budget.
        buffer: b, at most L; 0 for no penalty.

    Returns:
        (G,) float32, to be added to the rewards.

    Source: DAPO (arXiv 2503.14476), soft overlong punishment, whose L_cache is b.
    """
    if not buffer:
        return torch.zeros(len(lengths))
    return ((longest - buffer - torch.tensor([*lengths], dtype=torch.float32)) / buffer).clamp(-1.0, 0.0)
