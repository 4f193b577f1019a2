"""Which samples each step trains on, and prompts that are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Any

from mr1.config import Config
from mr1.data.prompts import fresh_prompt, rows_of, usable_prompt
from mr1.data.source import SourceTask
from mr1.data.unusable import BadRow, LeftOut, TooManyError
from mr1.models.vlm import VLM
from mr1.tables import FILE
from mr1.tasks import load_task
from mr1.tasks.base import Task
from mr1.types import Prompt


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


@dataclass(frozen=True)
class Drawn:
    """A batch of prompts, and what is so once it is used."""

    prompts: list[Prompt]
    turn: int
    """Prompts drawn so far."""
    following: dict[str, int]
    """Each task's next sample."""
    met: list[tuple[BadRow, int]]
    """The rows that turned out to be unusable, with how many rows their split has (see `LeftOut.add`)."""


class PromptSource:
    """Training prompts, batch by batch. A procedural task never runs out; a source begins its next epoch.

    Several tasks take turns, sample by sample; one that is named twice has two turns. A row that can't be used is left
    out, and the task's next one takes its place.

    The next batch is made by a thread while the one before is being used, and counts only once it is asked for: a
    checkpoint knows nothing of it, its unusable rows are told then, and so are errors.
    """

    def __init__(
        self,
        config: Config,
        cache: PromptCache,
        left_out: LeftOut,
        require: Callable[[Prompt], None] = lambda _: None,
    ) -> None:
        """Begin with the first batch.

        Args:
            config: the run's settings.
            cache: makes prompts.
            left_out: rows that are not to be used; those that are met are added.
            require: raises UnusableError for a prompt that the method can't learn from.
        """
        self.config, self.cache, self.left_out, self.require = config, cache, left_out, require
        self.tasks = {name: load_task(name, config.sources) for name in config.tasks}
        self.turn, self.following = 0, dict.fromkeys(self.tasks, 0)
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
        drawn = self._ahead.result() if self._ahead else self._draw(self.left_out.copy(), self.turn, self.following)
        self._ahead = None
        for row, total in drawn.met:
            self.left_out.add(row, total)
        self.turn, self.following = drawn.turn, drawn.following
        if not last:
            self._ahead = self._thread.submit(self._draw, self.left_out.copy(), self.turn, self.following)
        return drawn.prompts

    def close(self) -> None:
        """End the thread, once the prompt that it is at is made."""
        self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def state_dict(self) -> dict[str, Any]:
        """How far each task has been drawn."""
        return {"turn": self.turn, "following": dict(self.following)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the batches that had been used when `state_dict` gave this."""
        self.turn, self.following = state["turn"], dict(state["following"])

    def _draw(self, left_out: LeftOut, turn: int, following: dict[str, int]) -> Drawn:
        """A batch. It depends on nothing but its arguments, of which it changes `left_out`."""
        drawn = Drawn([], turn + self.config.prompts_per_step, dict(following), [])
        with suppress(TooManyError):  # it is raised again where the batch is asked for
            for number in range(turn, drawn.turn):
                if self._closed.is_set():
                    break
                task = self.tasks[self.config.tasks[number % len(self.config.tasks)]]
                drawn.prompts.append(self._next(task, drawn, left_out))
        return drawn

    def _next(self, task: Task, drawn: Drawn, left_out: LeftOut) -> Prompt:
        """The prompt of a task's next usable row.

        Raises:
            TooManyError: too many of its rows can't be used.
        """
        while True:
            index = drawn.following[task.name]
            drawn.following[task.name] += 1
            template, seed = self.config.prompt, self.config.seed
            found = usable_prompt(self._make, task, "train", seed, index, template, left_out)
            if isinstance(found, Prompt):
                return found
            drawn.met.append((found, rows_of(task, "train", index + 1)))
            left_out.add(*drawn.met[-1])

    def _make(self, task: Task, split: str, seed: int, index: int, template: str) -> Prompt:
        prompt = self.cache.prompt(task, split, seed, index, template)
        self.require(prompt)
        return prompt


def _bytes(prompt: Prompt) -> int:
    """Of its images: their pixels, of which PIL keeps each in four bytes, their files, and what the model takes."""
    pixels = sum(4 * image.width * image.height for image in prompt.sample.images)
    files = sum(len(image.info.get(FILE, b"")) for image in prompt.sample.images)
    return pixels + files + sum(tensor.nbytes for tensor in prompt.vision.values())
