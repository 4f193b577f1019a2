"""Base weights of four bits under low-rank weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mr1.config import Config, Loading, Rollout
from mr1.errors import UserError
from mr1.estimate.measure import measure, widen
from mr1.estimate.step import estimate
from mr1.models import VLM, load_vlm
from mr1.models.check import example_groups
from mr1.models.export import export
from mr1.models.policy import Reference, make_policy
from mr1.models.quantize import is_quantized
from mr1.models.saved import own_loading
from mr1.models.small import build_small
from mr1.rollout.local import LocalEngine
from mr1.train.packing import make_rows, plain_rows
from mr1.train.scoring import token_logprobs

pytestmark = pytest.mark.loop

FOUR: dict[str, Any] = {"loading__quantize": "nf4", "lora__rank": 4}


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen3_5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp(request.param)
    build_small(request.param, made)
    return made


def scored(vlm: VLM, plain: bool = False) -> Tensor:
    groups = example_groups(vlm)
    rows = plain_rows(groups, vlm.adapter) if plain else make_rows(groups, vlm.adapter)
    return token_logprobs(vlm, rows, temperature=1.0)[0]


def learned(config: Config) -> VLM:
    """A policy with random low-rank weights, as if it had learned."""
    policy = make_policy(load_vlm(config.model, config.loading), config)
    torch.manual_seed(0)
    for weight in policy.model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.05)
    return policy


def test_only_the_language_models_linear_layers_are_rounded(folder: Path) -> None:
    whole, four = load_vlm(str(folder)), load_vlm(str(folder), Loading(quantize="nf4"))
    kinds = {name: type(module).__name__ for name, module in four.model.named_modules()}
    rounded = {name for name, kind in kinds.items() if kind == "Linear4bit"}
    linear = {
        name
        for name, module in whole.model.named_modules()
        if isinstance(module, nn.Linear) and whole.adapter.part_of(name) == "language" and name != "lm_head"
    }
    assert rounded == linear
    difference = (scored(four) - scored(whole)).detach().abs()
    assert 1e-3 < float(difference.max()) < 1, "it is rounded, and still the same model"


def test_it_is_exact_against_the_same_weights_made_whole(make_config: Callable[..., Config], folder: Path) -> None:
    """Log-probs, the low-rank weights' gradient, the reference and the sampler; one row too."""
    config = make_config(model=folder, **FOUR)
    four, dense = learned(config), load_vlm(str(folder), config.loading, dense=True)
    assert is_quantized(four.model)
    assert not is_quantized(dense.model)
    with Reference(four)() as reference:
        torch.testing.assert_close(scored(reference), scored(dense), atol=5e-6, rtol=0)
    whole = make_policy(dense, config)
    for name, weight in whole.model.named_parameters():
        if weight.requires_grad:
            weight.data = four.model.get_parameter(name).data.clone()
    logprobs, gradients = [], []
    for vlm, plain in ((four, False), (four, True), (whole, False)):
        vlm.model.zero_grad()
        logprobs.append(scored(vlm, plain))
        (logprobs[-1] * torch.linspace(-1, 1, len(logprobs[-1]))).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None]))
    for one, gradient in zip(logprobs[1:], gradients[1:], strict=True):
        torch.testing.assert_close(logprobs[0], one, atol=5e-6, rtol=0)
        assert float((gradients[0] - gradient).norm() / gradient.norm()) < 5e-6
    groups = example_groups(four)
    sampled = LocalEngine(four).sample([groups[0].prompt], Rollout(group_size=2, max_new_tokens=9), (0, 0))
    drawn = torch.cat([each.logprobs for each in sampled[0].completions if each.logprobs is not None])
    again, _ = token_logprobs(four, make_rows(sampled, four.adapter), temperature=1.0)
    torch.testing.assert_close(drawn, again.detach(), atol=5e-6, rtol=0)
    alone = LocalEngine(four).greedy([groups[0].prompt], 6)
    several = LocalEngine(four).greedy([group.prompt for group in groups], 6)
    assert alone[0].token_ids.tolist() == several[0].token_ids.tolist()


def test_a_checkpoint_loads_as_it_ran_and_an_export_is_what_was_trained(
    make_config: Callable[..., Config], folder: Path, tmp_path: Path
) -> None:
    config = make_config(model=folder, **FOUR)
    policy = learned(config)
    policy.save(tmp_path / "saved")
    loading = own_loading(str(tmp_path / "saved"))
    assert loading.quantize == "nf4"
    again = load_vlm(str(tmp_path / "saved"), loading)
    assert torch.equal(scored(again), scored(policy))
    export(str(tmp_path / "saved"), tmp_path / "whole", loading)
    assert "quantize" not in json.loads((tmp_path / "whole" / "mr1.json").read_text())
    exported = load_vlm(str(tmp_path / "whole"), own_loading(str(tmp_path / "whole")))
    torch.testing.assert_close(scored(exported), scored(policy), atol=1e-5, rtol=0)


def test_its_estimate(make_config: Callable[..., Config], tmp_path: Path) -> None:
    build_small("qwen2_vl", tmp_path / "wide")
    widen(tmp_path / "wide")
    config = make_config(model=tmp_path / "wide", **FOUR)
    counted = {phase: sum(parts.values()) for phase, parts in estimate(config, "cpu").phases.items()}
    for phase, size in measure(config).items():
        assert counted[phase] == pytest.approx(size, rel=0.2), phase


def test_it_needs_low_rank_weights(make_config: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r"loading.quantize: .*set lora.rank"):
        make_config(loading__quantize="nf4")


def test_it_needs_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"loading.quantize: needs the package bitsandbytes; .*mr1\[quantize\]"):
        load_vlm("tiny", Loading(quantize="nf4"))


def test_the_head_stays_whole_where_its_logits_are_capped(tmp_path: Path) -> None:
    build_small("gemma4", tmp_path)
    four = load_vlm(str(tmp_path), Loading(quantize="nf4"))
    assert type(four.adapter.output_embeddings()).__name__ != "Linear4bit"
    assert any(type(module).__name__ == "Linear4bit" for module in four.model.modules())
