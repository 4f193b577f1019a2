"""The memory estimate: against measured peaks, and the settings that it finds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Config
from mr1.errors import UserError
from mr1.estimate.dry import dry_run
from mr1.estimate.ledger import LimitExceededError
from mr1.estimate.measure import measure, widen
from mr1.estimate.sizes import parse_size
from mr1.estimate.step import LOOKED_AT, estimate, held_out
from mr1.models.small import build_small
from mr1.models.vlm import VLM
from mr1.tasks import load_task

pytestmark = pytest.mark.loop

SHARED = Path(os.environ.get("MR1_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECIPE = "counting-grpo-d"
SMALL = {
    "steps": 4,
    "prompts_per_step": 4,
    "tokens_per_microbatch": 600,
    "evaluation__every": 1,
    "evaluation__samples": 8,
    "evaluation__tasks": "[counting]",
}
LONG = f"'{300 * 'Count. '}{{question}}'"
"""A prompt that is ten times as long as the one that is trained with."""
FROZEN = {"optimizer__parts__vision": 0, "optimizer__parts__projector": 0}


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("qwen2_vl", {}),
        ("qwen2_vl", {"lora__rank": 8, "gradient_checkpointing": True, "evaluation__prompt": LONG}),
        ("qwen2_vl", {"loading__dtype": "bfloat16", "rollout__max_new_tokens": 96, **FROZEN}),
        ("smolvlm", {"loading__attention": "eager", "rollout__top_p": 0.9}),
        ("qwen3_vl_moe", {}),
    ],
    ids=[
        "all weights",
        "LoRA, checkpointing and a long evaluation prompt",
        "bfloat16, frozen vision",
        "eager SmolVLM",
        "experts",
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="measured on the CPU")
def test_each_phase_is_within_a_fifth_of_what_was_measured(
    family: str, settings: dict[str, object], make_config: Callable[..., Config], tmp_path: Path
) -> None:
    model = tmp_path / family
    build_small(family, model)
    widen(model)
    config = make_config(model=model, **SMALL, **settings)
    estimated = {phase: sum(parts.values()) for phase, parts in estimate(config, "cpu").phases.items()}
    measured = measure(config)
    assert estimated.keys() == measured.keys()
    assert estimated == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(
    "family", ["glm4v_moe", "hunyuan_vl", "gemma4", "minicpmv4_6", "qwen3_vl_moe", "video_llama_3"]
)
def test_families_of_all_kinds_are_estimated(
    family: str,
    make_config: Callable[..., Config],
    build_family: Callable[[str, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Its code runs where nothing is computed: tiles are counted, tokens go to experts, keys are chosen."""
    build_family(family, tmp_path / "m")
    monkeypatch.setattr("mr1.estimate.step.LOOKED_AT", 2)
    smallest = {"steps": 1, "prompts_per_step": 1, "rollout__group_size": 2, "rollout__max_new_tokens": 3}
    unmeasured = {"evaluation__every": 0, "evaluation__final_samples": 0}
    found = estimate(make_config(model=tmp_path / "m", **smallest, **unmeasured))
    assert [*found.phases] == ["rollout", "score", "update", "optimizer"]
    assert found.image_tokens > 0
    assert all(sum(parts.values()) > parts["weights"] for parts in found.phases.values())
    assert found.phases["optimizer"]["gradients"] > 0


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        ({"evaluation__every": 0, "evaluation__final_samples": 40}, "test"),
        ({"evaluation__every": 2, "evaluation__samples": 40, "evaluation__final_samples": 0}, "validation"),
        ({"evaluation__every": 2, "evaluation__samples": 4, "evaluation__final_samples": 40}, "test"),
        ({"evaluation__every": 2, "evaluation__samples": 40, "evaluation__final_samples": 4}, "validation"),
    ],
)
def test_the_largest_evaluation_is_looked_at(
    tiny: VLM, make_config: Callable[..., Config], settings: dict[str, object], split: str
) -> None:
    """Its prompts are those that the run's evaluation makes: of its split, with seed 0 and its own template."""
    config = make_config(seed=5, rollout__batch_size=32, evaluation__prompt="'{question} Short.'", **settings)
    geometry = load_task("geometry")
    lengths = [len(tiny.prompt(geometry.sample(split, 0, n), "{question} Short.")) for n in range(LOOKED_AT)]
    counting = load_task("counting")
    lengths += [len(tiny.prompt(counting.sample(split, 0, n), "{question} Short.")) for n in range(LOOKED_AT)]
    batch = held_out(tiny, config)
    assert len(batch) == 32
    assert max(map(len, batch)) == max(lengths)


