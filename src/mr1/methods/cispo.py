"""CISPO: the importance weight is clipped, not the gradient.

MiniMax-M1 (arXiv 2506.13585): REINFORCE with sg[clip(rho)] A log pi, so that rare tokens whose ratio is large still
learn. By recollection of the paper, whose text was not at hand, there is no lower bound, and the upper one is tuned.
The default here is a weight between 0 and 5. The mean is over the batch's tokens, the advantage GRPO's.

Settings: GRPO's but for `clip.dual`.
"""

from __future__ import annotations

from mr1.algo.objective import cispo_loss
from mr1.methods.grpo import GRPO
from mr1.types import LossInputs, LossOutput


class CISPO(GRPO):
    """See the module."""

    uses = GRPO.uses - {"clip.dual"}
    own_aggregation = "token"
    own_clip = (1.0, 4.0)

    def loss(self, inputs: LossInputs) -> LossOutput:
        return cispo_loss(inputs, *self.clip, self.config.kl.estimator, self.config.loss.entropy)
