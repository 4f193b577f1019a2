"""Dr. GRPO: GRPO without the two divisions that bias it, by a completion's length and by its group's spread.

Dr. GRPO (arXiv 2503.20783): A_i = r_i - mean(r), and the sum over the batch's tokens divided by a constant,
completions * `rollout.max_new_tokens`. A long wrong completion is then pushed down as hard, token by token, as a short
one. Where completions are shorter than they may be the gradient is smaller than GRPO's, so `optimizer.max_grad_norm`
holds less often.

Settings: GRPO's.
"""

from __future__ import annotations

from mr1.methods.reinforce import Reinforce


class DrGRPO(Reinforce):
    """See the module."""

    own_aggregation = "constant"
