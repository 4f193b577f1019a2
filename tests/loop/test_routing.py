"""Choices of experts: recorded in the rollout, compared and replayed in training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mr1.config import Config, Rollout
from mr1.errors import UserError
from mr1.models import VLM, load_vlm
from mr1.models.check import example_groups
from mr1.models.export import export
from mr1.models.policy import Reference, make_policy
from mr1.models.routing import Routing
from mr1.models.small import build_small
from mr1.report.console import Console
from mr1.rollout.local import LocalEngine
from mr1.train.loop import Trainer
from mr1.train.packing import flat_rows, plain_rows
from mr1.train.run import Run
from mr1.train.scoring import predictors, token_logprobs
from mr1.types import Group

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("qwen3_vl_moe")
    build_small("qwen3_vl_moe", made)
    return made


@pytest.fixture
def vlm(folder: Path) -> VLM:
    return load_vlm(str(folder))


class _Chosen(TorchFunctionMode):
    """What each `topk` chose."""

    def __init__(self) -> None:
        super().__init__()
        self.indices: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        result = function(*arguments, **(named or {}))
        if function is torch.topk:
            self.indices.append(result.indices)
        return result


@contextmanager
def chosen() -> Iterator[list[Tensor]]:
    with _Chosen() as mode:
        yield mode.indices


def rollout(vlm: VLM, routing: str) -> list[Group]:
    settings = Rollout.model_validate({"group_size": 3, "max_new_tokens": 9, "routing": routing})
    return LocalEngine(vlm).sample([group.prompt for group in example_groups(vlm)], settings, (0, 0))


@torch.no_grad()
def scored(vlm: VLM) -> Tensor:
    return token_logprobs(vlm, flat_rows(example_groups(vlm)), temperature=1.0)[0]


def shift(vlm: VLM) -> None:
    """Other weights of the routers, so that they choose otherwise."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in vlm.model.named_parameters():
            if name.endswith("mlp.gate.weight"):
                weight += 0.3 * torch.randn_like(weight) * weight.std()


def test_a_rollout_records_what_the_routers_choose(vlm: VLM) -> None:
    """Against a plain forward of the prompt and one completion, in which each choice is looked at from outside."""
    assert all(completion.routes is None for group in rollout(vlm, "free") for completion in group.completions)
    groups = rollout(vlm, "count")
    for group in groups:
        for completion in group.completions:
            routes = completion.routes
            assert routes is not None
            assert routes.own.shape == (len(completion), 2, 2)
            assert (routes.own[-1] == -1).all(), "the last token has not been run"
            with chosen() as indices, torch.no_grad():
                predictors(vlm, plain_rows([Group(group.prompt, [completion])], vlm.adapter))
            expected = torch.stack(indices, dim=1)[:-1].sort(-1).values
            there = torch.cat([routes.prompt, routes.own])[:-1].sort(-1).values
            assert torch.equal(there.long(), expected)


@pytest.mark.parametrize("kind", ["flat", "plain"])
def test_replayed_choices_are_the_samplers(vlm: VLM, kind: str) -> None:
    groups = rollout(vlm, "replay")
    rows = flat_rows(groups) if kind == "flat" else plain_rows(groups, vlm.adapter)
    assert rows.routes is not None
    same = Routing(rows.routes)
    predictors(vlm, rows, same)
    assert same.known() > 0
    assert same.differing() == 0
    shift(vlm)
    own, replayed = Routing(rows.routes), Routing(rows.routes, replay=True)
    free, kept = predictors(vlm, rows, own), predictors(vlm, rows, replayed)
    assert own.differing() > 0
    assert float((free - kept).detach().abs().max()) > 1e-3
    assert replayed.differing() > 0, "what would have been chosen is counted all the same"


