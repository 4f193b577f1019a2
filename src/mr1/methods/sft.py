"""SFT: supervised fine-tuning on what a teacher writes, the baseline that reinforcement learning is compared with.

A group is one prompt and the teacher's one completion; every token of the batch counts alike.

Settings: `demonstrations.teacher`, `demonstrations.reasoning` (false: the bare answer, as in the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from mr1.algo.objective import nll_loss
from mr1.methods.base import Method, More, give_each_token, no_more
from mr1.methods.demonstrations import Demonstrations
from mr1.types import Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine


class SFT(Method):
    """See the module."""

    uses = Demonstrations.uses

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.demonstrations = Demonstrations(config)

    def require(self, vlm: VLM, prompt: Prompt) -> None:
        self.demonstrations.require(vlm, prompt)

    def rollout(
        self,
        engine: Engine,
        prompts: Sequence[Prompt],
        step: int,  # noqa: ARG002
        more: More = no_more,  # noqa: ARG002
    ) -> list[Group]:
        return [Group(prompt, [self.demonstrations.written(engine.vlm, prompt)]) for prompt in prompts]

    def score(self, groups: Sequence[Group]) -> None:
        for group in groups:
            group.rewards = torch.ones(1)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        for group in groups:
            give_each_token(group, torch.ones(1))

    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        completions = [completion for group in groups for completion in group.completions]
        tokens = sum(int(each.mask.sum()) for each in completions)
        return [1.0 / tokens] * len(completions)

    def loss(self, inputs: LossInputs) -> LossOutput:
        return nll_loss(inputs)
