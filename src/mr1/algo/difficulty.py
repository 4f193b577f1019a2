"""What a group's accuracy and lengths are worth: VL-Cogito's terms (arXiv 2507.22607) and ADORA's, by released code."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Stage = Literal["easy", "medium", "hard"]

ALL_WRONG_WEIGHT = 0.25
"""Of a group without a right completion, in the hard stage."""
ALL_WRONG_TARGET = 750
"""Tokens that a completion of such a group should have."""
ALL_WRONG_LIMIT = 4096
"""Tokens from which on it costs the most: the longest completion of VL-Cogito's runs."""


def difficulty_weight(accuracy: float, stage: Stage, hard_cut: bool = False) -> float:
    """The factor of a group's advantages by how many of its completions are right: online difficulty soft weighting.

    With p the accuracy, where p > 0: easy is sin(pi p) up to 1/2 and 1 above, medium sin(pi p), hard 1 up to 1/2 and
    sin(pi p) above. Where p = 0 it is 0, in the hard stage 0.25.

    Args:
        accuracy: p, the share of the group's completions that are right, 0 to 1.
        stage: what the curriculum has come to.
        hard_cut: the ablation's weights: 1 where 1/2 <= p (easy), 1/4 <= p <= 3/4 (medium) or 0 < p <= 1/2 (hard), else
            0.

    Source: VL-Cogito (arXiv 2507.22607), ODSW.
    """
    if hard_cut:
        low, high = {"easy": (0.5, 1.0), "medium": (0.25, 0.75), "hard": (0.0, 0.5)}[stage]
        return float(low <= accuracy <= high and accuracy > 0)
    if accuracy == 0:
        return ALL_WRONG_WEIGHT if stage == "hard" else 0.0
    if (stage == "easy" and accuracy > 0.5) or (stage == "hard" and accuracy <= 0.5):
        return 1.0
    return math.sin(math.pi * min(accuracy, 1 - accuracy))  # the sine is symmetric, and this is exactly 0 at 1


def dynamic_length(correct: Tensor, lengths: Tensor) -> Tensor:
    """What a completion earns for its length: nothing where it is right, else up to -1/2 the farther off it is.

    The target L* is the mean length of the group's right completions. A wrong one of length L gets

        l(L) = -(1 + cos(pi L / L*)) / 4    for L < 2 L*, and -1/2 from there on: 0 at L*, -1/2 at 0 and at 2 L*.

    Where none is right all get half of: l(L) with L* = 750 below that, 0 up to 4096 tokens, -1/2 from there on.

    Args:
        correct: (G,) bool, which completions of a group are right.
        lengths: (G,) their tokens.

    Returns:
        (G,) float32 in [-1/2, 0].

    Source: VL-Cogito (arXiv 2507.22607), DyLR, by the released code. Second hand, the paper has a cosine around the
    mean right length and a capped maximum where none is right.
    """
    lengths = lengths.float()
    if not correct.any():
        short = _cosine(lengths, torch.tensor(float(ALL_WRONG_TARGET)))
        long = torch.where(lengths < ALL_WRONG_LIMIT, 0.0, -0.5)
        return 0.5 * torch.where(lengths < ALL_WRONG_TARGET, short, long)
    target = lengths[correct].mean()
    return torch.where(lengths < 2 * target, _cosine(lengths, target), -0.5).masked_fill(correct, 0.0)


def adora_weight(correct: Tensor, lengths: Tensor, whole: Tensor, least: float) -> float:
    """The factor of a group's advantages by whether thinking longer helped.

    Args:
        correct: (G,) bool, which completions of a group are right.
        lengths: (G,) their tokens.
        whole: (G,) bool, which ended by themselves; wrong ones that were cut off don't count.
        least: lambda; the code's is 0.1.

    Returns:
        1 where the longest right completion is longer than the wrong ones' mean, and where none is right; else `least`,
        also where no wrong one counts.

    Source: `weight_func` in the code of ADORA (github.com/ShadeCloak/ADORA), which MM-Eureka has as well; there a wrong
    completion counts below 4094 tokens.
    """
    wrong = lengths[~correct & whole].float()
    if not correct.any() or (len(wrong) and lengths[correct].max() > wrong.mean()):
        return 1.0
    return least


def _cosine(lengths: Tensor, target: Tensor) -> Tensor:
    return -0.25 * (1 + torch.cos(math.pi * lengths / target))
