"""Guards in runs that do go wrong: each holds by what the run itself does, and one may end it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Config
from mr1.report.console import Console
from mr1.train.guards import holding
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

REWARDS = """
from mr1.rewards import REWARDS
from mr1.types import Sample

def letters(completions, **_):
    return [sum(map(ord, text)) % 7 for text in completions]

def other_letters(completions, **_):
    return [sum(map(ord, text)) % 5 for text in completions]

def short(completions, **_):
    return [-len(text) for text in completions]

def unreadable(completions, **_):
    sample = Sample("own/train/0/0", (), "How many?", "7 or 8")
    return [REWARDS["accuracy"]("<answer>7 or 8</answer>", sample) for _ in completions]
"""
GRPO = {"method": "grpo", "kl__weight": 0.01, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
FAST = {"optimizer__learning_rate": 2e-3, "optimizer__schedule": "constant"}
UNMEASURED = {"evaluation__every": 0, "evaluation__final_samples": 0, "evaluation__tasks": "[counting]"}

Went = Callable[..., tuple[list[set[str]], list[str], Run]]


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A file of reward functions."""
    (tmp_path / "own.py").write_text(REWARDS)
    return str(tmp_path / "own.py")


@pytest.fixture
def went(make_config: Callable[..., Config]) -> Went:
    """Train: the guards that held at each step, what was said, and the run."""

    def train(**given: object) -> tuple[list[set[str]], list[str], Run]:
        file = io.StringIO()
        config = make_config(**{**GRPO, **UNMEASURED, "checkpoint__every": 0, "guards__window": 1, **given})
        with Run(config) as run:
            Trainer(config, run, Console(RichConsole(file=file, width=500))).train()
        said = [line for line in file.getvalue().splitlines() if line.startswith("guard ")]
        return [{*holding(line)} for line in run.metrics()], said, run

    return train


def test_what_is_rewarded_wrongly_raises_the_reward_and_costs_accuracy(went: Went) -> None:
    measured = {"evaluation__every": 1, "evaluation__samples": 32}
    wrong = {
        "rewards": "{accuracy: -1, format: 0}",
        "prompts_per_step": 2,
        "rollout__group_size": 8,
        "guards__held_out": 2,
    }
    held, said, _ = went(steps=4, **wrong, **measured, **FAST)
    assert "held_out" not in held[0] | held[1], "before there are three validations"
    assert "held_out" in held[2] | held[3]
    (line,) = [line for line in said if line.startswith("guard held_out")]
    assert "standard errors below its best, and the training reward rises (limit 2)" in line


def test_a_policy_that_is_paid_for_saying_little_collapses(went: Went, own: str) -> None:
    settings = {
        "rewards": f"{{'{own}:short': 1}}",
        "prompts_per_step": 4,
        "guards__entropy": 0.5,
        "rollout__group_size": 8,
    }
    held, said, _ = went(steps=7, **settings, **FAST)
    assert held[0] == {"dominance"}
    assert {"length", "entropy", "kl"} <= set[str]().union(*held)
    assert {"guard length", "guard entropy", "guard kl"} <= {line.split(",")[0] for line in said}


def test_what_a_batch_cannot_be_learned_from_is_said(went: Went, own: str) -> None:
    settings = {"rewards": f"{{'{own}:unreadable': 1}}", "rollout__max_new_tokens": 4, "rollout__top_p": 0.5}
    held, said, run = went(steps=2, **settings)
    assert held == [{"no_spread", "truncated", "undecided", "sampler_gap"}] * 2
    assert [line.split(":")[0] for line in said] == [
        f"guard {name}, step 0" for name in ("no_spread", "truncated", "undecided", "sampler_gap")
    ]
    first = run.metrics()[0]
    assert {key: first[key] for key in first if key.startswith("guard/")} == {
        "guard/no_spread/figure": 1.0,
        "guard/no_spread/limit": 0.8,
        "guard/truncated/figure": 1.0,
        "guard/truncated/limit": 0.2,
        "guard/undecided/figure": 1.0,
        "guard/undecided/limit": 0.02,
        "guard/sampler_gap/figure": first["sampler/logprob_gap"] / 1e-4,
        "guard/sampler_gap/limit": 1.0,
    }


@pytest.mark.invariant
def test_a_guard_ends_a_run_that_then_goes_on_as_if_it_had_not(
    went: Went, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"prompts_per_step": 1, "rollout__max_new_tokens": 6, "rollout__temperature": 4, "steps": 6, **FAST}
    limits = {"guards__kl": 1e-6, "guards__truncated": "null"}
    rewards = f"{{'{own}:letters': 1000, '{own}:other_letters': 1}}"
    held, said, whole = went(name="whole", rewards=rewards, updates_per_rollout=2, **few, **limits)
    assert [line.split(":")[0] for line in said] == [f"guard {name}, step 1" for name in ("dominance", "kl")]
    assert f"{own}:letters makes 9" in said[0]

    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {**GRPO, **UNMEASURED, "checkpoint__every": 0, "guards__window": 1, **few}
    given |= {"rewards": rewards, "updates_per_rollout": 2, **limits, "guards__stop": "[dominance]"}
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in given.items()]
    command = ["train", "recipe.yaml", "name=parts", "output=runs", *overrides]
    stopped = CliRunner().invoke(app, command)
    assert stopped.exit_code == 3
    why, how = stopped.stderr.splitlines()
    assert why.startswith(f"stopped: guard dominance at step 1: {own}:letters makes 9")
    assert how == "saved up to step 2 of 6; go on with: mr1 train runs/parts/config.yaml --resume"
    assert (tmp_path / "runs/parts/report.html").is_file()
    gone_on = CliRunner().invoke(app, ["train", "runs/parts/config.yaml", "--resume"])
    assert gone_on.exit_code == 0, "what still holds has been told"
    assert "guard dominance" not in gone_on.stdout
    parts = Run.__new__(Run)
    parts.folder = tmp_path / "runs/parts"
    untimed = [
        [{key: each for key, each in line.items() if key[:5] != "time/"} for line in run.metrics()]
        for run in (whole, parts)
    ]
    assert untimed[0] == untimed[1]
    assert all({"dominance"} <= each for each in held[1:])
