"""Runs under faults: what is skipped, kept, done again and said, and that nothing else is lost."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from conftest import SHORT as CONSTANT
from mr1.cli import app
from mr1.config import Config
from mr1.errors import GuardError, UserError
from mr1.folders import Mode
from mr1.library import training
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.report.reading import Reader
from mr1.tasks import load_task
from mr1.train import batches
from mr1.train.loop import Trainer
from mr1.train.packing import Rows
from mr1.train.run import Run
from mr1.train.scoring import predictors

pytestmark = pytest.mark.loop

SHORT: dict[str, object] = CONSTANT | {"method": "grpo", "rollout__max_new_tokens": 8}
HUGE = "def reward(completions, **_):\n    return [3e38] * (len(completions) - 1) + [0.0]\n"
"""Finite scores whose sum is not: the group's mean is infinite, and what is made of it is NaN."""
MENDED = "def reward(completions, **_):\n    return [float(len(each) % 3) for each in completions]\n"

Started = Callable[..., Trainer]


@pytest.fixture
def start(make_config: Callable[..., Config]) -> Iterator[Started]:
    """A trainer of a short run, whose lines are kept in its console's file."""
    runs: list[Run] = []

    def make(mode: Mode = "new", **settings: object) -> Trainer:
        runs.append(Run(make_config(**SHORT | settings), mode))
        return Trainer(runs[-1].config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)))

    yield make
    for run in runs:
        run.close()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write the file of a reward function, also anew; gives its name in a recipe's `rewards`."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def make(body: str) -> str:
        (tmp_path / "mine.py").write_text(body)
        for name in [name for name in sys.modules if name.startswith("mine_")]:
            del sys.modules[name]  # as in a new process
        return f"{{'{tmp_path}/mine.py:reward': 1.0}}"

    return make


def said(trainer: Trainer) -> list[str]:
    return trainer.console.rich.file.getvalue().splitlines()  # type: ignore[attr-defined]


def untimed(trainer: Trainer) -> list[dict[str, Any]]:
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


def test_steps_that_are_not_finite_are_skipped_kept_and_end_the_run(
    start: Started, write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "KEPT", 2)
    trainer = start(steps=6, rewards=write(HUGE), checkpoint__every=0)
    before = [parameter.detach().clone() for parameter in trainer.policy.model.parameters()]
    with pytest.raises(GuardError, match="not_finite at step 2: 3 steps in a row were skipped") as stopped:
        trainer.train()
    assert stopped.value.__notes__ == [trainer.run.how_to_go_on()]
    assert all(map(torch.equal, before, trainer.policy.model.parameters()))
    assert [line["update/skipped"] for line in trainer.run.metrics()] == [1, 1, 1]
    assert {"loss", "grad_norm"} <= set(trainer.run.metrics()[0]["not_finite"])
    kept = [trainer.run.folder / "not_finite" / f"step-00000{step}.pt" for step in (0, 1)]
    assert sorted(kept[0].parent.iterdir()) == kept
    lines = [line for line in said(trainer) if "is skipped" in line]
    because = "its loss or gradient is not finite"
    assert lines == [
        f"step 0 is skipped: {because}; mr1 replay {kept[0]} looks for where that comes from",
        f"step 1 is skipped: {because}; mr1 replay {kept[1]} looks for where that comes from",
        f"step 2 is skipped: {because}; enough are kept",
    ]
    _replayed(trainer, kept[1])
    trainer.run.close()

    resumed = start("resume", steps=6, rewards=write(MENDED), checkpoint__every=0)
    resumed.train()
    assert [line["update/skipped"] for line in resumed.run.metrics()] == [1, 1, 1, 0, 0, 0]
    rates = [line["learning_rate"] for line in resumed.run.metrics()]
    assert rates == pytest.approx([5e-5 * (1 - step / 6) for step in range(6)])  # the schedule goes by the step
    assert not all(map(torch.equal, before, resumed.policy.model.parameters()))


