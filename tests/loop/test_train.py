"""Whole runs on the tiny VLM: what they leave behind, and how they go on."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console as RichConsole

from mr1.algo.kl import dynamic_kl_weight
from mr1.config import Config, load_config
from mr1.errors import UserError
from mr1.folders import Mode
from mr1.models import load_vlm
from mr1.report.console import Console
from mr1.report.reading import Reader
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

METRICS = {
    "step",
    "loss",
    "reward/total",
    "reward/accuracy",
    "reward/format",
    "advantage/zero_std_fraction",
    "kl",
    "kl_weight",
    "entropy",
    "grad_norm",
    "learning_rate",
    "completion/length_mean",
    "completion/truncated_fraction",
    "time/rollout",
    "time/reward",
    "time/score",
    "time/update",
    "time/checkpoint",
    "tokens",
}

Trained = Callable[..., Run]


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str]) -> Trained:
    """Train by a config and give back the run."""

    def go(config: Config, mode: Mode = "new") -> Run:
        with Run(config, mode) as run, capsys.disabled():
            Trainer(config, run, Console(RichConsole(quiet=True))).train()
        return run

    return go


def untimed(run: Run) -> list[dict[str, Any]]:
    """The metrics without the times, the one part of them that may differ between equal runs."""
    return [{key: value for key, value in line.items() if not key.startswith("time/")} for line in run.metrics()]


def test_a_run_leaves_everything_behind(train: Trained, make_config: Callable[..., Config]) -> None:
    config = make_config()
    run = train(config)

    lines = run.metrics()
    assert [line["step"] for line in lines] == [0, 1, 2]
    for line in lines:
        assert line.keys() >= METRICS
        assert line["kl_weight"] == dynamic_kl_weight(line["step"], 3, 0.02, 0.1, 0.3)
        assert line["kl"] >= 0
        shares = {key: line.pop(key) for key in ("spread/accuracy", "spread/format")}
        assert shares == dict.fromkeys(shares) or sum(shares.values()) == pytest.approx(1.0)  # null: no group has both
        assert all(math.isfinite(value) for value in line.values())
        assert line["reward/total"] == pytest.approx(line["reward/accuracy"] + line["reward/format"])
        assert line["sampler/logprob_gap"] < 1e-5
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-6)  # the policy begins as its own reference
    assert lines[1]["kl"] > 0
    assert ["eval/counting/accuracy" in line for line in lines] == [True, False, True]
    assert "eval/geometry/accuracy" in lines[0]

    stages = json.loads((run.folder / "evaluation.json").read_text())
    assert stages.keys() == {"before", "after"}
    for stage in stages.values():
        for result in stage.values():
            assert result.keys() >= {"accuracy", "low", "high", "n", "format_rate", "missing", "by_subject"}
            assert result["low"] <= result["accuracy"] <= result["high"]
            assert result["n"] == 4

    rows = pq.read_table(run.folder / "samples" / "step-000002.parquet").to_pylist()
    assert len(rows) == 3 * 4
    for row in rows:
        assert row["images"][0]["bytes"].startswith(b"\x89PNG")
        assert row["reward/total"] == row["reward/accuracy"] + row["reward/format"]
        assert {"question", "answer", "completion", "advantage"} <= row.keys()
    assert (run.folder / "samples" / "after.parquet").is_file()
    assert "<svg" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert load_config(run.folder / "config.yaml") == config


def test_the_checkpoint_is_the_trained_model(train: Trained, make_config: Callable[..., Config]) -> None:
    run = train(make_config(evaluation__final_samples=0, evaluation__every=0))
    saved = load_vlm(str(run.folder / "checkpoints" / "step-000003"))
    start = load_vlm("tiny")
    pairs = list(zip(saved.model.parameters(), start.model.parameters(), strict=True))
    assert not all(torch.equal(one, other) for one, other in pairs)
    assert max(float((one - other).detach().abs().max()) for one, other in pairs) < 1e-3


@pytest.mark.invariant
@pytest.mark.parametrize("updates", [1, 2])
def test_stopped_and_resumed_equals_not_stopped(
    train: Trained,
    make_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    updates: int,
) -> None:
    settings: dict[str, object] = {"steps": 6, "checkpoint__every": 4, "updates_per_rollout": updates}
    whole = train(make_config(name="whole", **settings))
    # In a batch's second update the policy has moved, the sampler has not.
    assert all(line["sampler/logprob_gap"] < 1e-5 for line in whole.metrics())

    record = Run.record

    def die(self: Run, step: int, *arguments: Any) -> None:
        record(self, step, *arguments)
        if step == 4:
            raise SystemExit("killed")

    parts = make_config(name="parts", **settings)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", die)
        with pytest.raises(SystemExit):
            train(parts)
    assert len(Reader(parts.folder).lines("metrics.jsonl")) == 5
    with (parts.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # torn
    checkpoints = parts.folder / "checkpoints"
    shutil.copytree(checkpoints / "step-000004", checkpoints / "step-000005")
    (checkpoints / "step-000005" / "trainer.pt").write_bytes(b"torn")
    resumed = train(parts, "resume")

    assert untimed(resumed) == untimed(whole)
    assert resumed.evaluations() == whole.evaluations()
    finals = [torch.load(run.folder / "checkpoints/step-000006/trainer.pt") for run in (whole, resumed)]
    moments = [[entry["exp_avg"] for entry in state["optimizer"]["adamw"]["state"].values()] for state in finals]
    assert all(torch.equal(one, other) for one, other in zip(*moments, strict=True))


@pytest.mark.invariant
def test_the_same_seed_twice_is_the_same_run(train: Trained, make_config: Callable[..., Config]) -> None:
    one, two = train(make_config(name="one")), train(make_config(name="two"))
    assert untimed(one) == untimed(two)
    assert untimed(train(make_config(name="three", seed=1))) != untimed(one)


@pytest.mark.invariant
def test_microbatches_never_change_the_result(train: Trained, make_config: Callable[..., Config]) -> None:
    settings: dict[str, object] = {"prompts_per_step": 4, "evaluation__final_samples": 0, "evaluation__every": 0}
    whole = train(make_config(name="whole", tokens_per_microbatch=100_000, **settings))
    split = train(make_config(name="split", tokens_per_microbatch=1, **settings))
    for one, other in zip(untimed(whole), untimed(split), strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert other[key] == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-5)), key


def test_the_reference_is_skipped_where_the_weight_is_zero(
    train: Trained, make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mr1.train.update import score_reference

    scored: list[int] = []

    def score(*arguments: Any) -> None:
        scored.append(1)
        score_reference(*arguments)

    monkeypatch.setattr("mr1.train.loop.score_reference", score)
    # beta: 0.05 at step 0, 0 at step 1, then rising.
    config = make_config(steps=4, kl__minimum=0.0, kl__maximum=0.1, kl__exploration=0.25, evaluation__final_samples=0)
    lines = train(config).metrics()
    assert [line["kl_weight"] for line in lines] == pytest.approx([0.05, 0.0, 0.1 / 3, 0.2 / 3])
    assert [line["kl"] is None for line in lines] == [False, True, False, False]
    assert len(scored) == 3

    grpo = make_config(
        name="grpo", method="grpo", kl__weight=0, kl__minimum="null", kl__maximum="null", kl__exploration="null"
    )
    trainer = Trainer(grpo, Run(grpo), Console(RichConsole(quiet=True)))
    assert trainer.reference is None


def test_one_pass_of_the_vision_tower_for_each_use_of_an_image(make_config: Callable[..., Config]) -> None:
    config = make_config(steps=1, evaluation__final_samples=0, evaluation__every=0)
    trainer = Trainer(config, Run(config), Console(RichConsole(quiet=True)))
    assert trainer.reference is not None
    grids: dict[str, list[int]] = {"policy": [], "reference": []}
    with trainer.reference() as reference:
        models = {"policy": trainer.policy, "reference": reference}
    for name, vlm in models.items():
        vlm.adapter.vision_tower().register_forward_hook(
            lambda _m, _a, kwargs, _o, name=name: grids[name].append(len(kwargs["grid_thw"])), with_kwargs=True
        )
    trainer.train()
    # Three groups: each image once for the rollout and the update, a single micro-batch, and once in the reference.
    assert sum(grids["policy"]) == 3
    assert sum(grids["reference"]) == 3


@pytest.mark.parametrize("reasoning", [True, False])
def test_sft_learns_what_the_teacher_shows(train: Trained, make_config: Callable[..., Config], reasoning: bool) -> None:
    config = make_config(
        name="sft",
        method="sft",
        steps=8,
        updates_per_rollout=8,  # on the same samples, so that their losses compare
        kl__minimum="null",
        kl__maximum="null",
        kl__exploration="null",
        demonstrations__reasoning=reasoning,
        optimizer__learning_rate=1e-3,
        evaluation__final_samples=0,
        evaluation__every=0,
    )
    run = train(config)
    lines = run.metrics()
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[0]["kl"] is None
    assert lines[0]["reward/total"] is None
    completion = pq.read_table(run.folder / "samples" / "step-000000.parquet")["completion"][0].as_py()
    assert completion.startswith("<think>" if reasoning else "<answer>")


SHORT: dict[str, object] = {
    "prompts_per_step": 1,
    "rollout__group_size": 2,
    "rollout__max_new_tokens": 4,
    "evaluation__final_samples": 0,
    "evaluation__every": 0,
}
"""A run of a second."""
GRPO = {"method": "grpo", "kl__weight": 0.01, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}


def test_a_failure_leaves_the_last_checkpoint_and_says_how_to_go_on(
    train: Trained, make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(steps=25, **SHORT)
    record = Run.record

    def fail(self: Run, step: int, *arguments: Any) -> None:
        if step == 10:
            raise FloatingPointError("not finite")
        record(self, step, *arguments)

    monkeypatch.setattr(Run, "record", fail)
    with pytest.raises(FloatingPointError) as caught:
        train(config)
    command = f"mr1 train {config.folder}/config.yaml --resume"
    assert caught.value.__notes__ == [f"saved up to step 9 of 25; go on with: {command}"]
    # About ten in a run, of which the last two stay.
    assert sorted(path.name for path in (config.folder / "checkpoints").iterdir()) == ["step-000006", "step-000009"]


def test_a_finished_run_survives_whatever_is_started_in_its_place(
    train: Trained, make_config: Callable[..., Config]
) -> None:
    config = make_config(steps=1, **SHORT)
    run = train(config)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name[0] != "."}
    with pytest.raises(UserError, match="exists"):
        train(config)
    with pytest.raises(UserError, match="there is no folder"):
        train(make_config(steps=1, model="./nowhere", **SHORT), "overwrite")
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UserError, match="there is no folder"):
        train(make_config(name="new", model="./nowhere", **SHORT))
    assert [path.name for path in run.folder.parent.iterdir()] == ["run"]


def test_a_resume_may_change_what_does_not_make_it_another_run(
    train: Trained, make_config: Callable[..., Config]
) -> None:
    first = make_config(steps=2, checkpoint__every=1, **SHORT, **GRPO)
    train(first)
    edited = first.folder / "config.yaml"
    edited.write_text(edited.read_text().replace("steps: 2", "steps: 1"))
    with pytest.raises(UserError, match=r"steps was 2, now it is 1; it may grow, not shrink \(2 are done\)"):
        train(load_config(edited), "resume")
    given = {"steps": 4, "optimizer__learning_rate": 1e-7, "optimizer__schedule": "linear", "samples_every": 2}
    run = train(make_config(checkpoint__every=1, **SHORT, **GRPO, **given), "resume")
    lines = run.metrics()
    assert [line["step"] for line in lines] == [0, 1, 2, 3]
    assert [line["learning_rate"] for line in lines] == pytest.approx([5e-5, 2.5e-5, 0.5e-7, 0.25e-7])
    assert load_config(edited).steps == 4
    (changed,) = [json.loads(line) for line in (run.folder / "changes.jsonl").read_text().splitlines()]
    assert changed == {
        "step": 2,
        "changes": {"steps": [2, 4], "optimizer.learning_rate": [5e-5, 1e-7], "samples_every": [1, 2]},
    }