def test_a_chat_of_ones_own_is_estimated_as_it_is(make_config: Callable[..., Config], tmp_path: Path) -> None:
    """Its prompt is the row's, not the template's."""
    Image.new("RGB", (56, 56), (1, 2, 3)).save(tmp_path / "image.png")
    row = {"prompt": [{"role": "user", "content": 200 * "How many? "}], "answer": "3", "images": ["image.png"]}
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(json.dumps(row | {"id": str(number)}) + "\n" for number in range(8)))
    settings = {"evaluation__every": 0, "evaluation__final_samples": 0}
    found = estimate(make_config(sources=f"{{own: {{path: {file}}}}}", task="own", **settings))
    assert found.prompt_tokens > 400
    assert found.evaluation_tokens == 0


def test_sft_has_no_reference_and_no_cache(make_config: Callable[..., Config]) -> None:
    settings = {"method": "sft", "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
    found = estimate(make_config(**settings, evaluation__final_samples=0, evaluation__every=0))
    assert [*found.phases] == ["rollout", "update", "optimizer"]
    assert not {"reference", "KV cache"} & {part for parts in found.phases.values() for part in parts}


def test_one_of_several_processes_has_its_share(make_config: Callable[..., Config]) -> None:
    config = make_config(loading__dtype="bfloat16", prompts_per_step=8, tokens_per_microbatch=100_000)
    one, four = (estimate(config, processes=count).phases for count in (1, 4))
    for part in ("float32 masters", "AdamW moments", "reference"):
        assert four["optimizer"][part] == pytest.approx(one["optimizer"][part] / 4, rel=1e-3)
    assert four["optimizer"]["gradients"] == pytest.approx(one["optimizer"]["gradients"] / 4, rel=1e-3)
    assert four["optimizer"]["weights"] == one["optimizer"]["weights"], "it samples from a whole copy"
    assert four["update"]["activations"] == pytest.approx(one["update"]["activations"] / 4, rel=0.1)
    assert "weights brought together" not in four["optimizer"]
    assert 0 < four["update"]["weights brought together"] < one["update"]["weights"]
    with pytest.raises(UserError, match=r"shard=3 times replicate=1 is not 4"):
        estimate(make_config(parallel__shard=3), processes=4)


def test_a_batch_ahead_takes_a_copy_of_the_weights_and_the_rollouts_memory(make_config: Callable[..., Config]) -> None:
    plain, ahead = (estimate(make_config(rollout__ahead=count)).phases for count in (0, 1))
    copied = ahead["optimizer"]["weights to sample from"]
    assert copied == pytest.approx(ahead["optimizer"]["weights"], rel=1e-3)
    assert "weights to sample from" not in plain["optimizer"]
    beside = ahead["update"]["the rollout beside it"]
    assert 0 < beside < sum(ahead["rollout"].values())
    frozen = estimate(make_config(rollout__ahead=1, **FROZEN)).phases["optimizer"]
    assert frozen["weights to sample from"] < frozen["weights"], "what doesn't learn is not copied"


def test_parameters_are_those_of_the_loaded_model(tiny: VLM, make_config: Callable[..., Config]) -> None:
    found = estimate(make_config())
    loaded = sum(parameter.numel() for parameter in tiny.model.parameters())
    assert sum(found.parameters.values()) == found.learning == loaded
    assert found.phases["rollout"]["weights"] >= 4 * found.learning


def test_a_storage_counts_once_and_until_it_is_freed() -> None:
    with dry_run("gpu") as ledger:
        ledger.begin("one")
        kept = torch.empty(10, device="meta")
        view = kept[2:].view(2, 4)
        product = view @ torch.empty(4, 5, device="meta")
        assert ledger.now.total() == 40 + 40
        del product
        assert ledger.now.total() == 40
    assert sum(ledger.peaks["one"].values()) == 40 + 80 + 40


def test_integers_are_computed_and_counted() -> None:
    with dry_run("gpu") as ledger:
        tokens = torch.tensor([3, 0, 3]).to("meta")
        assert (tokens == 3).nonzero()[:, 0].tolist() == [0, 2]
        assert torch.empty(4, 2, device="meta")[tokens].is_meta
        assert ledger.now.total() == tokens.nbytes


def test_what_is_made_of_integers_is_computed() -> None:
    with dry_run("gpu") as ledger:
        marks = torch.tensor([[2, 0], [0, 0]], device="meta").float() / 2
        assert (marks == 0).all(dim=1).tolist() == [False, True]
        assert marks in ledger
        assert (marks @ torch.empty(2, 3, device="meta")).is_meta


def test_every_expert_gets_its_share_of_tokens() -> None:
    with dry_run("gpu"):
        scores = torch.empty(6, 4, device="meta")
        best, chosen = scores.topk(2, dim=-1)
        assert best.is_meta
        assert chosen.flatten().bincount().tolist() == [3, 3, 3, 3]
        assert torch.histc(chosen.int(), bins=4, min=0, max=3).tolist() == [3, 3, 3, 3]
        assert sorted(scores.sort(dim=0, descending=True).indices[:, 1].tolist()) == [*range(6)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_grouped_products_have_their_shapes(dtype: torch.dtype) -> None:
    def gradients(device: str) -> list[torch.Size]:
        tokens = torch.ones(6, 8, dtype=dtype, device=device, requires_grad=True)
        experts = torch.ones(2, 16, 8, dtype=dtype, device=device, requires_grad=True)
        ends = torch.tensor([2, 6], dtype=torch.int32, device=device)
        product = torch.nn.functional.grouped_mm(tokens, experts.transpose(1, 2), offs=ends)
        (product * product).sum().backward()
        assert tokens.grad is not None
        assert experts.grad is not None
        return [product.shape, tokens.grad.shape, experts.grad.shape]

    computed = gradients("cpu")
    with dry_run("gpu"):
        assert gradients("meta") == computed


def test_a_limit_ends_the_count() -> None:
    with pytest.raises(LimitExceededError), dry_run("gpu", limit=100):
        torch.empty(101, dtype=torch.int8, device="meta")


def test_sizes() -> None:
    assert (parse_size("24GB"), parse_size("1.5 gib")) == (24 * 10**9, 3 * 2**29)
    for wrong in ("24", "GB", "24ZB", "-1GB", "nanGB", "infGB"):
        with pytest.raises(UserError, match="--memory: "):
            parse_size(wrong)


def test_the_command_names_settings_that_fit() -> None:
    run = CliRunner().invoke(app, ["estimate", RECIPE, "--memory", "400MB", "--json"])
    found = json.loads(run.stdout)
    assert run.exit_code == 1
    assert not found["fits"]
    change = found["change"]
    assert change["fits"]
    assert change["settings"] == ["gradient_checkpointing=true"]
    again = CliRunner().invoke(app, ["estimate", RECIPE, *change["settings"], "--memory", "400MB", "--json"])
    assert again.exit_code == 0
    assert json.loads(again.stdout)["peak"] == change["peak"]


def test_the_command_says_where_nothing_fits() -> None:
    run = CliRunner().invoke(app, ["estimate", RECIPE, "--memory", "10MB"])
    assert run.exit_code == 1
    assert "would not fit either, with" in run.stdout
    assert "lora.rank=16" in run.stdout


@pytest.mark.skipif(
    not (SHARED / "qwen2_vl").is_dir(), reason=f"the files of Qwen2-VL-2B are not in {SHARED} (MR1_SHARED_DATA)"
)
def test_qwen2_vl_2b_needs_no_weights(make_config: Callable[..., Config]) -> None:
    found = estimate(make_config(model=SHARED / "qwen2_vl", loading__dtype="bfloat16", lora__rank=16))
    assert sum(found.parameters.values()) - found.learning == 2_208_985_600
    assert 4 * 10**9 < found.peak < 24 * 10**9


@pytest.mark.parametrize("rank", [8, "null"], ids=["LoRA", "all weights"])
def test_a_reference_that_moves_is_counted(make_config: Callable[..., Config], rank: object) -> None:
    """A copy of the low-rank weights; a whole one is there in any case, and changed in its place."""
    settings = {"lora__rank": rank, "prompts_per_step": 1, "evaluation__every": 0, "evaluation__final_samples": 0}
    found = estimate(make_config(kl__reset_every=1, **settings), "cpu")
    copied = 4 * found.parameters["LoRA"] if rank == 8 else found.phases["update"]["weights"]
    assert {parts["reference"] for parts in found.phases.values()} == {copied}
