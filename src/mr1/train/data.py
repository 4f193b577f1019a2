"""Which samples each step trains on."""

from __future__ import annotations

from mr1.config import Config
from mr1.models.vlm import VLM
from mr1.tasks import load_task
from mr1.types import Prompt


class PromptSource:
    """Training prompts by their batch's number. A procedural task never runs out; a source begins its next epoch.

    Several tasks take turns, sample by sample; one that is named twice has two turns.
    """

    def __init__(self, config: Config, vlm: VLM) -> None:
        self.config, self.vlm = config, vlm
        self.tasks = {name: load_task(name, config.sources) for name in config.tasks}

    def batch(self, number: int) -> list[Prompt]:
        """The prompts of one rollout batch, counted from 0."""
        first = number * self.config.prompts_per_step
        return [self._prompt(index) for index in range(first, first + self.config.prompts_per_step)]

    def _prompt(self, index: int) -> Prompt:
        names = self.config.tasks
        cycle, turn = divmod(index, len(names))
        name = names[turn]
        earlier = cycle * names.count(name) + names[:turn].count(name)
        sample = self.tasks[name].sample("train", self.config.seed, earlier)
        return self.vlm.prompt(sample, self.config.prompt)
