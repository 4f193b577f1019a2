"""DAPO: decoupled clip and dynamic sampling policy optimisation.

DAPO (arXiv 2503.14476) is GRPO with four changes: the clip range is wider above than below (0.2, 0.28); groups whose
completions all earned the same are replaced by those of more prompts; the mean is over the batch's tokens; and a
completion that comes near to the end of its budget is penalised (`overlong_penalty`), or left out of the loss where it
was cut off. The paper has no KL: `kl.weight` of 0.

Whether a group teaches is asked of its rewards without that penalty. What `method.refills` can't fill stays empty: the
batch is smaller then. Where no group teaches, those that there are make the batch, as a step has to have one.

Settings: `method.*` as below, and GRPO's. Metrics, of the batch's rollout: `sampling/prompts`, those that completions
were sampled for; `sampling/dull`, groups of them that teach nothing; `sampling/missing`, places that stayed empty;
`sampling/reward`, the mean total of all that were sampled, without the penalty (those of `reward/` are of the batch
alone); `overlong/penalty`, the batch's mean; `overlong/left_out`, completions without a part in the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from mr1.algo.advantage import alike
from mr1.algo.aggregation import aggregation_weights
from mr1.algo.overlong import overlong_penalty
from mr1.config import MethodSettings
from mr1.errors import UserError
from mr1.methods.base import More, no_more
from mr1.methods.grpo import GRPO
from mr1.methods.refill import fill
from mr1.rewards import score_groups
from mr1.types import Completion, Group, Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from mr1.config import Config
    from mr1.rollout.engine import Engine


class DAPOSettings(MethodSettings):
    """Of `dapo`."""

    refills: Annotated[int, Field(ge=0, le=100)] = 3
    """How often more prompts are asked for, at most, each time as many as are missing; 0: dull groups are left out."""
    overlong_buffer: Annotated[int, Field(ge=0)] | None = None
    """The last tokens of `rollout.max_new_tokens`, over which a penalty grows to 1; null for a fifth, 0 for none."""
    overlong_filter: bool = False
    """Whether completions that were cut off have no part in the loss."""


class DAPO(GRPO):
    """See the module."""

    settings = DAPOSettings
    own_aggregation = "token"
    own_clip = (0.2, 0.28)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        buffer, longest = _own(config).overlong_buffer, config.rollout.max_new_tokens
        if buffer is not None and buffer > longest:
            raise UserError(f"method.overlong_buffer: {buffer} is above rollout.max_new_tokens={longest}")

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:
        def sample(asked: Sequence[Prompt]) -> list[Group]:
            return self._scored(super(DAPO, self).rollout(engine, asked, step))

        filled = fill(sample, prompts, more, _own(self.config).refills, lambda group: not alike(_totals(group)))
        sampled = [*filled.kept, *filled.dropped]
        self.metrics |= {
            "sampling/prompts": len(sampled),
            "sampling/dull": len(filled.dropped),
            "sampling/missing": filled.missing,
        }
        if not (known := torch.cat([_totals(group) for group in sampled])).isnan().all():
            self.metrics["sampling/reward"] = known.nanmean().item()
        return self._penalised(filled.kept or filled.dropped[: len(prompts)])

    def score(self, groups: Sequence[Group]) -> None:
        """Score those that the rollout has not scored."""
        self._penalised(self._scored([group for group in groups if group.rewards is None]))

    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        completions = [completion for group in groups for completion in group.completions]
        counts = [not self._left_out(each) for each in completions]
        lengths = [int(each.mask.sum()) for each, counted in zip(completions, counts, strict=True) if counted]
        weights = iter(aggregation_weights(self.aggregation, lengths, self.config.rollout.max_new_tokens))
        return [next(weights) if counted else 0.0 for counted in counts]

    def _scored(self, groups: list[Group]) -> list[Group]:
        score_groups(groups, self.config.rewards)
        return groups

    def _penalised(self, groups: list[Group]) -> list[Group]:
        longest, buffer = self.config.rollout.max_new_tokens, _own(self.config).overlong_buffer
        penalties = []
        for group in groups:
            lengths = [len(completion) for completion in group.completions]
            penalties.append(overlong_penalty(lengths, longest, longest // 5 if buffer is None else buffer))
            group.rewards = _totals(group) + penalties[-1]
        if groups:
            cut = sum(self._left_out(completion) for group in groups for completion in group.completions)
            self.metrics |= {"overlong/penalty": torch.cat(penalties).mean().item(), "overlong/left_out": cut}
        return groups

    def _left_out(self, completion: Completion) -> bool:
        return _own(self.config).overlong_filter and completion.finish_reason == "length"


def _totals(group: Group) -> Tensor:
    assert group.rewards is not None, "scored before"
    return group.rewards


def _own(config: Config) -> DAPOSettings:
    assert isinstance(config.method, DAPOSettings), "the class says so"
    return config.method
