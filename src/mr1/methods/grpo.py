"""GRPO: group relative policy optimisation.

DeepSeekMath (arXiv 2402.03300), in the form that R1-V and OThink-MR1 use for vision-language models: G completions of
each prompt, rewards normalised within the group, the clipped objective, the k3 KL against the model that the run began
with, and a constant weight of it unless `kl.controller` and `kl.estimator` say otherwise. Each completion counts alike,
whatever its length, unless `loss.aggregation` says otherwise.

Settings: `kl.weight` (beta) or those of another controller, `clip.*`, `loss.*`, `rollout.*`, `rewards`.

Its relatives are subclasses: they say which advantage, aggregation and clip are their own, or have another loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mr1.algo.advantage import group_advantage
from mr1.algo.aggregation import aggregation_weights
from mr1.algo.objective import grpo_loss
from mr1.errors import UserError
from mr1.methods.base import Method, More, give_each_token, no_more
from mr1.methods.kl_control import CONTROLLERS, KLController
from mr1.rewards import score_groups
from mr1.types import Aggregation, Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config
    from mr1.rollout.engine import Engine


class GRPO(Method):
    """See the module."""

    uses = frozenset(
        {
            *("rewards", "kl.controller", "kl.estimator", "kl.reset_every", "kl.reset_patience"),
            *("clip.low", "clip.high", "clip.dual", "loss.aggregation", "loss.entropy"),
        }
    )

    own_controller: ClassVar[str] = "constant"
    """Who decides the KL weight where `kl.controller` is null."""

    own_aggregation: ClassVar[Aggregation] = "completion"
    """How the tokens' terms become one loss where `loss.aggregation` is null."""

    own_clip: ClassVar[tuple[float, float]] = (0.2, 0.2)
    """How far below and above 1 the ratio counts where `clip.low` and `clip.high` are null."""

    own_dual: ClassVar[float | None] = None
    """The most that it counts, where the advantage is negative and `clip.dual` is null."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kl: KLController = self.controller(config).of(config)
        self.aggregation = config.loss.aggregation or self.own_aggregation
        self.clip = self.clip_range(config)
        self.dual = config.clip.dual or self.own_dual
        if config.loss.entropy:
            self.reads |= {"entropy"}

    @classmethod
    def controller(cls, config: Config) -> type[KLController]:
        """Who decides the KL weight of each step."""
        return CONTROLLERS[config.kl.controller or cls.own_controller]

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        controller = cls.controller(config)
        controller.check(config)
        if config.kl.resets and all(map(controller.of(config).surely_zero, range(config.steps))):
            key = "reset_every" if config.kl.reset_every else "reset_patience"
            raise UserError(f"kl.{key}: beta is 0 at every step, so there is no reference to reset; leave it out")
        if not any(config.rewards.values()):
            raise UserError("rewards: none has a weight other than 0; nothing would be learned")
        dual, (_, high) = config.clip.dual or cls.own_dual, cls.clip_range(config)
        if dual is not None and dual <= 1 + high:
            raise UserError(f"clip.dual: {dual:g} is not above the end of the clip range, 1 + {high:g}; set it higher")

    @classmethod
    def clip_range(cls, config: Config) -> tuple[float, float]:
        """How far below and above 1 the ratio counts."""
        given, own = (config.clip.low, config.clip.high), cls.own_clip
        low, high = (mine if each is None else each for each, mine in zip(given, own, strict=True))
        return low, high

    @classmethod
    def used(cls, config: Config) -> frozenset[str]:
        return cls.uses | cls.controller(config).uses

    @classmethod
    def described(cls, config: Config) -> str:
        chosen = f" with kl.controller={config.kl.controller}" if config.kl.controller else ""
        return super().described(config) + chosen

    @classmethod
    def steps_are_fixed(cls, config: Config) -> str:
        return cls.controller(config).steps_are_fixed

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:  # noqa: ARG002
        return engine.sample(prompts, self.config.rollout, (self.config.seed, step))

    def score(self, groups: Sequence[Group]) -> None:
        score_groups(groups, self.config.rewards)

    def advantage(self, rewards: Tensor) -> Tensor:
        """The (G,) advantages of a group's completions by their (G,) rewards."""
        return group_advantage(rewards)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        for group in groups:
            assert group.rewards is not None, "score() fills them in"
            give_each_token(group, self.advantage(group.rewards))

    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        return self._by_aggregation(groups, self.aggregation)

    def token_shares(self, groups: Sequence[Group]) -> list[float]:
        return self._by_aggregation(groups, "token" if self.aggregation == "constant" else self.aggregation)

    def needs_reference(self, step: int) -> bool:
        return not self.kl.surely_zero(step)

    def kl_weights(self, groups: Sequence[Group], step: int) -> list[float]:
        return self.kl.weights(step, groups)

    @property
    def kl_weights_differ(self) -> bool:
        return self.kl.differ

    def loss(self, inputs: LossInputs) -> LossOutput:
        config = self.config
        return grpo_loss(inputs, *self.clip, config.kl.estimator, self.dual, config.loss.entropy)

    def after_update(self, step: int, metrics: Mapping[str, float | None]) -> None:  # noqa: ARG002
        if (kl := metrics["kl"]) is not None:
            self.kl.observe(kl)

    def state_dict(self) -> dict[str, Any]:
        return {"kl": self.kl.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kl.load_state_dict(state["kl"])

    def _by_aggregation(self, groups: Sequence[Group], aggregation: Aggregation) -> list[float]:
        lengths = [int(completion.mask.sum()) for group in groups for completion in group.completions]
        return aggregation_weights(aggregation, lengths, self.config.rollout.max_new_tokens)
