"""SRPO: what was solved is not asked again in the next epoch, and over-long completions teach nothing.

SRPO (arXiv 2504.14286), second hand, as its text was not at hand and no code is out: GRPO with the mean over the
batch's tokens, without a KL, in two stages, mathematics first and code beside it afterwards. After an epoch prompts
whose completions were all right are dropped, those with both kinds stay, and those that were all wrong stay, too
(`data.resampling`). A completion that was cut off has an advantage of 0. Its values of the clip range are not known;
GRPO's stand here. Inferred: a completion that was cut off takes part in its group's mean and deviation, and its tokens
count in the batch's mean.

A penalty for mixing languages is the reward `other-script`, whose scores are negative, with a positive weight.

Settings: `method.*` as below and GRPO's. Metrics: `history/epoch`, counted from 0; `history/prompts`, of the epoch;
`history/dropped`, those that it leaves out as solved; `history/restarts`, epochs that began with all prompts again
because every one was solved; `overlong/left_out`, completions whose advantage was set to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from mr1.data.resampling import HistoryResampling
from mr1.errors import UserError
from mr1.methods.right import KnowsRight, RightSettings
from mr1.tasks import load_task
from mr1.types import Group

if TYPE_CHECKING:
    from mr1.config import Config


class SRPOSettings(RightSettings):
    """What an epoch is."""

    epoch: Annotated[int, Field(ge=1)] | None = None
    """How many samples of each procedural task are asked for; a source has its rows."""


class SRPO(KnowsRight):
    """See the module."""

    settings = SRPOSettings
    own_aggregation = "token"

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        endless, epoch = [name for name in config.tasks if name not in config.sources], _own(config).epoch
        if endless and epoch is None:
            raise UserError(f"method.epoch: missing; {endless[0]} has no end, so say how many samples an epoch has")
        if epoch is not None and not endless:
            raise UserError("method.epoch: it has no effect where all tasks are sources, which have rows; leave it out")

    def curriculum(self) -> HistoryResampling:
        sizes = {name: load_task(name, self.config.sources).size("train") for name in self.config.tasks}
        epoch = _own(self.config).epoch or 0
        counts = {name: epoch if size is None else size for name, size in sizes.items()}
        return HistoryResampling(counts, self.judged_by, self.config.seed)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        super().assign_advantages(groups)
        overlong = [each for group in groups for each in group.completions if each.finish_reason == "length"]
        for completion in overlong:
            completion.advantages = torch.zeros(len(completion))
        self.metrics["overlong/left_out"] = len(overlong)


def _own(config: Config) -> SRPOSettings:
    assert isinstance(config.method, SRPOSettings), "the class says so"
    return config.method
