"""Short runs under each way to control the KL: what is logged, and resumed runs that equal those that did not stop."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.folders import Mode
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

Started = Callable[..., Trainer]

SHORT: dict[str, object] = {
    **{"method": "grpo", "steps": 4, "prompts_per_step": 2, "samples_every": 4, "optimizer__learning_rate": 1e-3},
    **{"rollout__group_size": 2, "rollout__max_new_tokens": 2, "optimizer__schedule": "constant"},
    **{"evaluation__tasks": "[counting]", "evaluation__every": 0, "evaluation__final_samples": 0},
}
LONGER: dict[str, object] = {"rollout__max_new_tokens": 48, "rollout__group_size": 4}
"""Enough for some answers to be right."""
CASES: dict[str, dict[str, object]] = {
    "constant": {"weight": 0.1},
    "grpo-d": {"minimum": 0.02, "maximum": 0.1, "exploration": 0.3, "estimator": "k2"},
    "linear": {"weight": 0.1, "final": 0.02, "estimator": "k3-ratio"},
    "cosine": {"weight": 0.1, "final": 0.02, "estimator": "k2"},
    "adaptive": {"weight": 0.1, "minimum": 0.05, "maximum": 0.2, "target": 1e-4, "horizon": 2, "estimator": "k1"},
    "accuracy": {"minimum": 0.02, "maximum": 0.1},
    "difficulty": {"minimum": 0.02, "maximum": 0.1},
}


@pytest.fixture
def start(make_config: Callable[..., Config]) -> Iterator[Started]:
    """A trainer of a short run, by its settings of `kl`."""
    runs: list[Run] = []

    def make(kl: dict[str, object], mode: Mode = "new", **settings: object) -> Trainer:
        none = dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null")
        given = {f"kl__{key}": value for key, value in kl.items()}
        runs.append(Run(make_config(**SHORT | none | given | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)))

    yield make
    for run in runs:
        run.close()


def untimed(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


def train(trainer: Trainer) -> Trainer:
    """The steps of a run, with checkpoints in its middle and at its end."""
    with closing(trainer.source):
        trainer.run.open()
        for step in range(trainer.start, 4):
            trainer.train_step(step)
            if step in (1, 3):
                trainer.run.save_checkpoint(step + 1, trainer.policy, trainer.state())
    return trainer


def rewarding(path: Path) -> dict[str, object]:
    """Two tokens that differ, and rewards that differ with them: something is learned."""
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")
    return {"rewards": f"{{'{path}:reward': 1}}", "rollout__temperature": 4}


def resumed(start: Started, whole: Trainer, kl: dict[str, object], **settings: object) -> Trainer:
    """The same run again from its middle, in a copy of its folder."""
    config = whole.config.model_copy(update={"name": "parts"})
    shutil.copytree(whole.run.folder, config.folder)
    shutil.rmtree(config.folder / "checkpoints" / "step-000004")
    trainer = start(kl, "resume", name="parts", **settings)
    assert trainer.start == 2
    return train(trainer)


def assert_same(one: Trainer, other: Trainer) -> None:
    """Metrics, the trainer's state and the weights, to the bit."""
    assert untimed(one) == untimed(other)
    states = [torch.load(each.run.checkpoints.path(4) / "trainer.pt") for each in (one, other)]
    for key in ("optimizer", "modules"):
        torch.testing.assert_close(states[0].pop(key), states[1].pop(key), rtol=0, atol=0)
    assert states[0] == states[1]
    for mine, theirs in zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.invariant
@pytest.mark.parametrize("controller", CASES)
def test_a_controlled_run_that_is_resumed_equals_one_that_was_not(
    start: Started, tmp_path: Path, controller: str
) -> None:
    kl = {"controller": controller, **CASES[controller]}
    settings = LONGER if controller in ("accuracy", "difficulty") else rewarding(tmp_path / "of_letters.py")
    whole = train(start(kl, **settings))
    lines = untimed(whole)
    weights = [line["kl_weight"] for line in lines]
    assert all(line["kl"] is not None for line in lines)
    assert len({*weights}) == 1 if controller == "constant" else len({*weights}) > 1
    own = {"kl_weight/min", "kl_weight/max"}
    for line in lines:
        assert own <= line.keys() if controller == "difficulty" else not own & line.keys()
        assert 0.02 <= line.get("kl_weight/min", line["kl_weight"]) <= line["kl_weight"] <= 0.2
    assert_same(resumed(start, whole, kl, **settings), whole)
