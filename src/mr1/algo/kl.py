"""KL: how far the policy is from its reference, and how much that costs at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k3 estimate of KL(policy || reference), per token: pi_ref/pi - log(pi_ref/pi) - 1. Never negative.

    Args:
        logprobs: (...) log pi of the sampled tokens.
        ref_logprobs: (...) log pi_ref of the same tokens.

    Returns:
        (...) estimates in nats.

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 5.
    """
    log_ratio = ref_logprobs - logprobs
    return torch.exp(log_ratio) - log_ratio - 1.0


def dynamic_kl_weight(step: int, steps: int, minimum: float, maximum: float, exploration: float) -> float:
    """The KL weight beta(s) of GRPO-D: falls from the middle to the minimum while exploring, then rises to the maximum.

    Args:
        step: s, counted from 0.
        steps: t, the run's optimiser steps.
        minimum: beta_min, reached at s = w.
        maximum: beta_max, reached at s = t.
        exploration: w as a fraction of t, above 0 and at most 1.

    Returns:
        beta(s).

    Source: OThink-MR1 (arXiv 2503.16081), Eq. 3.
    """
    middle = (minimum + maximum) / 2
    w = exploration * steps
    if step <= w:
        return middle - (middle - minimum) * step / w
    return minimum + (maximum - minimum) * (step - w) / (steps - w)


class KLController(Protocol):
    """Decides the KL weight of each step. Its state is part of a checkpoint."""

    def weight(self, step: int) -> float:
        """beta of this step, counted from 0."""
        ...

    def state_dict(self) -> dict[str, float]:
        """All that a resumed run needs to go on as if it had not stopped."""
        ...

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take up a saved state.

        Raises:
            ValueError: the state is another controller's, or was saved under other settings.
        """
        ...


class _Settings:
    """A controller whose whole state is its settings: what is saved is only compared on loading."""

    def state_dict(self) -> dict[str, float]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, float]) -> None:
        if state != self.state_dict():
            raise ValueError(f"the checkpoint's KL weight was set by {state}, this run's by {self.state_dict()}")


@dataclass
class ConstantKL(_Settings):
    """The same weight at every step: plain GRPO."""

    value: float

    def weight(self, step: int) -> float:  # noqa: ARG002 - the controllers share one signature
        return self.value


@dataclass
class DynamicKL(_Settings):
    """GRPO-D's schedule; see `dynamic_kl_weight`."""

    steps: int
    minimum: float
    maximum: float
    exploration: float

    def weight(self, step: int) -> float:
        return dynamic_kl_weight(step, self.steps, self.minimum, self.maximum, self.exploration)
