"""PPO: proximal policy optimisation with a critic.

Schulman et al. (arXiv 1707.06347): a critic says what is to be expected before each token, generalised advantage
estimation (arXiv 1506.02438) compares what came with it, and the policy learns by the clipped objective. The
completion's reward stands at its last token. LMM-R1 (arXiv 2503.07536) trains vision-language models so, with gamma and
lambda of 1.

With `kl.estimator=k1` each token's reward has beta (log pi_old - log pi_ref) taken off, so that it goes through the
critic and the returns, as in the RLHF of InstructGPT; with the others the KL stands in the loss.

Settings: `method.*` as below, `kl.*`, `clip.*`, `rollout.*`, `rewards`. Completions of a group are not compared with
each other. Metrics: `value/loss`; `value/explained`, the share of the returns' variance that the critic foresaw, 1 at
best and below 0 where it is worse than none; `grad_norm/value`, and `grad_norm/critic` of a model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mr1.algo.gae import explained, gae, value_loss, whitened
from mr1.config import MethodSettings
from mr1.methods.base import Measure
from mr1.methods.kl_in_reward import KLInReward
from mr1.types import Completion, Group, LossInputs, LossOutput, MicroBatch

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.train.optimizer import Optimizer


class PPOSettings(MethodSettings):
    """How the critic is made, and how it learns."""

    critic: Literal["head", "model"] = "head"
    """A head on the policy's trunk, which then learns to foresee rewards too, or a model of its own beside it."""
    critic_rate: Annotated[float, Field(gt=0, le=1)] = 1e-5
    """The critic's learning rate at the schedule's top."""
    critic_warmup: Annotated[int, Field(ge=0)] = 0
    """Steps at the beginning in which the critic alone learns."""
    value_weight: Annotated[float, Field(gt=0)] = 0.5
    """Of the critic's loss in the whole."""
    value_clip: Annotated[float, Field(gt=0)] | None = 0.2
    """How far from the old ones values may go before they stop to learn; null for no such limit."""
    discount: Annotated[float, Field(gt=0, le=1)] = 1.0
    """gamma: what a reward is worth a token earlier."""
    trace: Annotated[float, Field(ge=0, le=1)] = 1.0
    """lambda of generalised advantage estimation."""
    whiten: bool = True
    """Whether advantages have mean 0 and deviation 1 over the batch's tokens."""


class PPO(KLInReward):
    """See the module."""

    settings = PPOSettings
    reads = frozenset({"hidden"})

    critic: VLM | None = None
    """The critic's own model; None where it stands on the policy's trunk."""
    step = 0
    """The update's."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.looks = True

    @property
    def own(self) -> PPOSettings:
        assert isinstance(self.config.method, PPOSettings)
        return self.config.method

    def build(self, policy: VLM) -> None:
        head = nn.Linear(policy.model.config.get_text_config().hidden_size, 1)
        nn.init.zeros_(head.weight)  # nothing is expected before anything was seen
        nn.init.zeros_(head.bias)
        self.modules = {"value": head}
        if self.own.critic == "model":
            model = copy.deepcopy(policy.model)
            self.critic = replace(policy, model=model, adapter=type(policy.adapter)(model, policy.tokenizer))
            self.modules["critic"] = model

    def module_rate(self, name: str) -> float:  # noqa: ARG002 - one for both
        return self.own.critic_rate

    def look(self, policy: VLM, groups: Sequence[Group], step: int, measure: Measure) -> None:
        self.step = step
        if self.in_reward and self.critic is not None:
            measure(policy, None)
        values = measure(self.critic or policy, self._values)
        for completion, found in zip(_completions(groups), values, strict=True):
            completion.tensors["values"] = _placed(completion, found)
        if self.in_reward:
            self.price(groups, step)

    def assign_advantages(self, groups: Sequence[Group]) -> None:
        completions, counted, advantages, returns = _completions(groups), [], [], []
        prices = chain.from_iterable(self.prices) if self.in_reward else repeat(None)
        for completion, reward, price in zip(completions, _rewards(groups), prices, strict=False):
            values = completion.tensors["values"][completion.mask]
            if reward.isnan():  # it does not count: nothing is learned from it, nor is it to be foreseen
                completion.advantages = torch.zeros(len(completion))
                completion.tensors["returns"] = completion.tensors["values"]
                continue
            earned = torch.zeros_like(values) if price is None else -price
            earned[-1:] += reward
            made = gae(earned, values, self.own.discount, self.own.trace)
            completion.tensors["returns"] = _placed(completion, made[1])
            counted.append(completion)
            advantages.append(made[0])
            returns.append(made[1])
        if counted:
            self.metrics["value/explained"] = explained(torch.cat(advantages), torch.cat(returns))
            for completion, own in zip(counted, whitened(advantages) if self.own.whiten else advantages, strict=True):
                completion.advantages = _placed(completion, own)

    def loss(self, inputs: LossInputs) -> LossOutput:
        output = super().loss(inputs)
        return output if self.critic is not None else self._with_critic(output, inputs, inputs.hidden)

    def extra_loss(self, policy: VLM, batch: MicroBatch) -> LossOutput | None:  # noqa: ARG002
        if self.critic is None:
            return None
        nothing = LossOutput(batch.inputs.logprobs.new_zeros(()), {})
        return self._with_critic(nothing, batch.inputs, batch.run(self.critic))

    def after_backward(self, policy: VLM, optimizer: Optimizer) -> None:  # noqa: ARG002
        if self.step < self.own.critic_warmup:
            for tensor in optimizer.clipped["grad_norm"]:
                tensor.grad = None

    def after_update(self, step: int, metrics: Mapping[str, float | None]) -> None:
        super().after_update(step, metrics)
        self.step = step + 1  # where the batch is used again

    def _with_critic(self, output: LossOutput, inputs: LossInputs, hidden: Tensor | None) -> LossOutput:
        assert hidden is not None, "the method reads it"
        old, returns = inputs.tensors["values"], inputs.tensors["returns"]
        errors = value_loss(self._values(hidden), old, returns, self.own.value_clip)
        metrics = output.metrics | {"value/loss": (inputs.shares * errors.detach()).sum()}
        return LossOutput(output.loss + self.own.value_weight * (inputs.weights * errors).sum(), metrics)

    def _values(self, hidden: Tensor) -> Tensor:
        """(N, H) hidden states to (N,) values."""
        return self.modules["value"](hidden.float())[:, 0]


def _completions(groups: Sequence[Group]) -> list[Completion]:
    return [completion for group in groups for completion in group.completions]


def _rewards(groups: Sequence[Group]) -> Tensor:
    return torch.cat([group.rewards for group in groups if group.rewards is not None])


def _placed(completion: Completion, values: Tensor) -> Tensor:
    """(T,) with the values of the tokens that count in their places, and 0 elsewhere."""
    placed = torch.zeros(len(completion))
    placed[completion.mask] = values.float().cpu()
    return placed
