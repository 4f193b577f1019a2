"""Published systems as methods: each in a short run that is stopped, resumed, and the same to the bit."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.estimate.step import estimate
from mr1.folders import Mode
from mr1.methods.grpo import GRPO
from mr1.report.console import Console
from mr1.rewards.accuracy import take_undecided
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

SHORT: dict[str, object] = {
    **{"steps": 4, "prompts_per_step": 2, "updates_per_rollout": 2, "samples_every": 6},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0},
    **{"rollout__group_size": 3, "rollout__max_new_tokens": 4, "rollout__temperature": 4},
    **{"optimizer__learning_rate": 1e-3, "evaluation__every": 0, "evaluation__final_samples": 0},
}
WHOLE: dict[str, object] = {"rollout__max_new_tokens": 32, "rollout__temperature": 1}
"""So that what is written ends by itself."""
LORA: dict[str, object] = {"lora__rank": 2, "lora__targets": "[q_proj]"}


@pytest.fixture
def by_letters(tmp_path: Path) -> str:
    """A reward that differs with a few letters, and by which about half of what is written is right."""
    path = tmp_path / "of_letters.py"
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 / 6 for text in completions]\n")
    return f"{path}:reward"


def trained(config: Config, mode: Mode = "new") -> tuple[list[dict[str, Any]], Trainer]:
    """Train a run, with a checkpoint behind the first batch of rollouts; its lines, and its trainer."""
    with Run(config, mode) as run:
        trainer = Trainer(config, run, Console(RichConsole(file=io.StringIO(), width=500)))
        run.open()
        take_undecided()  # of tests before this one
        for step in range(trainer.start, config.steps):
            trainer.train_step(step)
            if step == 1:
                run.save_checkpoint(2, trainer.policy, trainer.state.state_dict())
        trainer.source.close()
        return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in run.metrics()], trainer


@pytest.mark.invariant
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("name: wethink", {"rewards__accuracy": 1}),
        ("name: rl-plus, uniform: vocabulary", LORA | {"rollout__max_new_tokens": 60}),
        (
            "name: vl-cogito, difficulty: hard, length: 1, right: LETTERS",
            LORA | {"rewards__repetition": 0.5, "kl__weight": 0.1},
        ),
        ("name: mm-eureka, lowest: 0.4, highest: 0.6, refills: 1, adora: 0.1, right: LETTERS", {}),
        ("name: omni-thinker, rewards: {geometry: {format: 1, LETTERS: 2}}", {"task": "[counting, geometry]"} | LORA),
        (
            "name: srpo, epoch: 1, right: format",
            {"task": "[counting, geometry]", "rollout__group_size": 2, "steps": 6} | WHOLE,
        ),
        ("name: sft", LORA | {"kl__weight": "null", "rewards": "{accuracy: 1, format: 1}"}),
    ],
    ids=lambda each: each.partition(",")[0].removeprefix("name: ") if isinstance(each, str) else "",
)
def test_a_resumed_run_equals_one_that_was_not_stopped(
    make_config: Callable[..., Config], by_letters: str, method: str, settings: dict[str, object]
) -> None:
    own = {"method": f"{{{method.replace('LETTERS', repr(by_letters))}}}", "rewards": f"{{'{by_letters}': 1}}"}
    config = make_config(**SHORT | own | settings)
    whole, one = trained(config)
    assert any(line["grad_norm"] for line in whole)
    if "srpo" in method:
        assert whole[-1]["history/dropped"] > 0
    parts = config.model_copy(update={"name": "parts"})
    shutil.copytree(config.folder, parts.folder)
    resumed, other = trained(parts, "resume")
    assert other.start == 2
    assert resumed == whole
    for mine, theirs in zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    if type(one.method).rollout is not GRPO.rollout:  # an estimate's has nobody to ask for more prompts
        assert estimate(config, "cpu").peak > 0
