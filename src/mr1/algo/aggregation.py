"""Aggregation: how the terms of a batch's tokens become one loss."""

from __future__ import annotations

from collections.abc import Sequence

from mr1.types import Aggregation


def aggregation_weights(aggregation: Aggregation, lengths: Sequence[int], longest: int) -> list[float]:
    """The weight in the batch's loss that each token of a completion has.

    Args:
        aggregation: `completion`: 1 / (C n), the mean over each completion's tokens and then over completions;
            `token`: 1 / sum(n), the mean over the batch's tokens, in which long completions count for more;
            `constant`: 1 / (C L), the sum over the batch's tokens in units that don't depend on how long they are.
        lengths: of C completions, n each: the tokens that count.
        longest: L, the tokens that a completion may have.

    Returns:
        C weights. Multiplied by the lengths they add up to 1, but for `constant`, and for completions of no tokens.

    Source: `completion`: DeepSeekMath (arXiv 2402.03300); `token`: DAPO (arXiv 2503.14476); `constant`: Dr. GRPO
    (arXiv 2503.20783), with the constant that TRL takes.
    """
    count = len(lengths)
    if aggregation == "completion":
        return [1.0 / (count * max(length, 1)) for length in lengths]
    if aggregation == "token":
        return [1.0 / max(sum(lengths), 1)] * count
    return [1.0 / (max(count, 1) * longest)] * count
