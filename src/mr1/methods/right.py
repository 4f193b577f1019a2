"""Relatives of GRPO that look at which completions are right, beside what each earned in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mr1.config import MethodSettings
from mr1.data.settings import Text
from mr1.errors import UserError, nearest
from mr1.methods.grpo import GRPO
from mr1.methods.kl_control import ACCURACIES
from mr1.types import Group

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config


class RightSettings(MethodSettings):
    """Who says what is right."""

    right: Text | None = None
    """The reward by which a completion is right: where it gives more than 1/2; null for accuracy or accuracy-r1v."""


class KnowsRight(GRPO):
    """GRPO with the reward that says which completions are right."""

    settings = RightSettings

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.judged_by = right_reward(config)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        right_reward(config)

    def right(self, group: Group) -> Tensor:
        """(G,) bool: the completions that are right. One that the reward does not apply to is not."""
        return group.scores[self.judged_by] > 0.5


def right_reward(config: Config) -> str:
    """The name of the reward that says whether a completion is right.

    Raises:
        UserError: the run has no such reward.
    """
    assert isinstance(config.method, RightSettings)
    named = config.method.right
    if named is not None and named not in config.rewards:
        raise UserError(
            f"method.right: rewards has no {named}{nearest(named, config.rewards)}; add it, a weight of 0 is enough"
        )
    found = named or next((name for name in ACCURACIES if name in config.rewards), None)
    if found is None:
        raise UserError(
            f"rewards: method {config.method.name} looks at {ACCURACIES[0]}, which they do not name; add it (weight 0 "
            "is enough), or name the reward that says what is right by method.right"
        )
    return found
