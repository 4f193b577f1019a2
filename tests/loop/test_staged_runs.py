"""A run of stages is the runs that it is made of, one after the other."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config, divide
from mr1.estimate.step import estimate
from mr1.folders import Mode
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

STAGES = (
    "{words: {settings: {task: counting, kl.weight: 0}}, both: {settings: {method: {name: ppo, critic_rate: 0.01}, "
    "kl.estimator: k1, optimizer.learning_rate: 1e-3, rollout.group_size: 3}}}"
)
SHORT: dict[str, object] = {
    **{"method": "grpo", "steps": 4, "prompts_per_step": 2, "task": "[counting, geometry]", "samples_every": 4},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0.1},
    **{"rollout__group_size": 2, "rollout__max_new_tokens": 4, "rollout__temperature": 4},
    **{"optimizer__learning_rate": 1e-3, "evaluation__every": 0, "evaluation__final_samples": 0},
}


def trained(config: Config, mode: Mode = "new", until: int | None = None) -> tuple[list[dict[str, Any]], Path]:
    """Train a run, or up to a step where it is killed; its lines, and its last checkpoint."""
    with Run(config, mode) as run:
        trainer = Trainer(config, run, Console(RichConsole(file=io.StringIO(), width=500)))
        record = run.record

        def die(step: int, *given: Any) -> None:
            record(step, *given)
            if step == until:
                raise SystemExit("killed")

        run.record = die  # type: ignore[method-assign, assignment]
        if until is None:
            trainer.train()
            assert len(trainer.guards.lines) == trainer.stage.config.steps  # of the last stage alone
        else:
            with pytest.raises(SystemExit):
                trainer.train()
        lines = [{key: each for key, each in line.items() if key[:5] != "time/"} for line in run.metrics()]
        return lines, run.checkpoints.path(run.checkpoints.steps()[-1])


def weights(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint / "trainer.pt")["modules"] | {"file": (checkpoint / "model.safetensors").read_bytes()}


@pytest.fixture
def rewarding(tmp_path: Path) -> str:
    """Rewards that differ with a few letters: something is learned."""
    path = tmp_path / "of_letters.py"
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")
    return f"{{'{path}:reward': 1}}"


@pytest.mark.invariant
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_stages_are_runs_that_begin_where_the_one_before_ended(
    make_config: Callable[..., Config], rewarding: str, dtype: str
) -> None:
    settings = SHORT | {"rewards": rewarding, "stages": STAGES, "loading__dtype": dtype, "checkpoint__every": 1}
    config = make_config(**settings)
    whole, end = trained(config)
    first, second = (stage.config for stage in divide(config))
    lines, middle = trained(first.model_copy(update={"name": "first"}))
    more, last = trained(second.model_copy(update={"name": "second", "model": str(middle)}))
    assert whole == lines + [line | {"step": line["step"] + 2} for line in more]
    assert weights(end)["file"] == weights(last)["file"]
    assert [line["kl"] is None for line in whole] == [True, True, False, False]
    assert whole[2]["kl"] == pytest.approx(0, abs=1e-6)
    assert whole[3]["kl"] > 0
    assert [line["learning_rate"] for line in whole] == [1e-3, 5e-4, 1e-3, 5e-4]
    if dtype == "bfloat16":
        return
    for until in (2, 3):  # killed in a stage's first step, after the checkpoint at its border, and within it
        parts = config.model_copy(update={"name": f"parts-{until}"})
        trained(parts, until=until)
        resumed, ended = trained(parts, "resume")
        assert resumed == whole
        assert weights(ended).keys() == weights(end).keys()
        assert weights(ended)["file"] == weights(end)["file"]
        assert torch.equal(weights(ended)["value"]["weight"], weights(end)["value"]["weight"])


def test_the_estimate_is_of_the_stage_that_needs_the_most(make_config: Callable[..., Config]) -> None:
    config = make_config(**SHORT | {"stages": STAGES.replace("ppo, ", "ppo, critic: model, ")})
    sizes = [estimate(stage.config, "cpu").peak for stage in divide(config)]
    assert estimate(config, "cpu").peak == sizes[1] > 1.5 * sizes[0]
