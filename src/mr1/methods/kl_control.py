"""Who decides the KL weight: one class for each name of `kl.controller`, all behind `KLController`.

What each computes is a pure function of `algo/kl.py`; docs/kl.md says when each is meant for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from mr1.algo.advantage import group_advantage
from mr1.algo.kl import (
    accuracy_kl_weight,
    adapted_kl_weight,
    cosine_kl_weight,
    difficulty_kl_factor,
    dynamic_kl_weight,
    linear_kl_weight,
)
from mr1.errors import UserError
from mr1.types import Group

if TYPE_CHECKING:
    from typing import Self

    from mr1.config import Config

ACCURACIES = ("accuracy", "accuracy-r1v")
"""The rewards that say whether a completion is right; the first of them that a run has is looked at."""


class KLController(ABC):
    """Decides beta of each completion, step by step. Its state is part of a checkpoint."""

    uses: ClassVar[frozenset[str]]
    """The settings that it reads and needs, of those that not all controllers read; the others are refused."""

    steps_are_fixed: ClassVar[str] = ""
    """Why a run's `steps` can't grow when it is resumed; empty where they can."""

    differ: ClassVar[bool] = False
    """Whether completions of one step may have several weights."""

    @classmethod  # noqa: B027 - some take any
    def check(cls, config: Config) -> None:
        """Refuse values that can't work together; those that it uses are there.

        Raises:
            UserError: names the key.
        """

    @classmethod
    @abstractmethod
    def of(cls, config: Config) -> Self:
        """The controller of a run whose settings have been checked."""

    @abstractmethod
    def weights(self, step: int, groups: Sequence[Group]) -> list[float]:
        """beta of each completion, in the groups' order.

        Args:
            step: counted from 0.
            groups: the batch, with scores and rewards, before the update.
        """

    @abstractmethod
    def surely_zero(self, step: int) -> bool:
        """Whether the step's weights are 0 whatever comes, so that the reference need not be run."""

    def observe(self, kl: float) -> None:  # noqa: B027 - most don't look
        """Look at a step's KL, the metric `kl`, after its update."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs to go on as if it had not stopped."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            ValueError: it was saved under other settings.
        """
        if state != self.state_dict():
            raise ValueError(f"the checkpoint's KL weight was set by {state}, this run's by {self.state_dict()}")


class _Schedule(KLController):
    """One weight for all, known before the run."""

    @abstractmethod
    def weight(self, step: int) -> float:
        """beta of this step, counted from 0."""

    def weights(self, step: int, groups: Sequence[Group]) -> list[float]:
        return [self.weight(step)] * _count(groups)

    def surely_zero(self, step: int) -> bool:
        return self.weight(step) == 0


@dataclass
class ConstantKL(_Schedule):
    """The same weight at every step: plain GRPO."""

    uses = frozenset({"kl.weight"})

    value: float

    @classmethod
    def of(cls, config: Config) -> ConstantKL:
        return cls(_given(config.kl.weight))

    def weight(self, step: int) -> float:  # noqa: ARG002
        return self.value


@dataclass
class DynamicKL(_Schedule):
    """GRPO-D's schedule; see `dynamic_kl_weight`."""

    uses = frozenset({"kl.minimum", "kl.maximum", "kl.exploration"})
    steps_are_fixed = "the KL weight of every step depends on it (t of Eq. 3)"

    steps: int
    minimum: float
    maximum: float
    exploration: float

    @classmethod
    def check(cls, config: Config) -> None:
        _check_bounds(config)

    @classmethod
    def of(cls, config: Config) -> DynamicKL:
        kl = config.kl
        return cls(config.steps, _given(kl.minimum), _given(kl.maximum), _given(kl.exploration))

    def weight(self, step: int) -> float:
        return dynamic_kl_weight(step, self.steps, self.minimum, self.maximum, self.exploration)


@dataclass
class LinearKL(_Schedule):
    """A straight line over the run; see `linear_kl_weight`."""

    uses = frozenset({"kl.weight", "kl.final"})
    steps_are_fixed = "the KL weight of every step depends on it"

    steps: int
    first: float
    final: float

    @classmethod
    def of(cls, config: Config) -> LinearKL:
        return cls(config.steps, _given(config.kl.weight), _given(config.kl.final))

    def weight(self, step: int) -> float:
        return linear_kl_weight(step, self.steps, self.first, self.final)


class CosineKL(LinearKL):
    """Half a cosine over the run; see `cosine_kl_weight`."""

    def weight(self, step: int) -> float:
        return cosine_kl_weight(step, self.steps, self.first, self.final)


