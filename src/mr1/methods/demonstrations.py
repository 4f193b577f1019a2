"""Demonstrations: what a task's teacher, or a source's column, writes to a prompt, as a completion.

Settings: `demonstrations.teacher`, `demonstrations.reasoning`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mr1.data.source import SourceTask
from mr1.errors import UnusableError, UserError
from mr1.judge.tags import THINK, UNTHINK, left_open
from mr1.tasks import load_task
from mr1.types import Completion, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM


class Demonstrations:
    """The demonstrations of a run's tasks."""

    uses = frozenset({"demonstrations.teacher", "demonstrations.reasoning"})
    """The settings that it reads."""

    def __init__(self, config: Config) -> None:
        """Load the tasks.

        Raises:
            UserError: reasoning is asked for, and a source has none.
        """
        self.settings = config.demonstrations
        self.tasks = {name: load_task(name, config.sources) for name in config.tasks}
        for name, task in self.tasks.items():
            if self.settings.reasoning and isinstance(task, SourceTask) and not task.source.columns.reasoning:
                raise UserError(
                    f"demonstrations.reasoning: source {name} has none; name its column by "
                    f"sources.{name}.columns.reasoning, or set it to false"
                )

    def require(self, vlm: VLM, prompt: Prompt) -> None:
        """Refuse a prompt that can't be demonstrated.

        Raises:
            UnusableError: its row has no reasoning that is asked for, or holds a special token.
        """
        if forged := vlm.forged([self._target(prompt)]):
            raise UnusableError(f"its demonstration holds the special token {forged!r}; remove it")

    def written(self, vlm: VLM, prompt: Prompt) -> Completion:
        """The demonstration of a prompt, with a stop token."""
        return replace(vlm.written(self._target(prompt)), origin="expert")

    def _target(self, prompt: Prompt) -> str:
        sample = prompt.sample
        task = self.tasks[sample.id.partition("/")[0]]
        shown = task.demonstrate(sample, self.settings.teacher)
        if self.settings.reasoning and not shown.reasoning:
            raise UnusableError("it has no reasoning, which demonstrations.reasoning asks for; write one")
        return self._goes_on(prompt, shown.reasoning, f"<answer>{shown.answer}</answer>")

    def _goes_on(self, prompt: Prompt, reasoning: str, answer: str) -> str:
        """The target without what the chat template has opened; a thought that it opened is closed in any case."""
        opened, thinks = left_open(prompt.opened), self.settings.reasoning
        if thinks and prompt.opened and opened != THINK:
            raise UserError(
                "demonstrations.reasoning: the model's chat template closes its thoughts before the answer; set it to "
                "false, or choose another template"
            )
        if opened == THINK:
            return f"{reasoning if thinks else ''}{UNTHINK}{answer}"
        target = f"{THINK}{reasoning}{UNTHINK}{answer}" if thinks else answer
        return target.removeprefix(opened)
