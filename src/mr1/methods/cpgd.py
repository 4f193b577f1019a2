"""CPGD: clipped policy gradient optimisation with policy drift.

CPGD (arXiv 2505.12504), by the authors of MM-Eureka: log pi in the place of the ratio, clipped by the log of the ratio,
and a price for the distance to the policy that sampled, alpha * KL(pi_old || pi_theta) (`policy_drift`). Advantages are
GRPO's; the mean is over the batch's tokens, as in LightRFT's code.

The drift's weight alpha that the authors trained with was not found in public. The default, 0.001, is that of siiRL's
examples. The paper's own text was not at hand.

Settings: `method.drift`, and GRPO's but for `clip.dual`. Metrics: GRPO's and `policy_drift`, in nats per token.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mr1.algo.objective import cpgd_loss
from mr1.config import MethodSettings
from mr1.methods.grpo import GRPO
from mr1.types import LossInputs, LossOutput


class CPGDSettings(MethodSettings):
    """Of `cpgd`."""

    drift: Annotated[float, Field(ge=0, le=1e9)] = 0.001
    """alpha, the weight of the distance to the policy that sampled."""


class CPGD(GRPO):
    """See the module."""

    settings = CPGDSettings
    uses = GRPO.uses - {"clip.dual"}
    own_aggregation = "token"

    def loss(self, inputs: LossInputs) -> LossOutput:
        assert isinstance(self.config.method, CPGDSettings), "the class says so"
        drift = self.config.method.drift
        return cpgd_loss(inputs, *self.clip, drift, self.config.kl.estimator, self.config.loss.entropy)
