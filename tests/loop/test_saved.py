"""A checkpoint and an export are what was trained: the same prompts, the same log-probs, the same way of loading."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Config, Loading
from mr1.errors import UserError
from mr1.models import VLM, load_vlm
from mr1.models.export import export
from mr1.models.policy import make_policy
from mr1.models.saved import FILE, own_loading
from mr1.models.small import build_small
from mr1.train.packing import make_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Group, Prompt, Sample

pytestmark = pytest.mark.loop

LORA = {"lora__rank": 4, "optimizer__learning_rate": 2e-3}
LIMITS = {"loading__max_pixels": 2 * 56 * 56, "loading__min_pixels": 56 * 56}
PICTURE = Image.linear_gradient("L").resize((180, 120)).convert("RGB")


def prompt_of(vlm: VLM) -> Prompt:
    return vlm.prompt(Sample("s", (PICTURE,), "How many?", "1"), "{question}")


def logprobs(vlm: VLM) -> torch.Tensor:
    group = Group(prompt_of(vlm), [vlm.written("<think>1 red</think><answer>1</answer>")])
    with torch.no_grad():
        return token_logprobs(vlm, make_rows([group], vlm.adapter), temperature=1.0)[0]


def moved_policy(config: Config) -> VLM:
    """A policy whose weights have moved where they learn."""
    policy = make_policy(load_vlm(config.model, config.loading), config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=generator).to(parameter)
    return policy


@pytest.mark.parametrize(
    ("settings", "limits", "dtype"),
    [
        ({}, LIMITS, "float32"),
        (LORA, LIMITS, "float32"),
        (LORA, {}, "float32"),
        ({}, LIMITS, "bfloat16"),
        (LORA, LIMITS, "bfloat16"),
    ],
    ids=["full", "lora", "lora, no limits", "full, bfloat16", "lora, bfloat16"],
)
def test_checkpoint_and_export_are_the_policy(
    make_config: Callable[..., Config], tmp_path: Path, settings: dict[str, Any], limits: dict[str, Any], dtype: str
) -> None:
    build_small("qwen2_vl", tmp_path / "m")
    policy = moved_policy(make_config(model=tmp_path / "m", loading__dtype=dtype, **settings, **limits))
    checkpoint = str(tmp_path / "checkpoint")
    policy.save(Path(checkpoint))
    expected, prompt = logprobs(policy), prompt_of(policy)
    assert (len(prompt) < len(prompt_of(load_vlm(str(tmp_path / "m"))))) == bool(limits)

    again = load_vlm(checkpoint, own_loading(checkpoint))
    assert prompt_of(again).input_ids.tolist() == prompt.input_ids.tolist()
    assert torch.equal(prompt_of(again).vision["pixel_values"], prompt.vision["pixel_values"])
    assert torch.equal(logprobs(again), expected)
    assert again.stop_tokens() == policy.stop_tokens()

    folder = tmp_path / "exported"
    export(checkpoint, folder, own_loading(checkpoint))
    exported = load_vlm(str(folder), own_loading(str(folder), dtype=dtype))
    assert prompt_of(exported).input_ids.tolist() == prompt.input_ids.tolist()
    assert exported.stop_tokens() == policy.stop_tokens()
    # Low-rank weights are added to weights of the stored dtype, float32 here.
    torch.testing.assert_close(logprobs(exported), expected, atol=1e-5 if dtype == "float32" else 0.1, rtol=0)


@pytest.mark.parametrize("family", ["gemma3", "internvl", "llava_onevision", "qwen3_5_moe", "smolvlm"])
def test_low_rank_weights_of_every_family_have_its_processor(
    make_config: Callable[..., Config], build_family: Callable[[str, Path], None], tmp_path: Path, family: str
) -> None:
    """A word and the chat template are changed behind the run's back; the checkpoint has them as they were."""
    build_family(family, tmp_path / "m")
    vlm = load_vlm(str(tmp_path / "m"))
    vlm.tokenizer.add_tokens(["How many?"])
    vlm.processor.chat_template = vlm.processor.chat_template.replace("assistant", "helper")
    policy = make_policy(vlm, make_config(model=tmp_path / "m", **LORA))
    policy.save(tmp_path / "saved")
    for again in (load_vlm(str(tmp_path / "saved")), load_vlm(str(tmp_path / "saved"), weights=False)):
        assert prompt_of(again).text == prompt_of(policy).text
        assert prompt_of(again).input_ids.tolist() == prompt_of(policy).input_ids.tolist()
        assert again.adapter.forbidden_tokens() == policy.adapter.forbidden_tokens()
    for file in ("processor_config.json", FILE):  # as peft itself writes it
        (tmp_path / "saved" / file).unlink()
    assert "helper" not in prompt_of(load_vlm(str(tmp_path / "saved"))).text


