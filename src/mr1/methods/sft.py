"""SFT: supervised fine-tuning on what a teacher writes, the baseline that reinforcement learning is compared with.

A group is one prompt and the teacher's one completion; every token of the batch counts alike.

Settings: `demonstrations.teacher`, `demonstrations.reasoning` (false: the bare answer, as in the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from mr1.algo.objective import nll_loss
from mr1.data.source import SourceTask
from mr1.errors import UnusableError, UserError
from mr1.judge.tags import THINK, UNTHINK, left_open
from mr1.methods.base import Method, More, give_each_token, no_more
from mr1.tasks import load_task
from mr1.types import Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine


class SFT(Method):
    """See the module."""

    uses = frozenset({"demonstrations.teacher", "demonstrations.reasoning"})

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.tasks = {name: load_task(name, config.sources) for name in config.tasks}
        for name, task in self.tasks.items():
            if config.demonstrations.reasoning and isinstance(task, SourceTask) and not task.source.columns.reasoning:
                raise UserError(
                    f"demonstrations.reasoning: source {name} has none; name its column by "
                    f"sources.{name}.columns.reasoning, or set it to false"
                )

    def require(self, vlm: VLM, prompt: Prompt) -> None:
        if forged := vlm.forged([self._target(prompt)]):
            raise UnusableError(f"its demonstration holds the special token {forged!r}; remove it")

    def rollout(
        self,
        engine: Engine,
        prompts: Sequence[Prompt],
        step: int,  # noqa: ARG002
        more: More = no_more,  # noqa: ARG002
    ) -> list[Group]:
        return [Group(prompt, [engine.vlm.written(self._target(prompt))]) for prompt in prompts]

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

    def _target(self, prompt: Prompt) -> str:
        sample = prompt.sample
        task = self.tasks[sample.id.partition("/")[0]]
        shown = task.demonstrate(sample, self.config.demonstrations.teacher)
        if self.config.demonstrations.reasoning and not shown.reasoning:
            raise UnusableError("it has no reasoning, which demonstrations.reasoning asks for; write one")
        return self._goes_on(prompt, shown.reasoning, f"<answer>{shown.answer}</answer>")

    def _goes_on(self, prompt: Prompt, reasoning: str, answer: str) -> str:
        """The target without what the chat template has opened; a thought that it opened is closed in any case."""
        opened, thinks = left_open(prompt.opened), self.config.demonstrations.reasoning
        if thinks and prompt.opened and opened != THINK:
            raise UserError(
                "demonstrations.reasoning: the model's chat template closes its thoughts before the answer; set it to "
                "false, or choose another template"
            )
        if opened == THINK:
            return f"{reasoning if thinks else ''}{UNTHINK}{answer}"
        target = f"{THINK}{reasoning}{UNTHINK}{answer}" if thinks else answer
        return target.removeprefix(opened)
