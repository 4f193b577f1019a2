"""What learns and in what precision: parts, LoRA, frozen features, bfloat16, gradient checkpointing, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole
from transformers import AutoModelForImageTextToText

from mr1.config import Config
from mr1.errors import UserError
from mr1.folders import Mode
from mr1.models import VLM, load_vlm
from mr1.models.check import counting_images
from mr1.models.policy import Reference, make_policy
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.optimizer import Optimizer
from mr1.train.packing import packed_rows
from mr1.train.run import Run
from mr1.train.scoring import token_logprobs
from mr1.types import Group

pytestmark = pytest.mark.loop

LORA = {"lora__rank": 4, "optimizer__learning_rate": 2e-3}
FROZEN = {"optimizer__parts__vision": 0, "optimizer__parts__projector": 0}
QUIET = {"evaluation__final_samples": 0, "evaluation__every": 0}

Configs = Callable[..., Config]


def start(config: Config, mode: Mode = "new") -> Trainer:
    return Trainer(config, Run(config, mode), Console(RichConsole(quiet=True)))


def policy(config: Config) -> VLM:
    return make_policy(load_vlm(config.model, config.loading), config)


def learning(vlm: VLM) -> set[str]:
    """The parts that have a parameter that learns."""
    return {vlm.adapter.part_of(name) for name, p in vlm.model.named_parameters() if p.requires_grad}


def test_a_rate_of_zero_freezes_a_part_and_keeps_it_out_of_the_optimizer(make_config: Configs) -> None:
    config = make_config(optimizer__parts__vision=0, optimizer__parts__projector=3e-4, optimizer__learning_rate=1e-4)
    vlm = policy(config)
    assert learning(vlm) == {"projector", "language"}
    assert not vlm.features_frozen
    groups = Optimizer(vlm, config).adamw.param_groups
    assert {group["lr"] for group in groups} == {3e-4, 1e-4}
    held = {id(parameter) for group in groups for parameter in group["params"]}
    assert held == {id(p) for p in vlm.model.parameters() if p.requires_grad}
    assert id(vlm.adapter.vision_tower().get_parameter("patch_embed.proj.weight")) not in held

    with pytest.raises(UserError, match="every part's learning rate is 0"):
        policy(make_config(**FROZEN, optimizer__parts__language=0))


def test_a_frozen_towers_features_serve_rollout_scoring_and_reference(make_config: Configs) -> None:
    trainer = start(make_config(steps=2, updates_per_rollout=2, **FROZEN, **QUIET))
    assert trainer.reference is not None
    with trainer.reference() as reference:
        assert reference is not trainer.policy
        with counting_images(trainer.policy) as counts, counting_images(reference) as others:
            trainer.train()
    # Two steps on one batch of rollouts: three prompts of 64 patches, each encoded once in all.
    assert (counts, others) == ([3 * 64], [])


def test_what_is_frozen_stays_and_what_learns_moves(make_config: Configs) -> None:
    before = {name: p.detach().clone() for name, p in load_vlm("tiny").model.named_parameters()}
    trainer = start(make_config(steps=1, **FROZEN, **QUIET))
    trainer.train()
    for name, parameter in trainer.policy.model.named_parameters():
        assert torch.equal(parameter, before[name]) == (trainer.policy.adapter.part_of(name) != "language"), name


def test_words_alone_teach_a_vision_tower_nothing(make_config: Configs, tmp_path: Path) -> None:
    """Beside rows with images they are a part of the batch; alone they change nothing."""
    rows = [{"question": f"What is {number} + 1?", "answer": str(number + 1)} for number in range(4)]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = {"sources": f"{{words: {{path: {tmp_path / 'words.jsonl'}}}}}", "optimizer__parts__language": 0}
    moved = {}
    for name, tasks in (("alone", "[words]"), ("mixed", "[words, counting]")):
        trainer = start(make_config(name=name, task=tasks, tokens_per_microbatch=100, **words, **QUIET, steps=2))
        before = {key: each.detach().clone() for key, each in trainer.policy.model.named_parameters()}
        trainer.train()
        after = trainer.policy.model.named_parameters()
        moved[name] = {trainer.policy.adapter.part_of(key) for key, each in after if not torch.equal(each, before[key])}
    assert moved["alone"] == set()
    assert "language" not in moved["mixed"]
    assert "vision" in moved["mixed"]


def test_lora_begins_as_the_model_and_its_reference_is_itself_switched_off(
    make_config: Configs, make_groups: Callable[[int], list[Group]], tiny: VLM
) -> None:
    config = make_config(**LORA)
    vlm = policy(config)
    assert all("lora_" in name for name, p in vlm.model.named_parameters() if p.requires_grad)
    rows = packed_rows(make_groups(3), tiny.adapter)
    plain, _ = token_logprobs(tiny, rows, temperature=1.0)
    torch.testing.assert_close(token_logprobs(vlm, rows, temperature=1.0)[0], plain, atol=1e-6, rtol=0)

    trainer = start(make_config(steps=2, **LORA, **QUIET))
    trainer.train()
    assert trainer.reference is not None
    moved, _ = token_logprobs(trainer.policy, rows, temperature=1.0)
    assert float((moved - plain).detach().abs().max()) > 1e-3
    with trainer.reference() as reference:
        assert reference.model is trainer.policy.model  # no second model
        switched_off, _ = token_logprobs(reference, rows, temperature=1.0)
    torch.testing.assert_close(switched_off, plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(token_logprobs(trainer.policy, rows, temperature=1.0)[0], moved)
    assert all(p.requires_grad for name, p in trainer.policy.model.named_parameters() if "lora_" in name)


def test_low_rank_weights_that_a_model_comes_with_are_merged_into_it(
    make_config: Configs, make_groups: Callable[[int], list[Group]]
) -> None:
    """A second run begins where the first one ended, and its reference is that beginning."""
    first = start(make_config(steps=2, **LORA, **QUIET))
    first.train()
    checkpoint = str(first.run.checkpoints.latest().path)
    rows = packed_rows(make_groups(2), first.policy.adapter)
    expected, _ = token_logprobs(first.policy, rows, temperature=1.0)
    second = start(make_config(name="second", model=checkpoint, steps=2, **LORA, **QUIET))
    torch.testing.assert_close(token_logprobs(second.policy, rows, temperature=1.0)[0], expected, atol=1e-5, rtol=0)
    second.train()
    assert second.reference is not None
    with second.reference() as reference:
        torch.testing.assert_close(token_logprobs(reference, rows, temperature=1.0)[0], expected, atol=1e-5, rtol=0)
    again = load_vlm(str(second.run.checkpoints.latest().path))
    moved, _ = token_logprobs(second.policy, rows, temperature=1.0)
    torch.testing.assert_close(token_logprobs(again, rows, temperature=1.0)[0], moved, atol=1e-5, rtol=0)
    full = policy(make_config(name="full", model=checkpoint))
    assert full.lora is None
    assert learning(full) == {"vision", "projector", "language"}


def test_lora_targets(make_config: Configs) -> None:
    vlm = policy(make_config(**LORA, **FROZEN, lora__targets="[q_proj,v_proj]"))
    assert learning(vlm) == {"language"}
    assert vlm.features_frozen
    assert {
        name.split(".lora_")[0].rpartition(".")[2] for name, p in vlm.model.named_parameters() if p.requires_grad
    } == {
        "q_proj",
        "v_proj",
    }
    with pytest.raises(UserError, match=r"lora.targets: nothing is named qproj; there are .*q_proj"):
        policy(make_config(**LORA, lora__targets="[qproj]"))


@pytest.mark.parametrize(
    "settings",
    [
        LORA,
        LORA | FROZEN | {"gradient_checkpointing": True},
        LORA | {"loading__quantize": "nf4"},
        {"loading__dtype": "bfloat16"},
    ],
    ids=["lora", "lora, frozen, checkpointing", "four bits", "bfloat16"],
)
@pytest.mark.invariant
def test_stopped_and_resumed_equals_not_stopped(make_config: Configs, settings: dict[str, Any]) -> None:
    lines = []
    for name, every in (("whole", 0), ("halves", 2)):
        trainer = start(make_config(name=name, steps=4, checkpoint__every=every, **settings, **QUIET))
        trainer.train()
        if every:  # forget the second half
            last = trainer.run.checkpoints.latest().path
            for file in last.iterdir():
                file.unlink()
            last.rmdir()
            trainer = start(trainer.config, "resume")
            assert trainer.start == 2
            trainer.train()
        lines.append([{k: v for k, v in line.items() if "time/" not in k} for line in trainer.run.metrics()])
    assert lines[0] == lines[1]
    assert len(lines[0]) == 4


@pytest.mark.invariant
def test_gradient_checkpointing_changes_nothing_but_memory(
    make_config: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With checkpointing nothing is run ahead, and rounding would differ.
    monkeypatch.setattr(VLM, "run_ahead", lambda _, prompts, __: [*prompts])
    runs = []
    for name, checkpointing in (("without", False), ("with", True)):
        trainer = start(make_config(name=name, gradient_checkpointing=checkpointing, **QUIET))
        layers: list[int] = []
        layer = trainer.policy.model.model.language_model.layers[0].self_attn
        layer.register_forward_pre_hook(lambda *_, layers=layers: layers.append(torch.is_grad_enabled()))
        trainer.train()
        runs.append([{k: v for k, v in line.items() if "time/" not in k} for line in trainer.run.metrics()])
        assert sum(layers) == (6 if checkpointing else 3)  # three steps: once, and again in the backward pass
    assert runs[0] == runs[1]


def test_bfloat16_keeps_its_state_in_float32(make_config: Configs) -> None:
    config = make_config(steps=1, loading__dtype="bfloat16", optimizer__learning_rate=1e-6, **QUIET)
    trainer = start(config)
    start_weights = [p.detach().clone() for p in trainer.policy.model.parameters()]
    trainer.train()
    optimizer = trainer.optimizer
    parameters = list(trainer.policy.model.parameters())
    assert {p.dtype for p in parameters} == {torch.bfloat16}
    assert {master.dtype for _, master in optimizer.masters} == {torch.float32}
    assert {m.dtype for entry in optimizer.adamw.state.values() for m in (entry["exp_avg"], entry["exp_avg_sq"])} == {
        torch.float32
    }
    # A step of 1e-6 is lost on most bfloat16 weights, and kept by nearly all masters.
    moved = [
        not torch.equal(master, was.float()) for (_, master), was in zip(optimizer.masters, start_weights, strict=True)
    ]
    assert sum(moved) > 0.9 * len(moved)
    for parameter, master in optimizer.masters:
        assert torch.equal(parameter, master.to(torch.bfloat16))
    completion = trainer.groups[0].completions[0]
    for values in (completion.logprobs, completion.old_logprobs, completion.ref_logprobs, completion.advantages):
        assert values is not None
        assert values.dtype == torch.float32
    line = trainer.run.metrics()[0]
    assert 0 < line["sampler/logprob_gap"] < 0.05


def test_bfloat16_gradients_are_added_up_in_float32() -> None:
    """A thousand small gradients after a large one: bfloat16 would lose each of them."""
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))

    class Holder:
        model = torch.nn.Module()
        device = torch.device("cpu")
        sharded = None

        class adapter:  # noqa: N801
            @staticmethod
            def part_of(_name: str) -> str:
                return "language"

    Holder.model.weight = weight
    from mr1.config import Optimizer as Settings

    class Given:
        optimizer = Settings(learning_rate=0.1)

    optimizer = Optimizer(Holder, Given)  # type: ignore[arg-type]
    (weight * 256.0).sum().backward()
    for _ in range(1000):
        (weight * 0.5).sum().backward()
    assert weight.grad is None
    assert optimizer.masters[0][1].grad is not None
    assert optimizer.masters[0][1].grad.item() == 256.0 + 500.0


@pytest.mark.parametrize("settings", [{}, LORA], ids=["full", "lora"])
def test_an_export_gives_the_same_logprobs_through_transformers(
    make_config: Configs, make_groups: Callable[[int], list[Group]], tmp_path: Path, settings: dict[str, Any]
) -> None:
    from mr1.config import Loading
    from mr1.models.export import export

    trainer = start(make_config(steps=2, **settings, **QUIET))
    trainer.train()
    checkpoint, folder = str(trainer.run.checkpoints.latest().path), tmp_path / "exported"
    assert export(checkpoint, folder, Loading()) == torch.float32
    group = make_groups(1)[0]
    scored, _ = token_logprobs(trainer.policy, packed_rows([group], trainer.policy.adapter), temperature=1.0)

    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    assert not any("lora" in name for name, _ in model.named_parameters())
    assert not (folder / "trainer.pt").exists()
    prompt, parts = group.prompt, []
    for completion in group.completions:
        ids = torch.cat([prompt.input_ids, completion.token_ids])[None]
        types = (ids == model.config.image_token_id).long()
        with torch.no_grad():
            logits = model(input_ids=ids, mm_token_type_ids=types, **prompt.vision).logits[0, len(prompt) - 1 : -1]
        logprobs = torch.log_softmax(logits + trainer.policy.token_bias(), -1)
        parts.append(logprobs.gather(-1, completion.token_ids[:, None])[:, 0])
    torch.testing.assert_close(torch.cat(parts), scored.detach(), atol=1e-5, rtol=0)

    with pytest.raises(UserError, match="exists; choose another"):
        export(checkpoint, folder, Loading())
    assert export(checkpoint, tmp_path / "half", Loading(), "bfloat16") == torch.bfloat16
    assert load_vlm(str(tmp_path / "half"), Loading(dtype="bfloat16")).model.dtype == torch.bfloat16


def test_the_reference_of_a_full_run_is_a_copy(make_config: Configs) -> None:
    vlm = policy(make_config())
    with Reference(vlm)() as reference:
        assert reference.model is not vlm.model
        assert not any(p.requires_grad for p in reference.model.parameters())
