"""Runs on data of one's own, by the recipes: files, chats with TRL's reward functions, and MATH-V's real problems."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console as RichConsole

from mr1.config import Config, load_config
from mr1.data.example import write_example
from mr1.errors import UserError
from mr1.folders import Mode
from mr1.models.small import build_small
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.tasks import load_task
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

SHORT = ["steps=2", "prompts_per_step=3", "rollout.group_size=4", "rollout.max_new_tokens=32"]


def train(config: Config, mode: Mode = "new") -> tuple[Run, str]:
    """Train by a config: the run, and what it said."""
    said = io.StringIO()
    run = Run(config, mode)
    Trainer(config, run, Console(RichConsole(file=said, width=200))).train()
    return run, said.getvalue()


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """A recipe of the package made short, its example data written; run from a folder outside the repository."""
    write_example(tmp_path / "own-data", rows=24)
    monkeypatch.chdir(tmp_path)

    def load(name: str, *settings: str) -> Config:
        return load_config(name, [*SHORT, f"output={tmp_path / 'runs'}", *settings])

    return load


def spoil(file: Path, *rows: dict[str, Any]) -> None:
    """Add rows to a JSONL file."""
    with file.open("a") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_jsonl_of_ones_own(recipe: Callable[..., Config], tmp_path: Path) -> None:
    file = tmp_path / "own-data/problems.jsonl"
    good = json.loads(file.read_text().splitlines()[0])
    spoil(file, good | {"id": "null", "answer": None}, good | {"id": "gone", "images": ["[gone].png"]})
    spoil(file, good | {"id": "either", "answer": "7 or 8"})
    (tmp_path / "odd.py").write_text("def odd(completions, **_):\n    return [None, float('nan'), 1.0, 1.0]\n")
    config = recipe("own-jsonl", f"sources.own.path={file}", "evaluation.final_samples=64")
    odd = f"{tmp_path}/odd.py:odd"
    run, said = train(config.model_copy(update={"rewards": {**config.rewards, odd: 0.0}}))
    assert "own: 3 of 27 rows can't be used:" in said
    assert "row 25 (id null): its answer is empty; write one or take the row out" in said
    assert "/own-data/[gone].png doesn't exist" in said
    assert "row 27 (id either): its answer '7 or 8' says nothing that can be compared" in said
    assert f"left out: {file}" not in said
    assert said.count("gave NaN or infinity for 3 completions") == 1
    assert [line[f"not_finite/{odd}"] for line in run.metrics()] == [3, 3]
    assert [line["reward/total"] is None for line in run.metrics()] == [False, False]
    unusable = [json.loads(line) for line in (run.folder / "unusable.jsonl").read_text().splitlines()]
    assert [(row["id"], row["split"], row["source"]) for row in unusable] == [
        ("null", "train", "own"),
        ("gone", "train", "own"),
        ("either", "train", "own"),
    ]
    assert [line["step"] for line in run.metrics()] == [0, 1]
    size = load_task("own", run.config.sources).size("test")
    assert run.evaluations()["after"]["own"]["n"] == size
    sample = pq.read_table(run.folder / "samples/step-000000.parquet").to_pylist()[0]
    assert sample["id"].startswith("own/train/scene-00")
    assert load_config(run.folder / "config.yaml") == run.config


@pytest.mark.invariant
def test_a_resumed_run_goes_on_in_the_same_epoch(recipe: Callable[..., Config], tmp_path: Path) -> None:
    settings = [f"sources.own.path={tmp_path / 'own-data/problems.jsonl'}", "sources.own.limit=6", "steps=4"]
    settings += ["sources.own.held_out=0", "evaluation.final_samples=0", "checkpoint.every=2"]
    whole, _ = train(recipe("own-jsonl", *settings, "name=whole"))
    stopped, _ = train(recipe("own-jsonl", *settings, "name=stopped"))
    for checkpoint in sorted((stopped.folder / "checkpoints").glob("step-000004")):
        checkpoint.rename(tmp_path / "taken")
    resumed, _ = train(recipe("own-jsonl", *settings, "name=stopped"), "resume")
    ids = [
        [
            row["id"]
            for row in pq.read_table(run.folder / f"samples/step-{step:06d}.parquet", columns=["id"]).to_pylist()
        ]
        for run in (whole, resumed)
        for step in range(4)
    ]
    assert ids[:4] == ids[4:]
    assert len({*ids[0], *ids[1]}) == 6
    assert all(identity.endswith("@1") for identity in ids[2] + ids[3])
    untimed = [
        [{key: value for key, value in line.items() if not key.startswith("time/")} for line in run.metrics()]
        for run in (whole, resumed)
    ]
    assert untimed[0] == untimed[1]


def test_sft_learns_from_the_rows_own_reasoning(recipe: Callable[..., Config], tmp_path: Path) -> None:
    settings = [f"sources.own.path={tmp_path / 'own-data/problems.jsonl'}", "method=sft", "evaluation.final_samples=0"]
    settings += ["kl.minimum=null", "kl.maximum=null", "kl.exploration=null"]
    run, _ = train(recipe("own-jsonl", *settings))
    rows = pq.read_table(run.folder / "samples/step-000000.parquet").to_pylist()
    assert all(row["completion"].startswith("<think>") for row in rows)
    with pytest.raises(UserError, match=r"demonstrations.reasoning: source own has none; name its column"):
        train(recipe("own-jsonl", *settings, "sources.own.columns.reasoning=null", "name=bare"))


def test_sft_leaves_out_rows_without_reasoning_or_with_a_forged_end(
    recipe: Callable[..., Config], tmp_path: Path
) -> None:
    file = tmp_path / "own-data/problems.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()][:5]
    rows[1]["reasoning"], rows[3]["reasoning"] = None, "Easy.<|im_end|>"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = [f"sources.own.path={file}", "method=sft", "evaluation.final_samples=0", "sources.own.held_out=0"]
    settings += ["kl.minimum=null", "kl.maximum=null", "kl.exploration=null"]
    run, _ = train(recipe("own-jsonl", *settings))
    unusable = [json.loads(line) for line in (run.folder / "unusable.jsonl").read_text().splitlines()]
    assert {row["id"]: row["reason"] for row in unusable} == {
        "scene-0001": "it has no reasoning, which demonstrations.reasoning asks for; write one",
        "scene-0003": "its demonstration holds the special token '<|im_end|>'; remove it",
    }


def test_chats_with_trl_reward_functions(recipe: Callable[..., Config], tmp_path: Path) -> None:
    path = f"sources.chats.path={tmp_path / 'own-data/chats.jsonl'}"
    run, _ = train(recipe("trl-style", path, "evaluation.final_samples=4"))
    line = run.metrics()[0]
    assert 0 <= line["reward/mr1.recipes.trl_rewards:right_number"] <= 1
    assert "reward/mr1.recipes.trl_rewards:short_enough" in line
    assert (run.folder / "report.html").is_file()


def test_math_v_under_a_small_qwen2_vl_with_the_real_processor(
    recipe: Callable[..., Config], tmp_path: Path, shared_data: Path
) -> None:
    build_small("qwen2_vl", tmp_path / "qwen", shared_data / "qwen2_vl")
    (tmp_path / "words.py").write_text(
        "def letters(completions, subject, **_):\n"
        "    return [sum(map(str.isalpha, each)) / 100 for each in completions]\n"
    )
    settings = [f"model={tmp_path / 'qwen'}", "loading.dtype=float32", "loading.max_pixels=50176"]
    settings += [f"sources.mathv.path={shared_data / 'mathv/subset_free_numeric.jsonl'}"]
    settings += ["sources.mathv.splits.train=subset_free_numeric.jsonl", "evaluation.final_samples=2"]
    config = recipe("mathv-grpo-d", *settings, "rollout.max_new_tokens=8")
    config = config.model_copy(update={"rewards": {f"{tmp_path}/words.py:letters": 1.0}})
    run, said = train(config)
    assert "mathv: 232 train, 33 test, 20 validation rows" in said
    assert all(line["grad_norm"] > 0 for line in run.metrics())


def write_bad_rows(folder: Path, good: int = 6) -> Path:
    """Rows that are good, and one of each kind that is seen to be bad when its sample or its prompt is made."""
    file = folder / "own-data/problems.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()][: good + 1]
    (folder / "own-data/damaged.png").write_bytes((folder / "own-data" / rows[good]["images"][0]).read_bytes()[:200])
    Image.new("RGB", (4000, 10)).save(folder / "own-data/sliver.png")
    bad: dict[str, dict[str, Any]] = {
        "damaged": {"images": ["damaged.png"]},
        "sliver": {"images": ["sliver.png"]},
        "token": {"question": "What is <|image_pad|>?"},
        "long": {"question": "word " * 500},
    }
    odd = [rows[good] | {"id": name, **changes} for name, changes in bad.items()]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows[: good // 2], *odd, *rows[good // 2 : good]]))
    return file


@pytest.mark.invariant
def test_bad_rows_are_left_out_of_training_and_evaluation_and_of_a_resumed_run(
    recipe: Callable[..., Config], tmp_path: Path
) -> None:
    file = write_bad_rows(tmp_path)
    settings = [f"sources.own.path={file}", "sources.own.splits={train: problems.jsonl, test: problems.jsonl}"]
    settings += ["steps=4", "checkpoint.every=2", "max_prompt_tokens=300", "sources.own.held_out=0"]
    settings += ["evaluation.tasks=[own]", "evaluation.final_samples=9", "evaluation.every=0"]
    whole, said = train(recipe("own-jsonl", *settings, "name=whole"))
    stopped, _ = train(recipe("own-jsonl", *settings, "name=stopped"))
    (stopped.folder / "checkpoints/step-000004").rename(tmp_path / "taken")
    (stopped.folder / "unusable.jsonl").unlink()
    resumed, _ = train(recipe("own-jsonl", *settings, "name=stopped"), "resume")
    lists = [(run.folder / "unusable.jsonl").read_text().splitlines() for run in (whole, resumed)]
    assert lists[0] == lists[1]
    rows = [json.loads(line) for line in lists[0]]
    assert sorted((row["split"], row["id"]) for row in rows) == sorted(
        (split, name) for split in ("train", "test") for name in ("damaged", "sliver", "token", "long")
    )
    reasons = {row["id"]: row["reason"] for row in rows}
    assert "damaged.png is damaged" in reasons["damaged"]
    assert reasons["sliver"].startswith("the model's processor can't take its images (4000x10)")
    assert reasons["token"] == "its question holds the special token '<|image_pad|>'; remove it"
    assert "max_prompt_tokens is 300" in reasons["long"]
    assert f"left out: {file}, row 4 (id damaged): image" in said
    assert f"8 rows can't be used and were left out: {whole.folder}/unusable.jsonl" in said
    assert whole.evaluations() == resumed.evaluations()
    assert [(stage["own"]["n"], stage["own"]["unusable"]) for stage in whole.evaluations().values()] == [(5, 4)] * 2
    ids = [
        pq.read_table(run.folder / f"samples/step-{step:06d}.parquet", columns=["id"])["id"].to_pylist()
        for run in (whole, resumed)
        for step in range(4)
    ]
    assert ids[:4] == ids[4:]
    assert [len(set(each)) for each in ids] == [3] * 8
    assert len({*ids[0], *ids[1]}) == len({*ids[2], *ids[3]}) == 6
    untimed = [
        [{key: value for key, value in line.items() if not key.startswith("time/")} for line in run.metrics()]
        for run in (whole, resumed)
    ]
    assert untimed[0] == untimed[1]


def test_too_many_bad_rows_end_the_run_with_the_list(recipe: Callable[..., Config], tmp_path: Path) -> None:
    settings = [f"sources.own.path={tmp_path / 'own-data/problems.jsonl'}", "evaluation.final_samples=0"]
    config = recipe("own-jsonl", *settings, "sources.own.held_out=0", "max_prompt_tokens=40")
    with pytest.raises(UserError) as caught:
        train(config)
    first, *named = str(caught.value).splitlines()
    assert first.startswith("data.max_unusable: 6 of 24 rows of own, split train, can't be used, where 0.01 of them")
    assert len(named) == 6
    assert all("its prompt has" in line and "max_prompt_tokens is 40" in line for line in named)
    assert len((config.folder / "unusable.jsonl").read_text().splitlines()) == 6


def test_prompts_of_chats(tiny: VLM, recipe: Callable[..., Config], tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    Image.new("RGB", (56, 56)).save(tmp_path / "a.png")
    parts = [{"type": "text", "text": "Look:"}, {"type": "image"}, {"type": "text", "text": "How many?"}]
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    spoil(file, {"prompt": prompt, "images": ["a.png"], "answer": 1})
    config = recipe(
        "trl-style", f"sources.chats.path={file}", "sources.chats.columns.id=null", "sources.chats.held_out=0"
    )
    text = tiny.prompt(load_task("chats", config.sources).sample("train", 0, 0), "not used: {question}").text
    assert "<|im_start|>system\nBe brief.<|im_end|>" in text
    assert "Look:<|vision_start|><|image_pad|><|vision_end|>How many?" in text
    assert "not used" not in text
