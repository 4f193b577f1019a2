"""The optimizer on a model of three weights: which group each is in, what a step does, what is saved."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from mr1.config import Optimizer as Settings
from mr1.train.optimizer import Optimizer, rate_factor

RATES: dict[str, Any] = {"learning_rate": 0.1, "parts": {"vision": 0.2}, "weight_decay": 0.5, "betas": (0.8, 0.95)}


def model(dtype: torch.dtype = torch.float32) -> nn.Module:
    made = nn.ModuleDict({"vision": nn.Linear(2, 1), "language": nn.Linear(2, 1), "projector": nn.Linear(2, 1)})
    with torch.no_grad():
        for number, parameter in enumerate(made.parameters(), start=1):
            parameter.fill_(number)
    made["projector"].requires_grad_(False)
    return made.to(dtype)


def optimizer(made: nn.Module, device: str = "cpu", **settings: Any) -> Optimizer:
    adapter = SimpleNamespace(part_of=lambda name: name.partition(".")[0])
    vlm: Any = SimpleNamespace(model=made, adapter=adapter, device=torch.device(device), sharded=None)
    config: Any = SimpleNamespace(optimizer=Settings(**(RATES | settings)))
    return Optimizer(vlm, config)


def backward(made: nn.Module, scale: float = 1.0) -> None:
    """Gradients of 3 and 4 on each weight and 12 on each bias, times `scale`."""
    for part in ("vision", "language"):
        (made[part](torch.tensor([[3.0, 4.0]], dtype=made[part].weight.dtype) / 12) * 12 * scale).sum().backward()  # type: ignore[index]


def test_each_part_has_its_rate_and_only_what_has_two_axes_decays() -> None:
    made = model()
    names = {id(parameter): name for name, parameter in made.named_parameters()}
    groups = optimizer(made).adamw.param_groups
    found = {
        names[id(parameter)]: (group["lr"], group["weight_decay"], group["betas"], group["fused"])
        for group in groups
        for parameter in group["params"]
    }
    assert found == {
        "vision.weight": (0.2, 0.5, (0.8, 0.95), True),
        "vision.bias": (0.2, 0.0, (0.8, 0.95), True),
        "language.weight": (0.1, 0.5, (0.8, 0.95), True),
        "language.bias": (0.1, 0.0, (0.8, 0.95), True),
    }
    assert len(groups) == 4
    assert not optimizer(model().to("meta"), "meta").adamw.param_groups[0]["fused"]


def test_the_gradient_is_scaled_to_the_norm_that_is_allowed() -> None:
    made = model()
    made_optimizer = optimizer(made, max_grad_norm=6.5)
    backward(made)
    assert made_optimizer.clip()["grad_norm"] == pytest.approx(math.sqrt(2) * 13)  # twice (3, 4, 12)
    factor = 6.5 / (math.sqrt(2) * 13)
    assert made["language"].weight.grad.tolist()[0] == pytest.approx([3 * factor, 4 * factor], rel=1e-4)  # type: ignore[index]
    assert made_optimizer.clip()["grad_norm"] == pytest.approx(6.5, rel=1e-4)
    assert made["projector"].weight.grad is None  # type: ignore[index]
    made_optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in made.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_first_step_by_hand(dtype: torch.dtype) -> None:
    """AdamW's first step is the rate itself, against the gradient's sign, after the decay."""
    made = model(dtype)
    made_optimizer = optimizer(made)
    assert len(made_optimizer.masters) == (0 if dtype == torch.float32 else 4)
    backward(made)
    made_optimizer.step(0.5)
    values = {name: parameter.detach().flatten()[0].item() for name, parameter in made.named_parameters()}
    expected = {
        "vision.weight": 1 - 0.1 * 0.5 - 0.1,
        "vision.bias": 2 - 0.1,
        "language.weight": 3 - 0.05 * 0.5 * 3 - 0.05,
        "language.bias": 4 - 0.05,
        "projector.weight": 5,
        "projector.bias": 6,
    }
    assert values == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 2**-8)
    # The next factor is of the schedule's top, not of the last step's rate.
    made_optimizer.step(1.0)
    assert {group["lr"] for group in made_optimizer.adamw.param_groups} == {0.2, 0.1}


def test_gradients_of_bfloat16_add_up_in_float32() -> None:
    made = model(torch.bfloat16)
    masters = [master for _, master in optimizer(made).masters]
    for scale in (1.0, 2.0**-9, 2.0**-9):  # which 8 bits would lose
        backward(made, scale)
    assert [master.grad.flatten().tolist() for master in masters if master.grad is not None] == [
        [3 * (1 + 2.0**-8), 4 * (1 + 2.0**-8)],
        [12 * (1 + 2.0**-8)],
    ] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_that_takes_up_a_state_goes_on_to_the_bit(dtype: torch.dtype) -> None:
    whole, parts = model(dtype), model(dtype)
    first = optimizer(whole)
    for _ in range(3):
        backward(whole, 0.01)
        first.step(0.3)
        first.zero_grad()
    state = copy.deepcopy(first.state_dict())  # as a file would hold it
    assert len(state["masters"]) == len(first.masters)
    parts.load_state_dict(whole.state_dict())
    second = optimizer(parts)
    second.load_state_dict(state)
    for made, each in ((whole, first), (parts, second)):
        for scale in (0.02, 0.03):
            backward(made, scale)
            each.step(0.7)
            each.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), parts.parameters(), strict=True))
    for (_, one), (_, other) in zip(first.masters, second.masters, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, one.to(dtype).float())  # what rounding would have lost


def test_a_resumed_run_keeps_its_own_rates() -> None:
    state = optimizer(model()).state_dict()
    resumed = optimizer(model(), learning_rate=0.3, parts={"vision": 0.4})
    resumed.load_state_dict(copy.deepcopy(state))
    resumed.step(0.5)
    assert sorted(group["lr"] for group in resumed.adamw.param_groups) == [0.15, 0.15, 0.2, 0.2]


def test_masters_of_another_model_are_refused() -> None:
    state = optimizer(model(torch.bfloat16)).state_dict()
    state["masters"].pop()
    with pytest.raises(ValueError, match="shorter"):
        optimizer(model(torch.bfloat16)).load_state_dict(state)


def test_the_rate_at_the_edges_of_the_warm_up_and_the_run() -> None:
    linear = Settings(schedule="linear", warmup=0.5)
    assert [rate_factor(step, 4, linear) for step in range(5)] == pytest.approx([1 / 3, 2 / 3, 1.0, 0.5, 0.0])
    assert [rate_factor(step, 2, Settings(schedule="constant", warmup=1.0)) for step in range(2)] == [1 / 3, 2 / 3]
    assert rate_factor(0, 1, Settings(schedule="cosine")) == 1.0
    assert rate_factor(1, 3, Settings(schedule="cosine", warmup=1 / 3)) == pytest.approx(1.0)
    assert rate_factor(1, 1, Settings(schedule="linear", warmup=0.25)) == pytest.approx(0.25)


def test_a_reset_forgets_the_moments_and_keeps_the_masters() -> None:
    made = model(torch.bfloat16)
    used, new = optimizer(made), optimizer(copy.deepcopy(made))
    for each in (used, used):
        backward(made)
        each.step(1.0)
        each.zero_grad()
    masters = [master.clone() for _, master in used.masters]
    used.reset()
    assert used.state_dict()["adamw"]["state"] == {}
    assert all(torch.equal(was, now) for was, (_, now) in zip(masters, used.masters, strict=True))
    # The next step is AdamW's first: the learning rate times the gradient's sign, beside the weight's decay.
    backward(made)
    used.step(1.0)
    (state, *_) = used.adamw.state.values()
    assert float(state["step"]) == 1
    assert len(new.adamw.state) == 0
    (_, master), rate, decay = used.masters[0], 0.2, 0.5
    torch.testing.assert_close(master, masters[0] * (1 - rate * decay) - rate, atol=1e-5, rtol=0)
