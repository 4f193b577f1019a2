"""PPO: what its critic is told and learns, in short runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.algo.gae import gae
from mr1.config import Config
from mr1.folders import Mode
from mr1.methods.ppo import PPO
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.packing import plain_rows
from mr1.train.run import Run
from mr1.train.scoring import predictors, token_logprobs
from mr1.train.update import look, update
from mr1.types import Group

pytestmark = pytest.mark.loop

Started = Callable[..., Trainer]

SHORT: dict[str, object] = {
    **{"steps": 4, "prompts_per_step": 2, "updates_per_rollout": 2, "optimizer__learning_rate": 1e-4},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0.1},
    **{"rollout__group_size": 3, "rollout__max_new_tokens": 4, "rollout__temperature": 4, "kl__estimator": "k1"},
    **{"evaluation__every": 0, "evaluation__final_samples": 0, "samples_every": 4, "tokens_per_microbatch": 150},
}


@pytest.fixture
def start(make_config: Callable[..., Config]) -> Iterator[Started]:
    """A trainer of a short run with settings of PPO's own."""
    runs: list[Run] = []

    def make(own: str = "", mode: Mode = "new", **settings: object) -> Trainer:
        runs.append(Run(make_config(**SHORT | {"method": f"{{name: ppo, {own}}}"} | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)))

    yield make
    for run in runs:
        run.close()


def looked_at(trainer: Trainer, groups: list[Group]) -> PPO:
    """The trainer's method, once it has looked at groups whose rewards differ."""
    method = trainer.method
    assert isinstance(method, PPO)
    torch.manual_seed(1)
    torch.nn.init.normal_(method.modules["value"].weight, std=0.1)  # type: ignore[arg-type]
    for number, group in enumerate(groups):
        group.rewards = torch.arange(float(len(group.completions))) - number
        for completion in group.completions:
            completion.mask[1] = False
            completion.ref_logprobs = -torch.ones(len(completion) - 1)
    look(trainer.policy, groups, method, trainer.stage.config, 0)
    return method


@pytest.mark.parametrize("critic", ["head", "model"])
def test_a_token_earns_its_kl_and_the_last_one_the_reward(
    start: Started, make_groups: Callable[[int], list[Group]], critic: str
) -> None:
    trainer = start(f"critic: {critic}, whiten: false, discount: 0.9, trace: 0.8")
    groups = make_groups(2)
    method = looked_at(trainer, groups)
    assert groups[0].rewards is not None
    groups[0].rewards[2] = torch.nan
    method.assign_advantages(groups)
    for group in groups:
        assert group.rewards is not None
        for completion, reward in zip(group.completions, group.rewards, strict=True):
            rows = plain_rows([Group(group.prompt, [completion])], trainer.policy.adapter)
            with torch.no_grad():
                logprobs, _ = token_logprobs(trainer.policy, rows, 4.0)
                values = method.modules["value"](predictors(trainer.policy, rows))[:, 0]
            torch.testing.assert_close(completion.old_logprobs, logprobs, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(completion.tensors["values"][completion.mask], values, atol=1e-4, rtol=1e-4)
            earned = -0.1 * (logprobs + 1)
            earned[-1] += reward
            advantages, returns = gae(earned, values, 0.9, 0.8)
            if reward.isnan():
                advantages, returns = torch.zeros_like(values), values
            assert completion.advantages is not None
            torch.testing.assert_close(completion.advantages[completion.mask], advantages, atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(completion.tensors["returns"][completion.mask], returns, atol=1e-3, rtol=1e-3)
    assert method.metrics["value/explained"] < 1


@pytest.mark.parametrize("critic", ["head", "model"])
def test_neither_microbatches_nor_the_warm_up_touch_what_they_should_not(
    start: Started, make_groups: Callable[[int], list[Group]], critic: str
) -> None:
    """The same gradients by one micro-batch and by many; in the warm-up the policy stays as it is."""
    trainer = start(f"critic: {critic}, critic_warmup: 1")
    groups = make_groups(2)
    method = looked_at(trainer, groups)
    method.assign_advantages(groups)
    policy, found = trainer.policy, []
    for warming, budget in ((True, 8192), (False, 8192), (False, 1)):
        method.step = 0 if warming else 1
        config = trainer.config.model_copy(update={"tokens_per_microbatch": budget})
        before = {name: each.detach().clone() for name, each in policy.model.named_parameters()}
        learning = [each for module in method.modules.values() for each in module.parameters()]
        critics = [each.detach().clone() for each in learning]
        lines = update(policy, groups, method, trainer.optimizer, config, 0)
        moved = [name for name, each in policy.model.named_parameters() if not torch.equal(each, before[name])]
        assert bool(moved) is not warming
        assert all(not torch.equal(each, was) for each, was in zip(learning[:2], critics, strict=False))
        found.append({name: lines[name] for name in ("loss", "value/loss", "kl", "grad_norm", "grad_norm/value")})
        with torch.no_grad():  # as it was
            for name, each in policy.model.named_parameters():
                each.copy_(before[name])
            for each, was in zip(learning, critics, strict=True):
                each.copy_(was)
    assert found[0]["grad_norm"] == 0
    assert found[2] == pytest.approx(found[1], rel=1e-3)
    assert found[1]["grad_norm"] != 0


@pytest.mark.invariant
@pytest.mark.parametrize("critic", ["head", "model"])
def test_a_resumed_run_equals_one_that_was_not_stopped(start: Started, tmp_path: Path, critic: str) -> None:
    path = tmp_path / "of_letters.py"
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")
    own, rewards = f"critic: {critic}, critic_rate: 0.01, critic_warmup: 1", f"{{'{path}:reward': 1}}"
    runs = [start(own, name="whole", rewards=rewards), start(own, name="parts", rewards=rewards)]
    for trainer in runs:
        with trainer.run:
            trainer.run.open()
            for step in range(4):
                trainer.train_step(step)
                if step == 1 or trainer is runs[0]:
                    trainer.run.save_checkpoint(step + 1, trainer.policy, trainer.state.state_dict())
                if step == 2 and trainer is runs[1]:
                    break
            trainer.source.close()
    resumed = start(own, "resume", name="parts", rewards=rewards)
    assert resumed.start == 2
    resumed.train()
    lines = [_untimed(each) for each in (runs[0], resumed)]
    assert lines[0] == lines[1]
    assert [line["grad_norm"] == 0 for line in lines[0]] == [True, False, False, False]
    assert ("grad_norm/critic" in lines[0][0]) is (critic == "model")
    for name, module in runs[0].method.modules.items():
        for mine, theirs in zip(module.parameters(), resumed.method.modules[name].parameters(), strict=True):
            assert torch.equal(mine, theirs)


def _untimed(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]
