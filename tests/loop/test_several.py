"""Runs of two processes: the same runs as those of one, and what happens where a process doesn't come."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import mr1
from mr1.models import load_vlm
from mr1.models.saved import own_loading

pytestmark = pytest.mark.loop

Run = tuple[str, dict[str, Any], bool]

SHORT: dict[str, Any] = {
    "steps": 3,
    "prompts_per_step": 3,
    "rollout.group_size": 4,
    "rollout.max_new_tokens": 24,
    "tokens_per_microbatch": 256,  # several micro-batches, unequally many
    "evaluation.every": 0,
    "evaluation.final_samples": 3,
    "checkpoint.every": 2,
}
LOW_RANK: dict[str, Any] = {"lora.rank": 4, "kl.reset_every": 2, "loading.dtype": "bfloat16"}
WORDS = [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a in range(2) for b in range(3)]
"""Rows without images, which take turns with those of counting."""


def _settings(folder: Path, name: str, **settings: Any) -> dict[str, Any]:
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return {**SHORT, **given, "name": name, "output": str(folder)}


def _mixed(folder: Path, name: str, **settings: Any) -> dict[str, Any]:
    rows = folder / "words.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in WORDS))
    mixed = {"task": ["words", "counting"], "sources": {"words": {"path": str(rows)}}, "data.max_unusable": 1.0}
    return _settings(folder, name, **mixed, **settings)


def _start(count: int, runs: Sequence[Run], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Train by each of these settings in `count` processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "runs.json").write_text(json.dumps(runs))
    script = str(Path(__file__).with_name("several_runs.py"))
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(count), "--master-port", str(port)]
    return subprocess.run(
        [sys.executable, *torchrun, script, str(folder / "runs.json")],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _without_end(run: Path, to: Path) -> None:
    """A copy that goes on from the checkpoint before the last."""
    shutil.copytree(run, to)
    shutil.rmtree(to / "checkpoints" / "step-000003")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Runs of one process, and the same runs of two; among the latter one that one process had begun."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    for folder in (one, two):
        runs: list[Run] = [
            ("counting-grpo-d", _mixed(folder, "mixed"), False),
            ("counting-grpo-d", _mixed(folder, "low-rank", **LOW_RANK), False),
            ("methods/ppo", _settings(folder, "critic", prompts_per_step=1), False),
        ]
        if folder is one:
            for recipe, settings, _ in runs:
                mr1.train(recipe, settings, quiet=True)
        else:
            for name in ("mixed", "critic"):
                _without_end(one / name, two / f"{name}-from-one")
            begun = [
                (recipe, settings | {"name": f"{settings['name']}-from-one"}, True) for recipe, settings, _ in runs
            ]
            made = _start(2, [*runs, begun[0], begun[2]], folder)
            assert made.returncode == 0, made.stderr
    return one, two


def _metrics(run: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if not key.startswith(("time/", "waiting/"))} for line in lines]


def _assert_same(run: Path, other: Path) -> None:
    """The same completions to the letter, the same figures but for rounding."""
    rounding = 5e-2 if "low-rank" in run.name else 1e-5  # of bfloat16, of float32
    mine, others = _metrics(run), _metrics(other)
    assert [line["step"] for line in mine] == [line["step"] for line in others] == [0, 1, 2]
    for line, that in zip(mine, others, strict=True):
        assert line.keys() == that.keys()
        for name, value in line.items():
            close = value == that[name] or math.isclose(value, that[name], rel_tol=rounding, abs_tol=rounding / 10)
            assert close, f"step {line['step']}: {name} {value} and {that[name]}"
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == sorted(path.name for path in (other / "samples").iterdir())
    for name in names:
        written = [pq.read_table(folder / "samples" / name)["completion"].to_pylist() for folder in (run, other)]
        assert written[0] == written[1]
    assert (run / "evaluation.json").read_text() == (other / "evaluation.json").read_text()


@pytest.mark.parametrize("name", ["mixed", "low-rank", "critic"])
def test_two_processes_make_the_run_of_one(folders: tuple[Path, Path], name: str) -> None:
    one, two = folders
    _assert_same(one / name, two / name)
    assert {"waiting/0", "waiting/1"} <= json.loads((two / name / "metrics.jsonl").open().readline()).keys()


@pytest.mark.parametrize("name", ["mixed", "critic"])
def test_two_go_on_with_what_one_has_saved(folders: tuple[Path, Path], name: str) -> None:
    one, two = folders
    _assert_same(one / name, two / f"{name}-from-one")


@pytest.mark.parametrize(("recipe", "name"), [("counting-grpo-d", "low-rank"), ("methods/ppo", "critic")])
def test_one_goes_on_with_what_two_have_saved(
    folders: tuple[Path, Path], tmp_path: Path, recipe: str, name: str
) -> None:
    one, two = folders
    _without_end(two / name, tmp_path / name)
    own = _settings(tmp_path, name, prompts_per_step=1)
    if name == "low-rank":
        own = _mixed(tmp_path, name, **LOW_RANK)
    mr1.train(recipe, own, resume=True, quiet=True)
    _assert_same(one / name, tmp_path / name)


def test_a_process_that_hangs_is_named_and_the_step_before_is_saved(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    stuck.touch()
    reward = f"{Path(__file__).with_name('several_runs.py')}:stuck"
    settings = _settings(tmp_path, "run", steps=2, rewards={reward: 1.0}, evaluation__final_samples=0)
    runs: list[Run] = [("counting-grpo-d", settings | {"parallel.timeout": 5.0}, False)]
    ended = _start(2, runs, tmp_path, MR1_STUCK=str(stuck))
    assert ended.returncode != 0
    said = "for process 1, last seen at work of its own (reward, step 0) (parallel.timeout is 5 s); saved as it was"
    assert said in ended.stderr
    stuck.unlink()
    resumed = _start(2, [(runs[0][0], settings, True)], tmp_path, MR1_STUCK=str(stuck))
    assert resumed.returncode == 0, resumed.stderr
    assert [line["step"] for line in _metrics(tmp_path / "run")] == [0, 1]


@pytest.mark.parametrize("name", ["mixed", "low-rank"])
def test_what_two_have_saved_is_the_model_that_one_has_saved(folders: tuple[Path, Path], name: str) -> None:
    checkpoints = [folder / name / "checkpoints" / "step-000003" for folder in folders]
    weights = [dict(load_vlm(str(path), own_loading(str(path))).model.named_parameters()) for path in checkpoints]
    assert weights[0].keys() == weights[1].keys()
    gaps = [float((weights[0][key] - weights[1][key]).detach().abs().max()) for key in weights[0]]
    assert max(gaps) < 1e-5
    assert any(gap > 0 for gap in gaps), "one of them has been compared with itself"
