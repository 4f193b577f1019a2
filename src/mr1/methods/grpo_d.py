"""GRPO-D: GRPO whose KL weight first falls, to let the policy explore, and then rises, to hold what it found.

OThink-MR1 (arXiv 2503.16081), Eq. 3. All else is GRPO.

Settings: `kl.minimum`, `kl.maximum`, `kl.exploration` (w as a fraction of `steps`), and GRPO's but for `kl.weight`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mr1.algo.kl import DynamicKL, KLController
from mr1.errors import UserError
from mr1.methods.grpo import GRPO

if TYPE_CHECKING:
    from mr1.config import Config


class GRPOD(GRPO):
    """See the module."""

    uses = GRPO.uses - {"kl.weight"} | {"kl.minimum", "kl.maximum", "kl.exploration"}
    steps_are_fixed = "the KL weight of every step depends on it (t of Eq. 3)"

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        minimum, maximum = config.kl.minimum, config.kl.maximum
        assert minimum is not None, "required above"
        assert maximum is not None, "required above"
        if minimum > maximum:
            raise UserError(f"kl.minimum: {minimum} is above kl.maximum={maximum}")

    def kl_controller(self, config: Config) -> KLController:
        kl = config.kl
        assert kl.minimum is not None, "check() requires it"
        assert kl.maximum is not None, "check() requires it"
        assert kl.exploration is not None, "check() requires it"
        return DynamicKL(config.steps, kl.minimum, kl.maximum, kl.exploration)