def test_the_commands_take_a_checkpoints_own_settings(make_config: Callable[..., Config], tmp_path: Path) -> None:
    build_small("qwen2_vl", tmp_path / "m")
    config = make_config(model=tmp_path / "m", loading__dtype="bfloat16", loading__attention="eager", **LIMITS, **LORA)
    policy = make_policy(load_vlm(config.model, config.loading), config)
    policy.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / FILE).read_text()) == {"dtype": "bfloat16", "attention": "eager"}
    assert own_loading(str(tmp_path / "m")) == Loading()
    assert own_loading(str(tmp_path / "saved"), dtype="float32") == Loading(attention="eager")

    def evaluated(*options: str) -> dict[str, Any]:
        out = tmp_path / "evaluation"
        arguments = ["eval", str(tmp_path / "saved"), "--task", "counting", "--samples", "2", "--max-new-tokens", "2"]
        run = CliRunner().invoke(app, [*arguments, "--out", str(out), "--overwrite", "--json", *options])
        assert run.exit_code == 0, run.output
        return json.loads((out / "settings.json").read_text())["loading"]

    own = evaluated()
    assert own == Loading(dtype="bfloat16", attention="eager").model_dump()
    given = evaluated("--dtype", "float32", "--max-pixels", "12544")
    assert given == own | {"dtype": "float32", "max_pixels": 12544}
    limited = prompt_of(load_vlm(str(tmp_path / "saved")))
    assert len(prompt_of(load_vlm(str(tmp_path / "saved"), Loading(max_pixels=112 * 112)))) > len(limited)
    with pytest.raises(UserError, match=r"loading\.max_pixels: no image has at least 3136 and at most 784 pixels"):
        load_vlm(str(tmp_path / "saved"), Loading(max_pixels=784))


def test_a_folder_never_decides_that_its_code_is_run(tiny: VLM, tmp_path: Path) -> None:
    tiny.save(tmp_path)
    (tmp_path / FILE).write_text('{"trust_remote_code": true, "revision": "x", "dtype": "bfloat16"}')
    assert own_loading(str(tmp_path)) == Loading(dtype="bfloat16")
    (tmp_path / FILE).write_text('{"dtype": "int4"}')
    with pytest.raises(UserError, match=r"mr1\.json: dtype can't be 'int4'"):
        own_loading(str(tmp_path))
    (tmp_path / FILE).write_text("{")
    with pytest.raises(UserError, match=r"mr1\.json can't be read"):
        own_loading(str(tmp_path))


def test_low_rank_weights_stay_with_the_commit_that_they_were_trained_on(
    make_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache holds two commits of a model; main has moved on since the training."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    home = tmp_path / "hub" / "models--someone--model"
    commits = {seed: f"{seed}" * 40 for seed in (1, 2)}
    for seed, commit in commits.items():
        build_small("qwen2_vl", home / "snapshots" / commit, seed=seed)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commits[1])
    config = make_config(model="someone/model", **LORA)
    policy = make_policy(load_vlm(config.model, config.loading), config)
    policy.save(tmp_path / "saved")
    (home / "refs" / "main").write_text(commits[2])
    moved = logprobs(load_vlm("someone/model"))
    assert torch.equal(logprobs(load_vlm(str(tmp_path / "saved"))), logprobs(policy))
    assert not torch.allclose(moved, logprobs(policy), atol=1e-3)
    second = make_config(model=tmp_path / "saved", **LORA)
    make_policy(load_vlm(second.model, second.loading), second).save(tmp_path / "second")
    assert torch.equal(logprobs(load_vlm(str(tmp_path / "second"))), logprobs(policy))
    assert export(str(tmp_path / "second"), tmp_path / "exported", Loading()) == torch.float32


def test_low_rank_weights_without_a_model(make_config: Callable[..., Config], tmp_path: Path) -> None:
    make_policy(load_vlm("tiny"), make_config(**LORA)).save(tmp_path / "saved")
    shutil.copytree(tmp_path / "saved", tmp_path / "torn")
    (tmp_path / "torn" / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="has no base_model_name_or_path"):
        load_vlm(str(tmp_path / "torn"))
