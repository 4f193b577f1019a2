"""Checkpoints of runs under way: all that training changes is in them, and they are written beside the steps."""

from __future__ import annotations

import io
import random
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event, Lock, current_thread, main_thread
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console as RichConsole
from torch import Tensor

from mr1.config import Config, load_config
from mr1.folders import Mode
from mr1.report.console import Console
from mr1.train.checkpoint import Checkpoints
from mr1.train.interrupt import Stopped, TooLateError
from mr1.train.loop import Trainer
from mr1.train.run import Run
from mr1.types import Group

pytestmark = pytest.mark.loop

OWN = Path(__file__).with_name("own_methods.py")
SAVED = Path(__file__).parents[1] / "saved"
SHORT: dict[str, object] = {
    **{"steps": 4, "prompts_per_step": 2, "method": "grpo", "kl__weight": 0.1},
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"},
    **{"rollout__group_size": 2, "rollout__max_new_tokens": 4, "rollout__temperature": 4},
    **{"optimizer__learning_rate": 1e-3, "evaluation__every": 0, "evaluation__final_samples": 0},
}
Started = Callable[..., Trainer]


@pytest.fixture
def start(make_config: Callable[..., Config], tmp_path: Path) -> Iterator[Started]:
    """A trainer of a short run, whose rewards differ with a few letters."""
    runs: list[Run] = []
    path = tmp_path / "of_letters.py"
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")

    def make(mode: Mode = "new", grace: float | None = None, **settings: object) -> Trainer:
        runs.append(Run(make_config(**SHORT | {"rewards": f"{{'{path}:reward': 1}}"} | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)), grace)

    yield make
    for run in runs:
        run.close()