@dataclass
class AdaptiveKL(KLController):
    """A weight that goes where the KL is what is wanted; see `adapted_kl_weight`."""

    uses = frozenset({"kl.weight", "kl.minimum", "kl.maximum", "kl.target", "kl.horizon"})

    first: float
    minimum: float
    maximum: float
    target: float
    horizon: float

    def __post_init__(self) -> None:
        self.now = self.first

    @classmethod
    def check(cls, config: Config) -> None:
        _check_bounds(config)
        kl = config.kl
        if not _given(kl.minimum) <= _given(kl.weight) <= _given(kl.maximum):
            raise UserError(f"kl.weight: {kl.weight} is not within kl.minimum={kl.minimum} and kl.maximum={kl.maximum}")
        if kl.weight == 0:
            raise UserError("kl.weight: 0 stays 0 whatever the KL is; begin above it")

    @classmethod
    def of(cls, config: Config) -> AdaptiveKL:
        kl = config.kl
        return cls(_given(kl.weight), _given(kl.minimum), _given(kl.maximum), _given(kl.target), kl.horizon)

    def weights(self, step: int, groups: Sequence[Group]) -> list[float]:  # noqa: ARG002
        return [self.now] * _count(groups)

    def surely_zero(self, step: int) -> bool:  # noqa: ARG002
        return False

    def observe(self, kl: float) -> None:
        moved = adapted_kl_weight(self.now, kl, self.target, 1 / self.horizon)
        self.now = min(max(moved, self.minimum), self.maximum)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state | {"now": self.now} if "now" in state else state)
        self.now = float(state["now"])


@dataclass
class _ByAccuracy(KLController):
    """Looks at which completions are right."""

    uses = frozenset({"kl.minimum", "kl.maximum"})

    minimum: float
    maximum: float
    reward: str
    """Which says whether a completion is right."""

    @classmethod
    def check(cls, config: Config) -> None:
        _check_bounds(config)
        if not any(name in config.rewards for name in ACCURACIES):
            raise UserError(
                f"kl.controller: {config.kl.controller} looks at the reward {ACCURACIES[0]}, which rewards does not "
                "name; give it a weight there (0 is enough), or choose another controller"
            )

    @classmethod
    def of(cls, config: Config) -> Self:
        reward = next(name for name in ACCURACIES if name in config.rewards)
        return cls(_given(config.kl.minimum), _given(config.kl.maximum), reward)

    def surely_zero(self, step: int) -> bool:  # noqa: ARG002
        return self.maximum == 0


class AccuracyKL(_ByAccuracy):
    """One weight by the share of the batch that is right; see `accuracy_kl_weight`."""

    def weights(self, step: int, groups: Sequence[Group]) -> list[float]:  # noqa: ARG002
        accuracy = torch.cat([group.scores[self.reward] for group in groups]).mean().item()
        return [accuracy_kl_weight(accuracy, self.minimum, self.maximum)] * _count(groups)


class DifficultyKL(_ByAccuracy):
    """A weight for each group by the share of it that is right; see `difficulty_kl_factor`.

    It is that of the completions that are better than their group's mean. The others have the maximum.
    """

    differ = True

    def weights(self, step: int, groups: Sequence[Group]) -> list[float]:  # noqa: ARG002
        return [weight for group in groups for weight in self._of_group(group)]

    def _of_group(self, group: Group) -> list[float]:
        assert group.rewards is not None, "asked behind the rewards"
        factor = difficulty_kl_factor(group.scores[self.reward].mean().item())
        of_better = max(self.maximum * factor, self.minimum)
        return [of_better if better else self.maximum for better in (group_advantage(group.rewards) > 0).tolist()]


CONTROLLERS: dict[str, type[KLController]] = {
    "constant": ConstantKL,
    "grpo-d": DynamicKL,
    "linear": LinearKL,
    "cosine": CosineKL,
    "adaptive": AdaptiveKL,
    "accuracy": AccuracyKL,
    "difficulty": DifficultyKL,
}
"""By the names of `kl.controller`."""


def _count(groups: Sequence[Group]) -> int:
    return sum(len(group.completions) for group in groups)


def _given(value: float | None) -> float:
    assert value is not None, "the method's check requires it"
    return value


def _check_bounds(config: Config) -> None:
    minimum, maximum = _given(config.kl.minimum), _given(config.kl.maximum)
    if minimum > maximum:
        raise UserError(f"kl.minimum: {minimum} is above kl.maximum={maximum}")
