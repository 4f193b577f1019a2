"""Which samples each step trains on, and prompts that are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace

from mr1.config import Config
from mr1.data.source import SourceTask
from mr1.models.vlm import VLM
from mr1.tables import FILE
from mr1.tasks import load_task
from mr1.tasks.base import Task
from mr1.types import Prompt


class PromptCache:
    """Prompts with their images, decoded and preprocessed, kept in the host's memory as long as they fit.

    A row that comes again in the next epoch, or in the next evaluation, is then neither read nor preprocessed again.
    The one that was used longest ago goes first.
    """

    def __init__(self, vlm: VLM, limit: int) -> None:
        """`limit` in bytes; 0 to keep nothing."""
        self.vlm, self.limit = vlm, limit
        self.size = 0
        """Bytes of what is kept."""
        self._kept: OrderedDict[Hashable, Prompt] = OrderedDict()

    def prompt(self, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
        """Sample `index` of a split, made ready. What is made of it later, such as image features, is not kept."""
        key: Hashable
        if isinstance(task, SourceTask):
            row, identity = task.identify(split, seed, index)
            key = (task.name, split, row, template)
        elif split == "train":  # drawn anew each time, never to come again
            return self.vlm.prompt(task.sample(split, seed, index), template)
        else:
            key, identity = (task.name, split, seed, index, template), None
        if key not in self._kept:
            self._keep(key, self.vlm.prompt(task.sample(split, seed, index), template))
        elif identity is not None:
            self._kept[key].sample = replace(self._kept[key].sample, id=identity)
        self._kept.move_to_end(key)
        prompt = replace(self._kept[key])
        while self.size > self.limit:
            self.size -= _bytes(self._kept.popitem(last=False)[1])
        return prompt

    def _keep(self, key: Hashable, prompt: Prompt) -> None:
        self._kept[key] = prompt
        self.size += _bytes(prompt)


class PromptSource:
    """Training prompts by their batch's number. A procedural task never runs out; a source begins its next epoch.

    Several tasks take turns, sample by sample; one that is named twice has two turns.
    """

    def __init__(self, config: Config, cache: PromptCache) -> None:
        self.config, self.cache = config, cache
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
        return self.cache.prompt(self.tasks[name], "train", self.config.seed, earlier, self.config.prompt)


def _bytes(prompt: Prompt) -> int:
    """Of its images: their pixels, their files, and what the model takes."""
    pixels = sum(image.width * image.height * len(image.getbands()) for image in prompt.sample.images)
    files = sum(len(image.info.get(FILE, b"")) for image in prompt.sample.images)
    return pixels + files + sum(tensor.nbytes for tensor in prompt.vision.values())
