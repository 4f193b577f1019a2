"""What the loop asks of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from mr1.config import MethodSettings
from mr1.data.curriculum import Curriculum, TakingTurns
from mr1.errors import UserError
from mr1.methods import method_class
from mr1.types import Group, LossInputs, LossOutput, MicroBatch, Prompt

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine
    from mr1.train.optimizer import Optimizer


More = Callable[[int], list[Prompt]]
"""So many more prompts for the same batch."""


Measure = Callable[["VLM", "Callable[[Tensor], Tensor] | None"], "list[Tensor]"]
"""Run a model on the batch without gradient: what a head makes of the (N, H) hidden states that tokens are predicted
from, (T,) of each completion's tokens that count, in the groups' order. Of the policy the completions' `old_logprobs`
are filled in on the way; with None for a head, nothing else is."""


def no_more(count: int) -> list[Prompt]:  # noqa: ARG001
    """What a rollout gets that has nobody to ask for more."""
    return []


def make_method(config: Config, policy: VLM) -> Method:
    """The method of a run, with its own modules on the policy's device."""
    method: Method = method_class(config.method.name)(config)
    torch.manual_seed(config.seed)
    method.build(policy)
    for module in method.modules.values():
        module.to(policy.device)
    return method


class Method(ABC):
    """One way to turn prompts into a gradient. The loop calls the hooks in the order in which they stand here."""

    settings: ClassVar[type[MethodSettings]] = MethodSettings
    """Settings of its own, which a recipe gives as `method: {name: ..., ...}`; in a run they are `config.method`."""

    uses: ClassVar[frozenset[str]]
    """Those of `OPTIONAL` that the method reads; it refuses the others."""

    reads: frozenset[Literal["hidden", "features", "entropy"]] = frozenset()
    """What else its losses look at: `LossInputs.hidden`, `MicroBatch.features`, `LossInputs.entropy`."""

    indivisible: ClassVar[bool] = False
    """Whether a group's completions are always in one micro-batch, as a loss over pairs needs; a large one then takes
    more than `tokens_per_microbatch`."""

    looks: bool = False
    """Whether it has to look at the completions with the policy, or with a model of its own, before they are given
    advantages (`look`), as one with a critic has."""

    OPTIONAL: ClassVar[tuple[str, ...]] = (
        "rewards",
        "kl.controller",
        "kl.estimator",
        "kl.exploration",
        "kl.maximum",
        "kl.minimum",
        "kl.weight",
        "kl.final",
        "kl.target",
        "kl.horizon",
        "kl.reset_every",
        "kl.reset_patience",
        "clip.low",
        "clip.high",
        "clip.dual",
        "loss.aggregation",
        "loss.entropy",
        "demonstrations.teacher",
        "demonstrations.reasoning",
    )
    """The settings that not every method reads."""

    MAY_BE_NULL: ClassVar[frozenset[str]] = frozenset(
        {"kl.controller", "clip.low", "clip.high", "clip.dual", "loss.aggregation"}
    )
    """Those of `OPTIONAL` whose null leaves the choice to the method, or means none; of the others it means that they
    are missing."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.modules: dict[str, nn.Module] = {}
        """What the method owns beside the policy: see `build`."""
        self.metrics: dict[str, float] = {}
        """What it has to say of the present batch beside its losses, such as groups that it left out: the loop records
        it at each step, and empties it before each rollout."""

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse settings that the method lacks or would ignore.

        Raises:
            UserError: names the first such setting.
        """
        uses, user = cls.used(config), cls.described(config)
        for key in cls.OPTIONAL:
            value, default = _setting(config, key)
            if value != default and key not in uses:
                other = "method or kl.controller" if key[:3] == "kl." and "kl.controller" in uses else "method"
                raise UserError(
                    f"{key}: {user} does not use it; leave it out, set it back to "
                    f"{'null' if default is None else default}, or choose another {other}"
                )
            if value is None and key in uses - cls.MAY_BE_NULL:
                raise UserError(f"{key}: missing; {user} needs it")

    @classmethod
    def used(cls, config: Config) -> frozenset[str]:  # noqa: ARG003
        """`uses`, and what is read under these settings alone."""
        return cls.uses

    @classmethod
    def described(cls, config: Config) -> str:
        """Who it is that uses or needs a setting, for messages."""
        return f"method {config.method.name}"

    @classmethod
    def steps_are_fixed(cls, config: Config) -> str:  # noqa: ARG003
        """Why a run's `steps` can't grow when it is resumed; empty where they can."""
        return ""

    def build(self, policy: VLM) -> None:  # noqa: B027 - most own none
        """Fill in `modules`, such as a critic's head or a momentum encoder, for a policy that has been loaded.

        Those of their parameters that require a gradient are trained with the policy's; all are in the checkpoint and
        in the estimate of memory. torch's generator has been seeded by the run's seed.
        """

    def owned(self) -> dict[str, tuple[nn.Module, float]]:
        """`modules`, each with its learning rate."""
        return {name: (module, self.module_rate(name)) for name, module in self.modules.items()}

    def module_rate(self, name: str) -> float:  # noqa: ARG002
        """The learning rate of one of `modules` at the schedule's top."""
        return self.config.optimizer.learning_rate

    def require(self, vlm: VLM, prompt: Prompt) -> None:  # noqa: B027 - most can learn from any
        """Refuse a prompt that the method can't learn from. It may be called from another thread.

        Raises:
            UnusableError: why not; the prompt's row is left out.
        """

    def curriculum(self) -> Curriculum:
        """The order of the training samples."""
        return TakingTurns(self.config.tasks)

    @abstractmethod
    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:
        """Make a group of completions for each prompt.

        Args:
            engine: writes completions.
            prompts: the batch.
            step: the optimiser's, counted from 0.
            more: gives further prompts, for a method that replaces groups which teach nothing.
        """

    @abstractmethod
    def score(self, groups: Sequence[Group]) -> None:
        """Fill in the groups' scores and rewards."""

    def look(self, policy: VLM, groups: Sequence[Group], step: int, measure: Measure) -> None:  # noqa: B027 - most don't
        """Look at a fresh batch with a model, where the method `looks`; the reference has been run by then.

        What is found of each completion belongs into its `tensors`, (T,) with anything where its `mask` is False.
        """

    @abstractmethod
    def assign_advantages(self, groups: Sequence[Group]) -> None:
        """Fill in the completions' advantages."""

    @abstractmethod
    def token_weights(self, groups: Sequence[Group]) -> list[float]:
        """For each completion, in the groups' order, the weight in the batch's loss that each of its tokens has."""

    def token_shares(self, groups: Sequence[Group]) -> list[float]:
        """For each completion, in the groups' order, the share of the batch's means that each of its tokens has.

        Over the batch's tokens they add up to 1. A method whose `token_weights` don't has to see to it.
        """
        return self.token_weights(groups)

    def needs_reference(self, step: int) -> bool:  # noqa: ARG002
        """Whether the reference is run on this step's completions; `LossInputs.ref_logprobs` is None where it isn't.

        It is asked before the run for every step, so it is true wherever the reference may be needed.
        """
        return False

    def kl_weights(self, groups: Sequence[Group], step: int) -> list[float]:  # noqa: ARG002
        """For each completion, in the groups' order, beta of this step."""
        return [0.0] * sum(len(group.completions) for group in groups)

    @property
    def kl_weights_differ(self) -> bool:
        """Whether completions of a step may have several, so that the least and the most are worth a line."""
        return False

    @abstractmethod
    def loss(self, inputs: LossInputs) -> LossOutput:
        """The part of the batch's loss that a micro-batch has."""

    def extra_loss(self, policy: VLM, batch: MicroBatch) -> LossOutput | None:  # noqa: ARG002
        """What a micro-batch adds to the loss beside its tokens', as a part of the whole batch's; None for nothing."""
        return None

    def after_backward(self, policy: VLM, optimizer: Optimizer) -> None:  # noqa: B027 - most leave gradients alone
        """Look at, or change, the whole batch's gradients before they are clipped and the step is made."""

    def after_update(self, step: int, metrics: Mapping[str, float | None]) -> None:  # noqa: B027 - most don't look back
        """Look at what the batch said of itself (the metrics of `train.update.update`), once its step has been made
        or skipped; what is not finite is None."""

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


def give_each_token(group: Group, advantages: Tensor) -> None:
    """Give every token of a completion the completion's advantage, of (G,)."""
    for completion, advantage in zip(group.completions, advantages, strict=True):
        completion.advantages = advantage.expand(len(completion))


def _setting(config: Config, key: str) -> tuple[Any, Any]:
    """A setting's value and its default."""
    *path, name = key.split(".")
    section = reduce(getattr, path, config)
    return getattr(section, name), type(section).model_fields[name].default
