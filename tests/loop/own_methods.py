"""Methods that stand outside the package, each with what the package's own have no need of. Recipes name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from mr1.algo.advantage import alike
from mr1.config import MethodSettings
from mr1.data.curriculum import Draw, TakingTurns
from mr1.methods.base import More, no_more
from mr1.methods.grpo import GRPO
from mr1.types import Group, LossInputs, LossOutput, MicroBatch, Prompt

if TYPE_CHECKING:
    from mr1.models.vlm import VLM
    from mr1.rollout.engine import Engine
    from mr1.train.optimizer import Optimizer


class CriticSettings(MethodSettings):
    """Of `Critic`."""

    rate: float = 1e-3
    """The critic's learning rate."""
    momentum: float = 0.5
    """What stays of the slow copy at each step."""


class Critic(GRPO):
    """GRPO with a value for each token: a head on the policy's trunk, and a slow copy of it without a gradient."""

    settings = CriticSettings
    reads = frozenset({"hidden", "features"})

    def build(self, policy: VLM) -> None:
        width = policy.model.config.get_text_config().hidden_size
        self.modules = {"critic": nn.Linear(width, 1), "slow": nn.Linear(width, 1).requires_grad_(False)}
        self.modules["slow"].load_state_dict(self.modules["critic"].state_dict())

    def module_rate(self, name: str) -> float:
        assert name in self.modules
        return self._own.rate

    @property
    def _own(self) -> CriticSettings:
        assert isinstance(self.config.method, CriticSettings)
        return self.config.method

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        super().assign_advantages(groups)
        for group in groups:
            assert group.rewards is not None
            for completion, reward in zip(group.completions, group.rewards, strict=True):
                assert completion.advantages is not None
                tokens = len(completion)
                completion.advantages = completion.advantages * torch.linspace(0.5, 1.5, tokens)
                completion.tensors["returns"] = torch.full((tokens,), float(reward))

    def needs_reference(self, step: int) -> bool:
        return step % 2 == 0

    def kl_weights(self, groups: Sequence[Group], step: int) -> list[float]:
        """Every second completion may go where it likes."""
        return [weight * (number % 2) for number, weight in enumerate(super().kl_weights(groups, step))]

    @property
    def kl_weights_differ(self) -> bool:
        return True

    def loss(self, inputs: LossInputs) -> LossOutput:
        output = super().loss(inputs)
        assert inputs.hidden is not None
        errors = (self.modules["critic"](inputs.hidden)[:, 0] - inputs.tensors["returns"]).square()
        value = (inputs.weights * errors).sum()
        return LossOutput(output.loss + value, output.metrics | {"value_loss": value.detach()})

    def extra_loss(self, policy: VLM, batch: MicroBatch) -> LossOutput:
        share = batch.inputs.weights.sum()
        size = torch.stack([each.embeddings.square().mean() for each in batch.features if each]).mean()
        assert policy.device == size.device
        return LossOutput(1e-3 * share * size, {"features": (share * size).detach()})

    def after_backward(self, policy: VLM, optimizer: Optimizer) -> None:
        assert all(p.grad is not None for p in policy.model.parameters() if p.requires_grad)
        assert "grad_norm/critic" in optimizer.clipped
        with torch.no_grad():
            for slow, fast in zip(*(self.modules[name].parameters() for name in ("slow", "critic")), strict=True):
                slow.lerp_(fast, 1 - self._own.momentum)


class Pairs(GRPO):
    """The best and the worst completion of a group, compared by their whole log-probs, as DPO does."""

    indivisible = True

    def loss(self, inputs: LossInputs) -> LossOutput:
        total = torch.zeros((), device=inputs.logprobs.device)
        for number in inputs.group.unique().tolist():
            inside = inputs.group == number
            best = inputs.completion == inputs.completion[inside][inputs.advantages[inside].argmax()]
            worst = inputs.completion == inputs.completion[inside][inputs.advantages[inside].argmin()]
            ratio = inputs.logprobs - inputs.behaviour_logprobs
            total = total - functional.logsigmoid(ratio[best].sum() - ratio[worst].sum())
        return LossOutput(total, {})


class Again(TakingTurns):
    """A sample whose group earned nothing to learn from comes once more."""

    waits = True

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.again: list[tuple[str, int]] = []

    def draw(self) -> Draw:
        return Draw(*self.again.pop(0)) if self.again else super().draw()

    def earned(self, groups: Sequence[Group]) -> None:
        for group in groups:
            task, *_, index = group.prompt.sample.id.split("/")
            assert group.rewards is not None
            if alike(group.rewards):
                self.again += [(task, int(index))] * 2

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"again": [*self.again]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.again = [(task, index) for task, index in state["again"]]


class Poisoned(GRPO):
    """Advantages that are infinite at step 1, for a completion that a loss can't take in any more."""

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:
        self.poisoned = step == 1
        return super().rollout(engine, prompts, step, more)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        super().assign_advantages(groups)
        if self.poisoned:
            groups[0].completions[0].advantages = torch.full((len(groups[0].completions[0]),), torch.inf)


class Asks(GRPO):
    """Groups that teach nothing are replaced by those of more prompts, once."""

    def curriculum(self) -> Again:
        return Again(self.config.tasks)

    def rollout(self, engine: Engine, prompts: Sequence[Prompt], step: int, more: More = no_more) -> list[Group]:
        groups = super().rollout(engine, prompts, step)
        self.score(groups)
        kept = [group for group in groups if group.rewards is not None and not alike(group.rewards)]
        return kept + super().rollout(engine, more(len(groups) - len(kept)), step)
