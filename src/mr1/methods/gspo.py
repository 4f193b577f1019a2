"""GSPO: group sequence policy optimisation.

GSPO (arXiv 2507.18071): GRPO with one importance ratio for a whole completion, the geometric mean of its tokens' (see
`gspo_loss`). It moves far less than a token's ratio, so the clip range is of another size: the default is the paper's,
3e-4 and 4e-4. With one update for each batch of rollouts the ratio is 1, and GSPO is GRPO.

Settings: GRPO's.
"""

from __future__ import annotations

from mr1.algo.objective import gspo_loss
from mr1.methods.grpo import GRPO
from mr1.types import LossInputs, LossOutput


class GSPO(GRPO):
    """See the module."""

    own_clip = (3e-4, 4e-4)

    def loss(self, inputs: LossInputs) -> LossOutput:
        config = self.config
        return gspo_loss(inputs, *self.clip, config.kl.estimator, config.clip.dual, config.loss.entropy)
