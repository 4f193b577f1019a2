"""Which samples each step trains on, and prompts that are kept."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Any

from mr1.config import Config
from mr1.data.curriculum import Curriculum, TakingTurns
from mr1.data.prompts import fresh_prompt, rows_of, usable_prompt
from mr1.data.source import SourceTask
from mr1.data.unusable import BadRow, LeftOut, TooManyError
from mr1.models.vlm import VLM
from mr1.tables import FILE
from mr1.tasks import load_task
from mr1.tasks.base import Task
from mr1.types import Group, Prompt


class PromptCache:
    """Prompts with their images, decoded and preprocessed, kept in the host's memory as long as they fit.

    A row that comes again in the next epoch, or in the next evaluation, is then neither read nor preprocessed again.
    The one that was used longest ago goes first. It may be asked by several threads; one prompt is made at a time, as a
    processor's tokenizer is not to be set up by one thread while another one uses it.
    """

    def __init__(self, vlm: VLM, limit: int) -> None:
        """`limit` in bytes; 0 to keep nothing."""
        self.vlm, self.limit = vlm, limit
        self.size = 0
        """Bytes of what is kept."""
        self._kept: OrderedDict[Hashable, Prompt] = OrderedDict()
        self._lock = Lock()

    def prompt(self, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
        """Sample `index` of a split, made ready. What is made of it later, such as image features, is not kept.

        Raises:
            UnusableError: the sample or its prompt can't be made.
        """
        with self._lock:
            return self._prompt(task, split, seed, index, template)

    def _prompt(self, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
        key: Hashable
        if isinstance(task, SourceTask):
            row, identity = task.identify(split, seed, index)
            key = (task.name, split, row, template)
        elif split == "train":  # drawn anew each time, never to come again
            return fresh_prompt(self.vlm, task, split, seed, index, template)
        else:
            key, identity = (task.name, split, seed, index, template), None
        if key not in self._kept:
            self._keep(key, fresh_prompt(self.vlm, task, split, seed, index, template))
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


@dataclass
class Drawn:
    """Prompts, and what is so once they are used."""

    curriculum: Curriculum
    prompts: list[Prompt]
    met: list[tuple[BadRow, int]]
    """The rows that turned out to be unusable, with how many rows their split has (see `LeftOut.add`)."""


class PromptSource:
    """Training prompts in the order of a curriculum, batch by batch. A row that can't be used is left out.

    Where the curriculum doesn't wait for rewards, the next batch is made by a thread beside the step, and counts only
    once it is asked for: a checkpoint knows nothing of it, its unusable rows are told then, and so are errors.
    """

    def __init__(
        self,
        config: Config,
        cache: PromptCache,
        left_out: LeftOut,
        require: Callable[[Prompt], None] = lambda _: None,
        curriculum: Curriculum | None = None,
    ) -> None:
        """Begin with the first batch.

        Args:
            config: the run's settings.
            cache: makes prompts.
            left_out: rows that are not to be used; those that are met are added.
            require: raises UnusableError for a prompt that the method can't learn from.
            curriculum: the order; None for tasks that take turns.
        """
        self.config, self.cache, self.left_out, self.require = config, cache, left_out, require
        self.tasks = {name: load_task(name, config.sources) for name in config.tasks}
        self.curriculum = curriculum or TakingTurns(config.tasks)
        self._times_drawn: Counter[str] = Counter()
        """Of each sample, for the present batch."""
        self._last = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prompts")
        self._closed = Event()
        self._ahead: Future[Drawn] | None = None

    def batch(self, last: bool = False) -> list[Prompt]:
        """The prompts of the next rollout batch.

        Args:
            last: whether no batch will be asked for behind it.

        Raises:
            UserError: too many rows can't be used.
        """
        self._last = last
        self._times_drawn.clear()
        count = self.config.prompts_per_step
        return self._used(self._ahead.result() if self._ahead else self._draw(count, *self._present()))

    def more(self, count: int) -> list[Prompt]:
        """So many more prompts for the same batch, the next ones of the curriculum.

        Raises:
            UserError: too many rows can't be used.
        """
        if self._ahead:
            self._ahead.result()  # the next batch comes behind them, and is made again
        return self._used(self._draw(count, *self._present()))

    def earned(self, groups: Sequence[Group]) -> None:
        """Tell the curriculum what a batch earned."""
        if self.curriculum.waits:
            self.curriculum.earned(groups)

    def close(self) -> None:
        """End the thread, once the prompt that it is at is made."""
        self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def state_dict(self) -> dict[str, Any]:
        """How far the curriculum has come."""
        return self.curriculum.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the batches that had been used when `state_dict` gave this."""
        self.curriculum.load_state_dict(state)

    def _present(self) -> tuple[Curriculum, LeftOut]:
        """Copies, which a batch that may not come to be used can change."""
        return deepcopy(self.curriculum), self.left_out.copy()

    def _used(self, drawn: Drawn) -> list[Prompt]:
        """What was drawn counts now; the batch behind it may be made."""
        self._ahead = None
        for row, total in drawn.met:
            self.left_out.add(row, total)
        self.curriculum = drawn.curriculum
        for prompt in drawn.prompts:
            prompt.attempt = self._times_drawn[prompt.sample.id]
            self._times_drawn[prompt.sample.id] += 1
        if not self._last and not self.curriculum.waits:
            self._ahead = self._thread.submit(self._draw, self.config.prompts_per_step, *self._present())
        return drawn.prompts

    def _draw(self, count: int, curriculum: Curriculum, left_out: LeftOut) -> Drawn:
        """So many prompts. They depend on nothing but the arguments, of which it changes the last two."""
        drawn = Drawn(curriculum, [], [])
        with suppress(TooManyError):  # it is raised again where the batch is asked for
            for _ in range(count):
                if self._closed.is_set():
                    break
                drawn.prompts.append(self._next(drawn, left_out))
        return drawn

    def _next(self, drawn: Drawn, left_out: LeftOut) -> Prompt:
        """The prompt of the next sample, or of the one that takes its place.

        Raises:
            TooManyError: too many of its task's rows can't be used.
        """
        draw = drawn.curriculum.draw()
        while True:
            task = self.tasks[draw.task]
            template, seed = self.config.prompt, self.config.seed
            found = usable_prompt(self._make, task, "train", seed, draw.index, template, left_out)
            if isinstance(found, Prompt):
                return found
            drawn.met.append((found, rows_of(task, "train", draw.index + 1)))
            left_out.add(*drawn.met[-1])
            draw = drawn.curriculum.instead(draw)

    def _make(self, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
        prompt = self.cache.prompt(task, split, seed, index, template)
        self.require(prompt)
        return prompt


def _bytes(prompt: Prompt) -> int:
    """Of its images: their pixels, of which PIL keeps each in four bytes, their files, and what the model takes."""
    pixels = sum(4 * image.width * image.height for image in prompt.sample.images)
    files = sum(len(image.info.get(FILE, b"")) for image in prompt.sample.images)
    return pixels + files + sum(tensor.nbytes for tensor in prompt.vision.values())