def test_replay_takes_the_samplers_experts_with_the_routers_weights(vlm: VLM) -> None:
    """By hand: the experts' weights are the softmax of the router's scores at the replayed experts."""
    layer = vlm.model.model.language_model.layers[0].mlp
    states = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    choices = torch.tensor([[0, 3], [1, 2], [3, 1], [2, 0], [-1, -1]])
    layer.gate.routing = Routing(choices[:, None].expand(-1, 2, -1), replay=True)
    try:
        logits, weights, indices = layer.gate(states)
    finally:
        layer.gate.routing = None
    _, own_weights, own_indices = layer.gate(states)
    assert torch.equal(indices[:4], choices[:4])
    assert torch.equal(indices[4], own_indices[4])
    torch.testing.assert_close(weights[4], own_weights[4])
    at = torch.softmax(states @ layer.gate.weight.T, -1)[:4].gather(-1, choices[:4])
    torch.testing.assert_close(weights[:4], at / at.sum(-1, keepdim=True))
    assert logits.shape == (5, 4)


def test_gradient_reaches_the_router_and_survives_checkpointing(vlm: VLM) -> None:
    groups = rollout(vlm, "replay")
    rows = flat_rows(groups)
    shift(vlm)

    def gradient() -> Tensor:
        vlm.model.zero_grad()
        hidden = predictors(vlm, rows, Routing(rows.routes, replay=True))
        (hidden * torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum().backward()
        return torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])

    plain = gradient()
    assert float(vlm.model.model.language_model.layers[0].mlp.gate.weight.grad.abs().max()) > 0
    vlm.model.activation_checkpointing_enable()
    with vlm.training():
        again = gradient()
    assert float((plain - again).norm() / plain.norm()) < 5e-6


@pytest.mark.parametrize("routing", ["free", "count", "replay"])
def test_a_run_counts_them(make_config: Callable[..., Config], folder: Path, routing: str) -> None:
    config = make_config(model=folder, rollout__routing=routing, steps=2, updates_per_rollout=2)
    Trainer(config, Run(config, "new"), Console(RichConsole(quiet=True))).train()
    metrics = Path(config.output) / config.name / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert all(("routing/differs" in line) == (routing != "free") for line in lines)


def test_a_model_without_experts_has_nothing_to_replay(make_config: Callable[..., Config]) -> None:
    config = make_config(rollout__routing="replay")
    with pytest.raises(UserError, match=r"rollout.routing: the family 'qwen2_vl' has no experts"):
        make_policy(load_vlm(config.model), config)


@pytest.mark.parametrize("family", ["qwen3_vl_moe", "glm4v_moe"])
def test_low_rank_weights_of_experts(
    make_config: Callable[..., Config], build_family: Callable[[str, Path], None], tmp_path: Path, family: str
) -> None:
    """They learn, are saved and loaded again, are switched off for the reference, and are merged into an export."""
    build_family(family, tmp_path / "m")
    config = make_config(model=tmp_path / "m", lora__rank=2, lora__targets="[gate_up_proj,down_proj,q_proj]")
    vlm = load_vlm(config.model)
    linear = [
        name
        for name, layer in vlm.model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.endswith(("down_proj", "q_proj"))
    ]
    experts = [name for name, weight in vlm.model.named_parameters() if "experts" in name and weight.ndim == 3]
    before = scored(vlm)
    policy = make_policy(vlm, config)
    names = [name for name, weight in policy.model.named_parameters() if weight.requires_grad]
    assert len(experts) in (2, 4)
    assert len(names) == 2 * len(linear) + 2 * len(experts)
    assert sum(".experts." in name for name in names) == 2 * len(experts)
    torch.manual_seed(0)
    for name in names:
        torch.nn.init.normal_(policy.model.get_parameter(name), std=0.1)
    learned = scored(policy)
    assert float((learned - before).abs().max()) > 1e-2
    with Reference(policy)() as reference:
        torch.testing.assert_close(scored(reference), before, atol=5e-6, rtol=0)
    policy.save(tmp_path / "saved")
    torch.testing.assert_close(scored(load_vlm(str(tmp_path / "saved"))), learned, atol=5e-6, rtol=0)
    export(str(tmp_path / "saved"), tmp_path / "whole", config.loading)
    assert load_vlm(str(tmp_path / "whole")).lora is None
    torch.testing.assert_close(scored(load_vlm(str(tmp_path / "whole"))), learned, atol=1e-5, rtol=0)
