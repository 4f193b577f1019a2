"""RL-PLUS: GRPO with a solution of somebody else's in each group.

RL-PLUS (arXiv 2508.00222): of the G completions of a group one is an external solution, here the task's or the source's
own (`demonstrations.*`); the policy samples the others. All are scored and compared as one group. A token of the
external one counts by `mixture_ratio`, as nobody knows how likely its writer was to write it, and its advantage by
`exploration`. Neither a clip nor the KL is on it.

    L = - sum_t w [ external: 2 pi / (pi_w + pi_old) (1 - sg[pi])^gamma A;  else: rho A ]

Advantages without the division by the group's spread, no clip, and a constant normaliser are those of the released run;
`method.std`, `clip.*` and `loss.aggregation` say otherwise.

Settings: `method.*` as below, `demonstrations.*`, and GRPO's. Metrics: `external/probability` and `external/ratio`, the
means of pi and of the ratio over the external tokens, `external/reward`, the mean total. All other metrics are of the
policy's own completions, but for those of whole groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from mr1.algo.advantage import group_advantage, mean_advantage
from mr1.algo.external import exploration, mixture_ratio
from mr1.config import MethodSettings
from mr1.errors import UnusableError
from mr1.methods.base import More, no_more
from mr1.methods.demonstrations import Demonstrations
from mr1.methods.grpo import GRPO
from mr1.types import Completion, Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine


class RLPlusSettings(MethodSettings):
    """How much an external solution counts."""

    gamma: Annotated[float, Field(ge=0)] = 0.5
    """The exponent of (1 - pi), by which the advantage of an external token is multiplied."""
    uniform: Literal["one", "vocabulary"] = "one"
    """U, the part of the writer's estimated policy that knows nothing: 1, as in the released code, or 1 / |V|."""
    std: bool = False
    """Whether advantages are divided by the group's spread."""


class RLPlus(GRPO):
    """See the module."""

    settings = RLPlusSettings
    uses = GRPO.uses - {"clip.dual"} | Demonstrations.uses
    own_aggregation = "constant"
    own_clip = (1.0, math.inf)

    uniform = 1.0
    """U."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.demonstrations = Demonstrations(config)

    @property
    def own(self) -> RLPlusSettings:
        assert isinstance(self.config.method, RLPlusSettings), "the class says so"
        return self.config.method

    def build(self, policy: VLM) -> None:
        if self.own.uniform == "vocabulary":
            self.uniform = 1 / policy.adapter.vocabulary()

    def require(self, vlm: VLM, prompt: Prompt) -> None:
        self.demonstrations.require(vlm, prompt)
        tokens, most = len(self.demonstrations.written(vlm, prompt)), self.config.rollout.max_new_tokens
        if tokens > most:
            raise UnusableError(
                f"its solution has {tokens} tokens, and rollout.max_new_tokens is {most}; raise it, or leave the row "
                "out by its source's skip"
            )

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:  # noqa: ARG002
        settings = self.config.rollout
        settings = settings.model_copy(update={"group_size": settings.group_size - 1})
        groups = engine.sample(prompts, settings, (self.config.seed, step))
        for group in groups:
            group.completions.append(self.demonstrations.written(engine.vlm, group.prompt))
        return groups

    def advantage(self, rewards: Tensor) -> Tensor:
        return group_advantage(rewards) if self.own.std else mean_advantage(rewards)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        super().assign_advantages(groups)
        tokens = sum(len(each) for group in groups for each in group.completions if _external(each))
        for group in groups:
            for each in group.completions:
                each.tensors["external"] = torch.full((len(each),), _external(each) / tokens)
        totals = [group.rewards[-1:] for group in groups if group.rewards is not None]
        self.metrics["external/reward"] = float(torch.cat(totals).nanmean())

    def token_shares(self, groups: Sequence[Group]) -> list[float]:
        """Of the policy's own completions alone: no mean speaks of it that is over what it did not write."""
        own = [replace(group, completions=[*_own(group)]) for group in groups]
        shares = iter(super().token_shares(own))
        return [0.0 if _external(each) else next(shares) for group in groups for each in group.completions]

    def kl_weights(self, groups: Sequence[Group], step: int) -> list[float]:
        weights = super().kl_weights(groups, step)
        completions = [each for group in groups for each in group.completions]
        return [0.0 if _external(each) else weight for each, weight in zip(completions, weights, strict=True)]

    def loss(self, inputs: LossInputs) -> LossOutput:
        share = inputs.tensors["external"]
        external = share > 0
        output = super().loss(replace(inputs, weights=inputs.weights.masked_fill(external, 0.0)))
        ratio = mixture_ratio(inputs.logprobs, inputs.old_logprobs, self.uniform)
        explored = ratio * exploration(inputs.logprobs, self.own.gamma) * inputs.advantages
        metrics = output.metrics | {
            "external/probability": (share * inputs.logprobs.detach().exp()).sum(),
            "external/ratio": (share * ratio.detach()).sum(),
        }
        return LossOutput(output.loss - (inputs.weights * external * explored).sum(), metrics)


def _external(completion: Completion) -> bool:
    return completion.origin == "expert"


def _own(group: Group) -> list[Completion]:
    return [each for each in group.completions if not _external(each)]