def test_a_run_whose_reward_hangs_ends_and_goes_on_with_the_fixed_function(
    make_config: Callable[..., Config], write: Callable[[str], str]
) -> None:
    """As if it had never hung: nothing of the step that it hung in is left."""
    console = Console(RichConsole(quiet=True))
    settings = SHORT | {"steps": 3, "checkpoint__every": 1, "rewards": write(MENDED)}
    whole = training.run(make_config(name="whole", **settings), "new", console)
    asked = load_task("counting").sample("train", 0, 4).question  # of the last step
    hangs = f"    while question[0] == {asked!r}:\n        pass\n"
    write(MENDED.replace("**_):\n", f"question, **_):\n{hangs}"))
    config = make_config(reward_functions__timeout=1, **settings)
    with pytest.raises(UserError, match=r"took longer than .*mine.py, line [23] \(row counting/.*, completion 1 of 3"):
        training.run(config, "new", console)
    write(MENDED)
    resumed = training.run(config, "resume", console)
    ends = [Reader(each.folder).lines("metrics.jsonl") for each in (whole, resumed)]
    one, other = ([{key: each for key, each in line.items() if key[:5] != "time/"} for line in end] for end in ends)
    assert one == other
    assert [line["step"] for line in one] == [0, 1, 2]


def _replayed(trainer: Trainer, kept: Path) -> None:
    (sample, *_), folder = [group.prompt.sample.id for group in batches.load_batch(kept).groups], trainer.run.folder
    told = CliRunner().invoke(app, ["replay", str(kept), "--json"])
    found = json.loads(told.stdout)
    # Only skipped steps are between the checkpoint and the batch.
    assert (found["step"], found["apart"]) == (1, 0)
    assert found["model"] == str(folder / "checkpoints" / "step-000003")
    assert found["first"] == f"the batch's advantages of completion 0 of {sample}"
    assert found["loss"] == "NaN"
    assert [(part["sample"] == sample, part["completion"]) for part in found["parts"]] == [
        *((True, number) for number in range(3)),
        *((False, number) for number in range(3)),
    ]
    shown = CliRunner().invoke(app, ["replay", str(kept), "--model", "tiny"]).stdout
    assert f"first that is not finite: {found['first']}" in shown
    assert "weights: tiny" in shown
    for wrong in (folder / "config.yaml", folder / "nothing.pt"):
        with pytest.raises(UserError, match="is no batch that a run has kept"):
            batches.load_batch(wrong)


def test_a_run_out_of_memory_goes_on_as_one_with_smaller_micro_batches(
    start: Started, write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stub stands for a device with room for so many tokens."""
    room = 150

    def limited(vlm: VLM, rows: Rows, *others: Any) -> torch.Tensor:
        if rows.input_ids.numel() > room:
            raise torch.OutOfMemoryError("stub")
        return predictors(vlm, rows, *others)

    for module in ("update", "scoring"):
        monkeypatch.setattr(f"mr1.train.{module}.predictors", limited)
    trainer = start(steps=2, rewards=write(MENDED))
    trainer.train()
    (line,) = [line for line in said(trainer) if "out of memory" in line]
    lowered = [found["tokens_per_microbatch"] for found in trainer.run.metrics()]
    assert lowered[0] == lowered[1] <= room
    assert f"tokens_per_microbatch={lowered[0]}, and this is done again (stub)" in line

    expected = start(name="small", steps=2, rewards=write(MENDED), tokens_per_microbatch=lowered[0])
    expected.train()
    for one, other in zip(untimed(trainer), untimed(expected), strict=True):
        assert one.pop("tokens_per_microbatch") == lowered[0]
        numbers = {key: value for key, value in other.items() if isinstance(value, float)}
        assert one == other | {key: pytest.approx(value, rel=1e-4, abs=1e-6) for key, value in numbers.items()}
    for one, other in zip(trainer.policy.model.parameters(), expected.policy.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
