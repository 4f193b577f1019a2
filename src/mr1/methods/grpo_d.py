"""GRPO-D: GRPO whose KL weight first falls, to let the policy explore, and then rises, to hold what it found.

OThink-MR1 (arXiv 2503.16081), Eq. 3: the controller `grpo-d`. All else is GRPO.

Settings: `kl.minimum`, `kl.maximum`, `kl.exploration` (w as a fraction of `steps`), and GRPO's but for `kl.weight`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mr1.errors import UserError
from mr1.methods.grpo import GRPO

if TYPE_CHECKING:
    from mr1.config import Config


class GRPOD(GRPO):
    """See the module."""

    own_controller = "grpo-d"

    @classmethod
    def check(cls, config: Config) -> None:
        if config.kl.controller not in (None, cls.own_controller):
            raise UserError(
                f"kl.controller: {config.kl.controller} is not the schedule that makes a run GRPO-D; choose method "
                "grpo with this controller, or leave it out"
            )
        super().check(config)
