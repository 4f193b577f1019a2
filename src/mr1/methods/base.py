"""What the loop asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

from mr1.errors import UserError
from mr1.types import Group, LossInputs, LossOutput, Prompt

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine


class Method(ABC):
    """One way to turn prompts into a gradient. The loop calls the hooks in the order in which they stand here."""

    uses: ClassVar[frozenset[str]]
    """Those of `OPTIONAL` that the method reads; it refuses the others."""

    steps_are_fixed: ClassVar[str] = ""
    """Why a run's `steps` can't grow when it is resumed; empty where they can."""

    OPTIONAL: ClassVar[tuple[str, ...]] = (
        "rewards",
        "kl.exploration",
        "kl.maximum",
        "kl.minimum",
        "kl.weight",
        "clip.low",
        "clip.high",
        "demonstrations.teacher",
        "demonstrations.reasoning",
    )
    """The settings that not every method reads."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse settings that the method lacks or would ignore.

        Raises:
            UserError: names the first such setting.
        """
        for key in cls.OPTIONAL:
            value, default = _setting(config, key)
            if value != default and key not in cls.uses:
                raise UserError(
                    f"{key}: method {config.method} does not use it; leave it out, set it back to "
                    f"{'null' if default is None else default}, or choose another method"
                )
            if value is None and key in cls.uses:
                raise UserError(f"{key}: missing; method {config.method} needs it")

    def require(self, vlm: VLM, prompt: Prompt) -> None:  # noqa: B027 - most can learn from any
        """Refuse a prompt that the method can't learn from. It may be called from another thread.

        Raises:
            UnusableError: why not; the prompt's row is left out.
        """

    @abstractmethod
    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int) -> list[Group]:
        """Make a group of completions for each prompt."""

    @abstractmethod
    def score(self, groups: Sequence[Group]) -> None:
        """Fill in the groups' scores and rewards."""

    @abstractmethod
    def assign_advantages(self, groups: Sequence[Group]) -> None:
        """Fill in the groups' advantages."""

    @abstractmethod
    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        """For each completion, in the groups' order, the share of the batch's loss that each of its tokens has."""

    @abstractmethod
    def kl_weight(self, step: int) -> float:
        """beta of this step; where it is 0 the reference is not run."""

    @abstractmethod
    def loss(self, inputs: LossInputs) -> LossOutput:
        """The part of the batch's loss that a micro-batch has."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs of the method."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            ValueError: it is the state of a method with other settings.
        """
        if state != self.state_dict():
            raise ValueError(f"the checkpoint's method state is {state}, this run's {self.state_dict()}")


def _setting(config: Config, key: str) -> tuple[Any, Any]:
    """A setting's value and its default."""
    *path, name = key.split(".")
    section = reduce(getattr, path, config)
    return getattr(section, name), type(section).model_fields[name].default