def untimed(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


OUTSIDE = {
    "run": "where it is recorded",
    "start": "the step that it goes on from",
    "console": "the terminal",
    "saver": "what is being written",
    "interrupt": "of the process",
    "seconds": "of the step before",
    "groups": "a batch that is used up",
    "warned": "lines on the terminal",
    "cache": "prompts that can be made again",
    "engine": "made of the policy",
    "step": "that is under way",
    "held_out": "made of the engine and the run",
    "optimizer._names": "by where the parameters lie in memory",
    "policies.start": "the step that it goes on from",
    "source._ahead": "the next batch, which is made again",
    "source._thread": "makes it",
    "source._times_drawn": "of the batch before",
    "source._last": "of the batch before",
    "method.metrics": "of the batch before",
    "guards": "from the lines of metrics.jsonl",
}
"""What a trainer has and no checkpoint needs."""
ELSEWHERE = ("name_or_path", "config.dtype", "peft_config[", "lm_head].product")
"""In what a model or its processor says of where it was loaded from, and what is made of weights."""


def leaves(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """All plain values that can be reached, each by the way to it."""
    if path.removeprefix(".") in OUTSIDE or isinstance(value, type | type(Lock()) | type(io)):
        return
    if isinstance(value, int | float | str | bytes | None | torch.dtype | torch.device):
        yield path, value
        return
    if not isinstance(value, tuple):
        if id(value) in seen:
            return
        seen.add(id(value))
    if isinstance(value, Tensor | np.ndarray):
        yield path, torch.as_tensor(value).detach().clone()
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from leaves(each, f"{path}[{key if isinstance(key, str | int) else type(key).__name__}]", seen)
    elif isinstance(value, list | tuple | deque | set | frozenset):
        for number, each in enumerate(sorted(value, key=str) if isinstance(value, set | frozenset) else value):
            yield from leaves(each, f"{path}[{number}]", seen)
    for name, each in getattr(value, "__dict__", {}).items():
        yield from leaves(each, f"{path}.{name}", seen)


def lost(before: Any, after: Any) -> set[str]:
    """The ways to what is in one and not, or not alike, in the other."""
    one, other = (dict(leaves(each, "", set())) for each in (before, after))

    def same(key: str) -> bool:
        if not isinstance(one[key], Tensor):
            return type(one[key]) is type(other[key]) and bool(one[key] == other[key])
        return isinstance(other[key], Tensor) and torch.equal(one[key], other[key])

    return {key for key in one | other if key not in one or key not in other or not same(key)}


LORA: dict[str, object] = {"lora__rank": 2, "lora__targets": "[q_proj]"}
ADAPTIVE = {"controller": "adaptive", "minimum": 0.05, "maximum": 0.2, "target": 1e-4, "horizon": 2, "reset_every": 2}


@pytest.mark.parametrize(
    "settings",
    [
        {"method": f"{{name: '{OWN}:Critic', rate: 0.01}}", **{f"kl__{key}": each for key, each in ADAPTIVE.items()}},
        {"method": "{name: srpo, epoch: 1, right: format}", **LORA, "loading__dtype": "bfloat16"},
    ],
    ids=["a critic, adaptive KL, resets", "history, LoRA, bfloat16"],
)
def test_all_that_training_changes_is_in_a_checkpoint(start: Started, settings: dict[str, object]) -> None:
    """Whatever can be reached from a trainer is the same in one that has been made from its checkpoint."""
    settings = settings | {"steps": 6}
    trainer = start(**settings)
    with trainer.run, trainer.saver:
        trainer.run.open()
        for step in range(3):
            trainer.train_step(step)
        trainer.save(3)
    trainer.source.close()
    resumed = start("resume", **settings)
    resumed.source.close()
    differ = lost(trainer, resumed)
    assert {key for key in differ if not any(name in key for name in ELSEWHERE)} == set()
    trainer.method.seen = 3  # type: ignore[attr-defined]
    trainer.source.curriculum.order_of_mine = [torch.ones(2)]  # type: ignore[attr-defined]
    assert lost(trainer, resumed) >= {".method.seen", ".source.curriculum.order_of_mine[0]"}


def test_a_checkpoint_written_beside_the_steps_is_what_it_was_when_it_was_asked_for(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, save, record = Event(), Checkpoints.save, Run.record

    def slow(self: Checkpoints, step: int, *given: Any) -> Path:
        if current_thread() is not main_thread():
            assert moved.wait(60), "a step was made meanwhile"
        return save(self, step, *given)

    def tell(self: Run, step: int, *given: Any) -> None:
        record(self, step, *given)
        if step == 1:
            moved.set()

    monkeypatch.setattr(Checkpoints, "save", slow)
    monkeypatch.setattr(Run, "record", tell)
    settings = {"steps": 2, "checkpoint__every": 1, "method": f"{{name: '{OWN}:Critic', rate: 0.01}}"}
    beside = start(name="beside", **settings)
    beside.train()
    monkeypatch.setattr("mr1.train.saving.spare_memory", lambda: 0)
    waiting = start(name="waiting", **settings)
    waiting.train()
    for step in (1, 2):
        one, other = (trainer.run.checkpoints.path(step) for trainer in (beside, waiting))
        assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
        assert lost(*(torch.load(path / "trainer.pt") for path in (one, other))) == set()
        assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    for trainer in (beside, waiting):
        assert [line["time/checkpoint"] > 0 for line in trainer.run.metrics()] == [False, True]
    assert isinstance(waiting.console.rich.file, io.StringIO)
    (line,) = [each for each in waiting.console.rich.file.getvalue().splitlines() if "a copy" in each]
    assert line.startswith("training waits while checkpoints are written: a copy takes 34.")


def test_a_second_signal_waits_for_nothing(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    end, save, record = Event(), Checkpoints.save, Run.record

    def hang(self: Checkpoints, *given: Any) -> Path:
        end.wait(60)
        return save(self, *given)

    def press(self: Run, step: int, *given: Any) -> None:
        record(self, step, *given)
        for _ in range(2 * step):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Checkpoints, "save", hang)
    monkeypatch.setattr(Run, "record", press)
    trainer = start(steps=3, checkpoint__every=1)
    with pytest.raises(Stopped, match="SIGINT") as stopped:
        trainer.train()
    assert stopped.value.at_once
    assert stopped.value.__notes__ == ["no checkpoint was saved yet; the same command with --resume begins again"]
    end.set()
    trainer.saver.wait()


@pytest.mark.invariant
def test_a_step_that_is_cut_off_at_the_deadline_is_made_again(start: Started, tmp_path: Path) -> None:
    path = tmp_path / "noisy.py"
    path.write_text(
        "import random\n\ndef reward(completions, **_):\n    return [random.random() for _ in completions]\n"
    )
    settings: dict[str, object] = {"rewards": f"{{'{path}:reward': 1}}", "checkpoint__every": 0, "steps": 3}
    random.seed(0)
    whole = start(name="whole", **settings)
    whole.train()
    random.seed(0)
    parts = start(name="parts", grace=0.01, **settings)
    score = parts.method.score

    def take_long(groups: list[Group]) -> None:
        score(groups)
        if len(parts.run.metrics()) == 2:
            signal.raise_signal(signal.SIGUSR1)
            time.sleep(60)

    parts.method.score = take_long  # type: ignore[method-assign, assignment]
    with pytest.raises(TooLateError, match="SIGUSR1") as stopped:
        parts.train()
    assert stopped.value.__notes__[0].startswith("saved up to step 2 of 3; go on with: ")
    resumed = start("resume", name="parts", **settings)
    resumed.train()
    assert untimed(resumed) == untimed(whole)
    for mine, other in zip(resumed.policy.model.parameters(), whole.policy.model.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_batch_that_is_half_used_at_the_deadline_is_not_saved(start: Started) -> None:
    trainer = start(grace=0.0, steps=2, updates_per_rollout=2)

    def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(60)

    with trainer.run, trainer.interrupt:
        trainer.run.open()
        with pytest.raises(TooLateError), trainer.saved_in_time(1):
            work()
    assert trainer.run.checkpoints.steps() == []


@pytest.mark.parametrize("version", [path.name for path in sorted(SAVED.iterdir())])
def test_checkpoints_of_all_versions_are_gone_on_with(tmp_path: Path, version: str) -> None:
    """What the MR1 of a version left behind in the middle of a run; the last of its metrics are of the step after."""
    shutil.copytree(SAVED / version, tmp_path / version)
    (tmp_path / version / "samples").mkdir()
    config = load_config(tmp_path / version / "config.yaml", [f"output={tmp_path}", f"name={version}"])
    with Run(config, "resume") as run:
        (*_, then) = run.metrics()
        trainer = Trainer(config, run, Console(RichConsole(file=io.StringIO())))
        assert trainer.start == 2
        trainer.train()
    (*_, now) = run.metrics()
    assert then["step"] == now["step"] == 2
    for key in ("loss", "entropy", "kl", "kl_weight", "learning_rate", "sampler/logprob_gap"):
        assert now[key] == pytest.approx(then[key], rel=0.01, abs=1e-5)
