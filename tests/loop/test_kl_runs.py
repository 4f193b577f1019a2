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
    **{"rollout__group_size": 2, "optimizer__schedule": "constant"},
    **{"evaluation__tasks": "[counting]", "evaluation__every": 0, "evaluation__final_samples": 0},
}
LONGER: dict[str, object] = {"rollout__max_new_tokens": 48, "rollout__group_size": 4}
"""Enough for some answers to be right."""
FROZEN: dict[str, object] = {"optimizer__parts__vision": 0, "optimizer__parts__projector": 0}
EVALUATED: dict[str, object] = {"evaluation__every": 1, "evaluation__samples": 1, "loading__dtype": "bfloat16"}
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


def train(trainer: Trainer, middle: int = 2) -> Trainer:
    """The steps of a run, with checkpoints after so many and at its end."""
    with closing(trainer.source):
        trainer.run.open()
        for step in range(trainer.start, 4):
            trainer.train_step(step)
            if step + 1 in (middle, 4):
                trainer.run.save_checkpoint(step + 1, trainer.policy, trainer.state.state_dict())
    return trainer


def rewarding(path: Path) -> dict[str, object]:
    """Few tokens that differ, and rewards that differ with them: something is learned."""
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")
    return {"rewards": f"{{'{path}:reward': 1}}", "rollout__temperature": 4, "rollout__max_new_tokens": 4}


def resumed(
    start: Started, whole: Trainer, kl: dict[str, object], settings: dict[str, object], middle: int = 2
) -> Trainer:
    """The same run again from its middle, in a copy of its folder."""
    config = whole.config.model_copy(update={"name": "parts"})
    shutil.copytree(whole.run.folder, config.folder)
    shutil.rmtree(config.folder / "checkpoints" / "step-000004")
    trainer = start(kl, "resume", name="parts", **settings)
    assert trainer.start == middle
    return train(trainer, middle)


def assert_same(one: Trainer, other: Trainer) -> None:
    """Metrics, the trainer's state and the weights, to the bit."""
    assert untimed(one) == untimed(other)
    states = [torch.load(each.run.checkpoints.path(4) / "trainer.pt") for each in (one, other)]
    for state in states:
        state["generators"] = state["generators"]["torch"]
    for key in ("optimizer", "modules", "reference", "generators"):
        torch.testing.assert_close(*(state.pop(key, {}) for state in states), rtol=0, atol=0)
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
    assert_same(resumed(start, whole, kl, settings), whole)


ResetCase = tuple[dict[str, object], dict[str, object], int]
RESETS: dict[str, ResetCase] = {
    "full": ({"controller": "linear", "weight": 0.1, "final": 0.05, "reset_every": 2}, {}, 3),
    "LoRA": ({"weight": 0.1, "reset_every": 2}, {"lora__rank": 2}, 3),
    "bfloat16, by patience": ({"weight": 0.1, "reset_patience": 2}, EVALUATED | FROZEN, 2),
}
"""Settings of a run that is reset before step 2, and the step from which it is resumed."""


@pytest.mark.invariant
@pytest.mark.parametrize("case", RESETS)
def test_a_run_whose_reference_is_reset_equals_one_that_is_resumed(start: Started, tmp_path: Path, case: str) -> None:
    kl, settings, middle = RESETS[case]
    settings = settings | rewarding(tmp_path / "of_letters.py")
    whole = train(start(kl, **settings), middle)
    lines = untimed(whole)
    assert [line["kl_reset"] for line in lines] == [0, 0, 1, 0]
    # Where the policy is its own reference there is nothing between them; a step later there is.
    assert [line["kl"] > 1e-5 for line in lines] == [False, True, False, True]
    assert isinstance(whole.console.rich.file, io.StringIO)
    reason = "2 evaluations without a better accuracy" if "reset_patience" in kl else "2 steps"
    line = f"step 2: the policy is its own reference from here on, and AdamW new ({reason})"
    said = whole.console.rich.file.getvalue().splitlines()
    assert [each for each in said if "reference" in each] == [line]
    states = [torch.load(whole.run.checkpoints.path(step) / "trainer.pt") for step in (middle, 4)]
    assert ["reference" in state for state in states] == [middle == 3, True]
    assert states[1]["optimizer"]["adamw"]["state"][0]["step"] == 2
    assert_same(resumed(start, whole, kl, settings, middle), whole)


def test_low_rank_weights_are_exchanged_behind_the_back_of_what_was_run_ahead(start: Started, tmp_path: Path) -> None:
    """It waits for its backward pass while the reference runs, whose weights then stand in its own weights' places."""
    settings = {"lora__rank": 2, "kl__reset_every": 1, **rewarding(tmp_path / "of_letters.py")}
    ahead, split = (
        train(start({"weight": 0.1}, name=name, tokens_per_microbatch=budget, **settings))
        for name, budget in (("ahead", 8192), ("split", 1))
    )
    for one, other in zip(untimed(ahead), untimed(split), strict=True):
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-4)
