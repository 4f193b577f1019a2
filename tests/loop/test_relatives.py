"""Short runs of GRPO's relatives: they learn, and go on after a stop as if there had been none."""

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
from mr1.estimate.step import estimate
from mr1.folders import Mode
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

Started = Callable[..., Trainer]

SHORT: dict[str, object] = {
    **{"steps": 4, "prompts_per_step": 2, "updates_per_rollout": 2, "samples_every": 4, "kl__weight": 0.05},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "optimizer__learning_rate": 1e-3},
    **{"rollout__group_size": 3, "rollout__max_new_tokens": 4, "rollout__temperature": 4},
    **{
        "tokens_per_microbatch": 150,
        "evaluation__tasks": "[counting]",
        "evaluation__every": 0,
        "evaluation__final_samples": 0,
    },
}
CASES: dict[str, dict[str, object]] = {
    "rloo": {"kl__estimator": "k1"},
    "reinforce": {"loss__entropy": 0.01},
    "reinforce++": {"kl__estimator": "k1", "method": "{name: reinforce++, baseline: false}"},
    "dr-grpo": {"clip__dual": 3},
    "gspo": {"kl__estimator": "k3-ratio"},
    "cispo": {"kl__weight": 0, "clip__high": 0.01},
    "cpgd": {},
    "dapo": {"rollout__group_size": 2},
}


@pytest.fixture
def start(make_config: Callable[..., Config], tmp_path: Path) -> Iterator[Started]:
    """A trainer of a short run whose rewards differ with the few tokens that are written."""
    runs: list[Run] = []
    reward = tmp_path / "of_letters.py"
    reward.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")

    def make(method: str, mode: Mode = "new", **settings: object) -> Trainer:
        own: dict[str, object] = {"method": method, "rewards": f"{{'{reward}:reward': 1}}"}
        runs.append(Run(make_config(**SHORT | own | CASES[method] | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)))

    yield make
    for run in runs:
        run.close()


def train(trainer: Trainer) -> list[dict[str, Any]]:
    """The steps of a run, with a checkpoint after two; what was recorded."""
    with closing(trainer.source):
        trainer.run.open()
        for step in range(trainer.start, 4):
            trainer.train_step(step)
            if step == 1:
                trainer.run.save_checkpoint(2, trainer.policy, trainer.state.state_dict())
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


@pytest.mark.invariant
@pytest.mark.parametrize("method", CASES)
def test_a_relatives_run_that_is_resumed_equals_one_that_was_not(start: Started, method: str) -> None:
    whole = start(method)
    lines = train(whole)
    assert min(lines[0]["grad_norm"], lines[2]["grad_norm"]) > 0
    # A batch's second update has moved away from the policy that sampled it.
    assert lines[0]["clip_fraction"] == lines[2]["clip_fraction"] == 0
    assert max(line["clip_fraction"] for line in lines) > 0
    assert all((line["kl"] is None) is (method == "cispo") for line in lines)
    if method == "dapo":  # of whose groups some earned the same
        assert sum(line["sampling/dull"] for line in lines) > 0
        assert all(line["sampling/missing"] == line["advantage/zero_std_fraction"] == 0 for line in lines)
    if method == "cpgd":
        assert [line["policy_drift"] > 0 for line in lines] == [False, True] * 2

    parts = whole.config.model_copy(update={"name": "parts"})
    shutil.copytree(whole.run.folder, parts.folder)
    resumed = start(method, "resume", name="parts")
    assert resumed.start == 2
    assert train(resumed) == lines
    for mine, theirs in zip(resumed.policy.model.parameters(), whole.policy.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_memory_of_a_relative_is_estimated(start: Started) -> None:
    assert estimate(start("dapo").config, "cpu").peak > 0
