"""What is set so that a run can be repeated, and what happens where torch has no way to."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mr1.config import Config
from mr1.methods.base import give_each_token
from mr1.methods.grpo import GRPO
from mr1.models import determinism, load_vlm
from mr1.models.policy import make_policy
from mr1.rollout.sampling import _sums_in_whole_numbers
from mr1.train.optimizer import Optimizer
from mr1.train.update import update
from mr1.types import Group, LossInputs, LossOutput


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(determinism, "_impossible", [])


@pytest.mark.parametrize(("before", "expected"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_all_is_set_before_a_model_comes_to_its_device(
    monkeypatch: pytest.MonkeyPatch, before: str | None, expected: str
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "to be put back")
    if before is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    else:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before)
    torch.use_deterministic_algorithms(False)
    seen, move = [], nn.Module.to

    def watched(module: nn.Module, *arguments: Any, **named: Any) -> nn.Module:
        enabled = torch.are_deterministic_algorithms_enabled()
        seen.append((os.environ.get("CUBLAS_WORKSPACE_CONFIG"), enabled, torch.backends.cudnn.deterministic))
        return move(module, *arguments, **named)

    monkeypatch.setattr(nn.Module, "to", watched)
    load_vlm("tiny")
    assert seen[-1] == (expected, True, True)


def _updated(config: Config, groups: list[Group], method: GRPO) -> tuple[dict[str, Any], list[torch.Tensor]]:
    policy = make_policy(load_vlm("tiny"), config)
    metrics = update(policy, groups, method, Optimizer(policy, config), config, 0)
    return metrics, [each.detach().clone() for each in policy.model.parameters()]


class _Unrepeatable(GRPO):
    """From its second micro-batch on it uses an operation that has no deterministic kernel."""

    calls = 0

    def loss(self, inputs: LossInputs) -> LossOutput:
        self.calls += 1
        if self.calls > 1:
            torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))
        return super().loss(inputs)


def test_an_update_that_cant_be_repeated_is_made_all_the_same(
    make_groups: Callable[[int], list[Group]], make_config: Callable[..., Config]
) -> None:
    config = make_config(
        method="grpo",
        kl__weight=0,
        kl__minimum="null",
        kl__maximum="null",
        kl__exploration="null",
        tokens_per_microbatch=1,
    )

    def groups() -> list[Group]:
        made = make_groups(2)
        for group in made:
            give_each_token(group, torch.linspace(-1, 1, len(group.completions)))
        return made

    expected = _updated(config, groups(), GRPO(config))
    method = _Unrepeatable(config)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        metrics, weights = _updated(config, groups(), method)
        first = method.calls  # the first micro-batch, the one that failed, and all again
        _updated(config, groups(), method)
    assert any("put_" in str(each.message) for each in told)
    assert metrics == expected[0]
    assert all(torch.equal(one, other) for one, other in zip(weights, expected[1], strict=True))
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert method.calls - first == first - 2 > 1  # the second time it was not tried


def test_other_errors_are_not_taken_for_it() -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        determinism.repeatable(fail, lambda: pytest.fail("nothing is to be undone"))
    assert torch.is_deterministic_algorithms_warn_only_enabled()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.integers(1, 7))
def test_sums_in_whole_numbers_are_the_same_in_any_parts(weights: list[float], part: int) -> None:
    total = sum(weights) or 1.0
    probabilities = torch.tensor([weights]) / total
    sums = _sums_in_whole_numbers(probabilities)
    torch.testing.assert_close(sums, probabilities.double().cumsum(-1), atol=1e-13, rtol=0)
    carried, pieces = torch.zeros(1, 1, dtype=torch.float64), []
    for piece in probabilities.split(part, dim=1):
        pieces.append(_sums_in_whole_numbers(piece) + carried)
        carried = pieces[-1][:, -1:]
    assert torch.equal(torch.cat(pieces, dim=1), sums)
    steps = sums.diff(dim=1, prepend=torch.zeros(1, 1, dtype=torch.float64))
    assert (steps >= 0).all()
    assert (steps[probabilities == 0] == 0).all()
