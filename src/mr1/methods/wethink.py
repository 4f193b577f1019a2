"""WeThink: GRPO whose completions are judged as their row says, by a rule or by a language model.

WeThink (arXiv 2506.07905): r = 0.7 r_acc + 0.3 r_format, where a row's column `reward` names how r_acc comes about: by
a rule for choices, blanks and numbers, by a language model's tiers for answers in prose. But for the column's name that
is second hand, as the repository has no training code; what the column may hold is not known.

A recipe's `rewards` name all rewards that rows are judged by, each with the weight of r_acc. Those that a row isn't
judged by don't apply to it, as those of one's own that give None.

Settings: `method.*` as below, `endpoint.*`, and GRPO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from mr1.config import MethodSettings
from mr1.data.settings import Text
from mr1.errors import UserError, nearest, shown
from mr1.methods.grpo import GRPO
from mr1.rewards import fill_in, score_groups
from mr1.rewards.judgements import TIERED
from mr1.types import Group, Prompt, Sample

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM

RULE = "accuracy"
"""What judges a row that doesn't say."""


class WeThinkSettings(MethodSettings):
    """By what a row is judged."""

    column: Text = "reward"
    """The column that says it; a row without one, or with an empty cell, is judged by `accuracy`."""
    judges: dict[Text, Text] = Field(default={"rule": RULE, "choice": RULE, "judge": TIERED})
    """The reward that each of the column's values means."""


class WeThink(GRPO):
    """See the module."""

    settings = WeThinkSettings

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.method, WeThinkSettings), "the class says so"
        self.own = config.method
        self.judges = {RULE, *self.own.judges.values()}
        """The rewards of which one judges a row."""

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        if RULE not in config.rewards:
            raise UserError(f"rewards: method {config.method.name} judges rows that don't say how by {RULE}; name it")
        if looked_at := getattr(cls.controller(config).of(config), "reward", None):
            raise UserError(
                f"kl.controller: {config.kl.controller} looks at {looked_at}, which not every row is judged by; choose "
                "another one"
            )

    def require(self, vlm: VLM, prompt: Prompt) -> None:  # noqa: ARG002
        self.judge(prompt.sample)

    def judge(self, sample: Sample) -> str:
        """The reward that a row is judged by.

        Raises:
            UserError: its column says something that nothing is known of, or whose reward the run has not.
        """
        column, known = self.own.column, self.own.judges
        said = str(sample.meta.get(column) or "")
        if not said:
            return RULE
        if said not in known:
            raise UserError(
                f"method.column: '{column}' of {sample.id} says {shown(said)}{nearest(said, known)}; fix the row, or "
                "say by method.judges which reward it means"
            )
        judge = known[said]
        if judge not in self.config.rewards:
            raise UserError(
                f"rewards: '{column}' of {sample.id} says {shown(said)}, which is judged by {judge}; name it, "
                "with its weight, or leave such rows out by the source's filter"
            )
        return judge

    def score(self, groups: Sequence[Group]) -> None:
        rewards = self.config.rewards
        by_judge: dict[str, list[Group]] = {}
        for group in groups:
            by_judge.setdefault(self.judge(group.prompt.sample), []).append(group)
        for judge, those in by_judge.items():
            others = self.judges - {judge}
            score_groups(those, {name: weight for name, weight in rewards.items() if name not in others})
        fill_in(groups, rewards)
