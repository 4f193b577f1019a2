"""Batches that are sampled beside the update."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mr1.config import Config
from mr1.errors import UserError
from mr1.library.training import run
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.rollouts import Rollouts
from mr1.train.update import update as learn

pytestmark = pytest.mark.loop

Configs = Callable[..., Config]

SHORT: dict[str, object] = {
    "steps": 4,
    "prompts_per_step": 2,
    "rollout__max_new_tokens": 24,
    "evaluation__every": 0,
    "evaluation__final_samples": 0,
    "checkpoint__every": 0,
    "optimizer__learning_rate": 1e-3,
    "samples_every": 1,
}


def train(config: Config, mode: Any = "new") -> Path:
    run(config, mode, Console(quiet=True))
    return config.folder


def completions(folder: Path) -> list[list[str]]:
    files = sorted((folder / "samples").glob("step-*.parquet"))
    return [pq.read_table(file)["completion"].to_pylist() for file in files]


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if not key.startswith(("time/", "rollout/"))} for line in lines]


def test_the_batch_ahead_is_the_policys_of_a_step_before_and_is_corrected(make_config: Configs) -> None:
    with_it = train(make_config(name="ahead", rollout__ahead=1, **SHORT))
    without = train(make_config(name="without", **SHORT))
    ahead, plain = completions(with_it), completions(without)
    # Prompts and random numbers are the same; the policy is another one once a step has moved it.
    assert ahead[0] == plain[0]
    assert ahead != plain
    lines = metrics(with_it)
    assert lines[0]["sampler/logprob_gap"] < 1e-4
    assert max(line["sampler/logprob_gap"] for line in lines) > 1e-3, "it has learned since"
    assert lines[0]["sampler/correction"] == pytest.approx(1, abs=1e-4)
    assert max(abs(line["sampler/correction"] - 1) for line in lines) > 1e-4
    still = train(make_config(name="still", rollout__ahead=1, **SHORT | {"optimizer__learning_rate": 1e-12}))
    unmoved = train(make_config(name="unmoved", **SHORT | {"optimizer__learning_rate": 1e-12}))
    assert completions(still) == completions(unmoved), "a policy that stays as it is writes the same either way"


def test_it_is_sampled_beside_the_update(make_config: Configs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update waits for the rollout, and the rollout for the update: neither could end without the other."""
    config = make_config(rollout__ahead=1, **SHORT | {"steps": 2})
    met = threading.Barrier(2, timeout=60)

    def meeting(*args: Any) -> Any:
        if args[-1] == 0:
            met.wait()
        return learn(*args)

    monkeypatch.setattr("mr1.train.loop.update", meeting)
    sampled = Rollouts._sampled

    def sampling(self: Rollouts, *args: Any) -> Any:
        met.wait()
        return sampled(self, *args)

    monkeypatch.setattr(Rollouts, "_sampled", sampling)
    folder = train(config)
    first = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert 0 <= first["rollout/overlap"] <= 1


def test_a_resumed_run_is_the_one_that_was_not_stopped(make_config: Configs) -> None:
    """At the checkpoints that the recipe asks for: none is sampled ahead of them."""
    short = SHORT | {"checkpoint__every": 2, "checkpoint__keep": 5}
    whole = train(make_config(name="whole", rollout__ahead=1, **short))
    part = make_config(name="part", rollout__ahead=1, **short)
    train(part)
    for step in (3, 4):
        for path in (part.folder / "checkpoints").glob(f"step-{step:06d}"):
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
    train(part, "resume")
    assert metrics(part.folder) == metrics(whole)
    assert completions(part.folder) == completions(whole)


def test_a_signal_loses_the_batch_ahead_and_no_prompt(make_config: Configs, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(rollout__ahead=1, **SHORT)
    trained = Trainer.train_step

    def interrupted(self: Trainer, step: int) -> None:
        trained(self, step)
        if step == 1:
            self.interrupt.number = 15

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    monkeypatch.setattr(Trainer, "train_step", trained)
    folder = train(config, "resume")
    assert [line["step"] for line in metrics(folder)] == [0, 1, 2, 3]
    asked = [pq.read_table(file)["question"].to_pylist() for file in sorted((folder / "samples").glob("step-*"))]
    plain = train(make_config(name="plain", **SHORT))
    assert asked == [pq.read_table(file)["question"].to_pylist() for file in sorted((plain / "samples").glob("step-*"))]


def test_what_cant_be_sampled_ahead_is_refused(make_config: Configs) -> None:
    with pytest.raises(UserError, match="not with several updates on a batch"):
        make_config(rollout__ahead=1, updates_per_rollout=2)
    unused = dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null")
    dapo = {"method": "dapo", "kl__weight": 0.0, **unused}
    with pytest.raises(UserError, match="more than sampling its prompts"):
        train(make_config(rollout__ahead=1, **SHORT, **dapo))
