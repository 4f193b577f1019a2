"""GRPO: group relative policy optimisation with a constant KL weight.

DeepSeekMath (arXiv 2402.03300), in the form that R1-V and OThink-MR1 use for vision-language models: G completions of
each prompt, rewards normalised within the group, the clipped objective, the k3 KL against the model that the run began
with. Each completion counts alike, whatever its length.

Settings: `kl.weight` (beta), `clip.low`, `clip.high`, `rollout.*`, `rewards`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mr1.algo.advantage import group_advantage
from mr1.algo.kl import ConstantKL, KLController
from mr1.algo.objective import grpo_loss
from mr1.errors import UserError
from mr1.methods.base import Method, More, give_each_token, no_more
from mr1.rewards import score_groups
from mr1.types import Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.rollout.engine import Engine


class GRPO(Method):
    """See the module."""

    uses = frozenset({"rewards", "kl.weight", "clip.low", "clip.high"})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kl = self.kl_controller(config)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        if not any(config.rewards.values()):
            raise UserError("rewards: none has a weight other than 0; nothing would be learned")

    def kl_controller(self, config: Config) -> KLController:
        """Who decides the KL weight of each step."""
        assert config.kl.weight is not None, "check() requires it"
        return ConstantKL(config.kl.weight)

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:  # noqa: ARG002
        return engine.sample(prompts, self.config.rollout, (self.config.seed, step))

    def score(self, groups: Sequence[Group]) -> None:
        score_groups(groups, self.config.rewards)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        for group in groups:
            assert group.rewards is not None, "score() fills them in"
            give_each_token(group, group_advantage(group.rewards))

    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        completions = [completion for group in groups for completion in group.completions]
        return [1.0 / (len(completions) * max(int(each.mask.sum()), 1)) for each in completions]

    def kl_weight(self, step: int) -> float:
        return self.kl.weight(step)

    def loss(self, inputs: LossInputs) -> LossOutput:
        return grpo_loss(inputs, self.config.clip.low, self.config.clip.high)

    def state_dict(self) -> dict[str, Any]:
        return {"kl": self.kl.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kl.load_state_dict(state["kl"])
