"""Runs of a few short steps: what each part of the loop is asked for, what it writes, and what it says."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, evaluate
from mr1.folders import Mode
from mr1.models.loading import load_vlm
from mr1.report.console import Console
from mr1.tables import numbered
from mr1.train.evaluations import protocol
from mr1.train.interrupt import SIGNALS, Stopped
from mr1.train.loop import Trainer
from mr1.train.run import Run
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop

SHORT: dict[str, object] = {
    "prompts_per_step": 1,
    "rollout__group_size": 2,
    "rollout__max_new_tokens": 2,
    "evaluation__tasks": "[counting]",
    "evaluation__every": 0,
    "evaluation__samples": 2,
    "evaluation__final_samples": 0,
}
GRPO = {"method": "grpo", "kl__weight": 0.01, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
TIMES = {"time/rollout", "time/reward", "time/score", "time/update"}

Started = Callable[..., Trainer]


@pytest.fixture
def start(make_config: Callable[..., Config]) -> Iterator[Started]:
    """A trainer of a short run, whose lines are kept in its console's file."""
    runs: list[Run] = []

    def make(mode: Mode = "new", **settings: object) -> Trainer:
        config = make_config(**SHORT | settings)
        runs.append(Run(config, mode))
        return Trainer(config, runs[-1], Console(RichConsole(file=io.StringIO(), width=500)))

    yield make
    for run in runs:
        run.close()


def said(trainer: Trainer) -> list[str]:
    """The lines that a run has written on the terminal."""
    file = trainer.console.rich.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def untimed(trainer: Trainer) -> list[dict[str, Any]]:
    """The metrics without the times."""
    return [{key: each for key, each in line.items() if key[:5] != "time/"} for line in trainer.run.metrics()]


def test_a_run_says_and_records_all(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr("mr1.train.loop.keep_freed_memory", lambda: kept.append("kept"))
    settings = {"evaluation__every": 2, "evaluation__final_samples": 2, "samples_every": 2, "optimizer__warmup": 0.5}
    trainer = start(steps=2, **settings)
    assert kept == (["kept"] if not torch.cuda.is_available() else [])
    trainer.train()
    run = trainer.run
    model, disk, before, step, after, *table, report = said(trainer)
    assert model == "qwen2_vl: 2.86 of 2.86 M parameters learn; packed rows"
    assert re.fullmatch(r"disk: checkpoints up to 103 MB \(34\.4 MB each\), samples up to [\d.]+ kB; .* are free", disk)
    assert (before, after) == ("evaluating before training ...", "evaluating after training ...")
    assert re.fullmatch(r"step 0  reward -?\d\.\d\d  counting \d+%  KL weight 0\.0600", step)
    assert any("counting" in line for line in table)
    assert report == f"report: {run.folder / 'report.html'}"
    assert (run.folder / "report.html").is_file()

    first, second = run.metrics()
    assert [line["step"] for line in (first, second)] == [0, 1]
    assert [line["kl_weight"] for line in (first, second)] == pytest.approx([0.06, 0.3 / 7])
    assert [line["learning_rate"] for line in (first, second)] == pytest.approx([2.5e-5, 5e-5])
    assert first.keys() - second.keys() == {"eval/counting/accuracy", "time/evaluation"}
    assert second.keys() - first.keys() == set()
    assert {key for key in second if key.startswith("time/")} == TIMES | {"time/checkpoint"}
    assert all(second[key] == round(second[key], 4) > 0 for key in TIMES)
    assert first["time/checkpoint"] == 0 < second["time/checkpoint"]
    assert second.keys() >= {"loss", "kl", "entropy", "grad_norm", "sampler/logprob_gap", "tokens", "clip_fraction"}
    assert second.keys() >= {"reward/total", "reward/accuracy", "reward/format", "completion/length_mean"}
    assert first["judge/undecided"] == 0

    assert {path.name for path in (run.folder / "samples").iterdir()} == {
        "step-000000.parquet",
        "before.parquet",
        "after.parquet",
    }
    for stage in ("before", "after"):
        table = pq.read_table(run.folder / "samples" / f"{stage}.parquet")
        assert {(row["task"], row["split"]) for row in table.to_pylist()} == {("counting", "test")}
        figures = run.evaluations()[stage]
        assert {task: each["n"] for task, each in figures.items()} == {"counting": 2}
    assert run.checkpoints.steps() == [1, 2]
    assert not (run.folder / "unusable.jsonl").exists()


def test_nothing_is_evaluated_where_nothing_is_asked_for(start: Started) -> None:
    trainer = start(steps=1, checkpoint__every=0)
    (trainer.run.folder / "notes").write_text("mine")
    trainer.train()
    assert said(trainer)[0] == f"{trainer.run.folder} keeps what MR1 did not write: notes"
    assert [line.partition(" ")[0] for line in said(trainer)[1:]] == ["qwen2_vl:", "disk:", "step", "report:"]
    assert trainer.run.evaluations() == {}
    assert [path.name for path in (trainer.run.folder / "samples").iterdir()] == ["step-000000.parquet"]
    (line,) = trainer.run.metrics()
    assert {key for key in line if key.startswith(("time/", "eval/"))} == TIMES | {"time/checkpoint"}


def test_a_batch_is_drawn_and_recorded_once_for_all_its_updates(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start(steps=6, updates_per_rollout=2, samples_every=4, checkpoint__every=4, image_cache=3)
    drawn: list[tuple[str, object]] = []
    batch, rollout, prepare = trainer.source.batch, trainer.method.rollout, trainer.engine.prepare

    def draw(last: bool = False) -> list[Prompt]:
        drawn.append(("batch", last))
        return batch(last)

    def ahead(prompts: Any) -> Any:
        drawn.append(("ahead", len(prompts)))
        return prepare(prompts)

    def roll(engine: Any, prompts: Any, step: int, more: Any) -> Any:
        drawn.append(("rollout", step))
        return rollout(engine, prompts, step, more)

    monkeypatch.setattr(trainer.source, "batch", draw)
    monkeypatch.setattr(trainer.method, "rollout", roll)
    monkeypatch.setattr(trainer.engine, "prepare", ahead)
    monkeypatch.setattr(trainer.engine, "sync", lambda policy: drawn.append(("sync", policy is trainer.policy)))
    trainer.train()
    prompts = trainer.config.prompts_per_step
    assert drawn == [
        *(("batch", False), ("ahead", prompts), ("rollout", 0), ("sync", True), ("sync", True)),
        *(("batch", False), ("ahead", prompts), ("rollout", 2), ("sync", True), ("sync", True)),
        *(("batch", True), ("ahead", prompts), ("rollout", 4), ("sync", True), ("sync", True)),
    ]
    assert trainer.cache.limit == 3 * 2**20
    assert numbered(trainer.run.folder / "samples", "step-").keys() == {0, 4}
    assert trainer.run.checkpoints.steps() == [4, 6]
    times = [line["time/rollout"] for line in trainer.run.metrics()]
    assert [time > 0 for time in times] == [True, False] * 3


def test_the_reference_is_there_and_run_where_the_weight_is_above_0(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(name="none", **GRPO | {"kl__weight": 0}).reference is None
    # 0.05 at step 0, 0 at step 1.
    settings = {"steps": 4, "kl__minimum": 0.0, "kl__maximum": 0.1, "kl__exploration": 0.25}
    trainer = start(**settings)
    assert trainer.reference is not None
    with trainer.run:
        trainer.run.open()
        for step in (0, 1):
            trainer.train_step(step)
        trainer.run.save_checkpoint(2, trainer.policy, trainer.state.state_dict())
    assert [line["kl"] is None for line in trainer.run.metrics()] == [False, True]
    trainer.source.close()
    asked: list[int] = []
    monkeypatch.setattr("mr1.methods.grpo.GRPO.needs_reference", lambda _, step: asked.append(step) or False)  # type: ignore[func-returns-value]
    start(name="asked", steps=3)
    assert asked == [0, 1, 2]
    start("resume", **settings)  # of what is still to come
    assert asked[3:] == [2, 3]


def rows_with_faults(path: Path) -> dict[str, object]:
    """A source of ten rows: the scan finds one that can't be used, training meets another."""
    rows = [{"question": f"How many are {number} and 1?", "answer": str(number + 1)} for number in range(10)]
    rows[2]["question"] = "What is <|image_pad|>?"
    rows[5]["answer"] = ""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"sources__own__path": path, "task": "own", "prompts_per_step": 3, "data__max_unusable": 0.25}


def test_rows_that_the_method_cannot_learn_from_are_left_out(start: Started, tmp_path: Path) -> None:
    rows = [{"question": "How many?", "answer": answer} for answer in ("1", "<|im_end|>", "2")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"method": "sft", "task": "own", "prompts_per_step": 3, "demonstrations__reasoning": False}
    none = dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null")
    trainer = start(sources__own__path=tmp_path / "rows.jsonl", **settings, **none)
    with trainer.run, closing(trainer.source):
        prompts = trainer.source.batch(last=True)
    assert {prompt.sample.answer for prompt in prompts} == {"1", "2"}
    (line,) = said(trainer)
    assert line.startswith("left out: ")
    assert line.endswith("its demonstration holds the special token '<|im_end|>'; remove it")


def rewarding(path: Path) -> dict[str, object]:
    """Few tokens that differ, and rewards that differ with them: something is learned."""
    path.write_text("def reward(completions, **_):\n    return [sum(map(ord, text)) % 7 for text in completions]\n")
    return {"rewards": f"{{'{path}:reward': 1}}", "rollout__temperature": 4}


@pytest.mark.invariant
@pytest.mark.parametrize("lora", [{}, {"lora__rank": 2}], ids=["full", "lora"])
def test_a_short_run_that_is_resumed_equals_one_that_was_not(
    start: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lora: dict[str, object]
) -> None:
    settings: dict[str, object] = {**rows_with_faults(tmp_path / "rows.jsonl"), "steps": 4, "checkpoint__every": 2}
    settings |= {"evaluation__every": 3, "evaluation__samples": 1, **rewarding(tmp_path / "of_letters.py"), **lora}
    whole = start(name="whole", **settings)
    whole.train()
    assert all(line["grad_norm"] > 0 for line in whole.run.metrics())
    assert whole.left_out.share == 0.25
    left_out = [line for line in said(whole) if "left out" in line]
    assert len(left_out) == 2
    assert left_out[0].startswith("left out: ")
    assert "its question holds the special token '<|image_pad|>'" in left_out[0]
    assert left_out[1].startswith("2 rows can't be used and were left out: ")
    assert said(whole)[1] == "own: 9 train rows"

    record = Run.record

    def die(self: Run, step: int, *arguments: Any) -> None:
        record(self, step, *arguments)
        if step == 2:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", die)
        with pytest.raises(SystemExit) as caught:
            start(name="parts", **settings).train()
    assert caught.value.__notes__[0].startswith("saved up to step 2 of 4; go on with: mr1 train ")
    resumed = start("resume", name="parts", **settings)
    assert resumed.start == 2
    resumed.train()
    assert untimed(resumed) == untimed(whole)
    assert not [line for line in said(resumed) if line.startswith(("left out", "evaluating"))]
    files = [(each.run.folder / "unusable.jsonl").read_text() for each in (whole, resumed)]
    assert files[0] == files[1]
    assert len(files[0].splitlines()) == 2
    finals = [torch.load(each.run.checkpoints.path(4) / "trainer.pt") for each in (whole, resumed)]
    for key in ("data", "origin", "method"):
        assert finals[0][key] == finals[1][key]
    moments = [[each["exp_avg"] for each in state["optimizer"]["adamw"]["state"].values()] for state in finals]
    assert all(torch.equal(one, other) for one, other in zip(*moments, strict=True))
    assert finals[0]["data"]["source"] == {"turn": 12, "following": {"own": 13}}  # in its second epoch
    assert len(finals[0]["data"]["left_out"]) == 1

    rows = (tmp_path / "rows.jsonl").read_text().replace("9 and 1", "9 and 2")
    (tmp_path / "rows.jsonl").write_text(rows)
    monkeypatch.setattr("mr1.data.source._OPENED", {})  # as in another process
    with pytest.raises(UserError, match="--resume: the rows of source own have changed since the run was started"):
        start("resume", name="parts", **settings)


@pytest.mark.parametrize("lora", [{}, {"lora__rank": 2}], ids=["full", "lora"])
def test_a_resumed_run_needs_the_model_that_it_began_with(
    start: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: dict[str, object]
) -> None:
    model = tmp_path / "start"
    vlm = load_vlm("tiny")
    vlm.save(model)
    settings: dict[str, object] = {"model": model, "steps": 2, "checkpoint__every": 1, **lora}
    trainer = start(**settings)
    trainer.train()
    path = trainer.run.checkpoints.path(1)

    asked: list[tuple[str, str | None]] = []

    def load(name: str, loading: Any) -> Any:
        asked.append((name, loading.revision))
        return load_vlm(name, loading)

    # For a model of the hub the checkpoint knows the commit.
    monkeypatch.setattr("mr1.train.policies.load_vlm", load)
    for commit in (None, "c0ffee"):
        state = torch.load(path / "trainer.pt")
        torch.save(state | {"origin": state["origin"] | {"commit": commit}}, path / "trainer.pt")
        written = (path / "trainer.pt").read_bytes()
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["files"]["trainer.pt"] = {"bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}
        (path / "manifest.json").write_text(json.dumps(manifest))
        if (path.parent / "step-000002").exists():
            (path.parent / "step-000002").rename(path.parent / "set-aside")
        resumed = start("resume", **settings)
        resumed.run.close()
        assert resumed.start == 1
        assert resumed.reference is not None
    if lora:
        assert asked == [(str(path), None)] * 2
    else:
        assert asked == [(str(path), None), (str(model), None), (str(path), None), (str(model), "c0ffee")]

    with torch.no_grad():
        next(vlm.model.parameters()).add_(1e-3)
    vlm.save(model)
    with pytest.raises(UserError, match=r"the weights of model .*start have changed since the run was started"):
        start("resume", **settings)


@pytest.mark.parametrize(
    ("measured", "saved", "best"),
    [
        ([0.9, 0.2, 0.6, 0.5], [2, 3], (2, 0.6)),  # before steps 0, 1, 2, and at the end
        ([0.9, 0.7], [1], (1, 0.7)),
    ],
)
def test_the_best_checkpoint_by_held_out_accuracy_stays(
    start: Started,
    monkeypatch: pytest.MonkeyPatch,
    measured: list[float],
    saved: list[int],
    best: tuple[int, float],
) -> None:
    accuracies = iter(measured)

    def validate(_: Trainer) -> dict[str, float]:
        accuracy = next(accuracies)
        return {"counting": accuracy, "geometry": 1 - accuracy}  # only the trained task decides

    monkeypatch.setattr(Trainer, "validate", validate)
    steps = len(measured) - 1
    trainer = start(evaluation__every=1, steps=steps, checkpoint={"keep": 1, "keep_best": True, "every": 0})
    trainer.train()
    assert trainer.run.checkpoints.steps() == saved
    assert trainer.run.checkpoints.best() == best
    recorded = [line["eval/geometry/accuracy"] for line in trainer.run.metrics()]
    assert recorded == [1 - accuracy for accuracy in measured[:-1]]


def test_a_checkpoint_is_the_best_by_the_tasks_that_are_trained(start: Started) -> None:
    settings = {"steps": 8, "updates_per_rollout": 2, "evaluation__every": 2, "checkpoint__keep_best": True}
    trainer = start(**settings, checkpoint__keep=5)
    best = trainer.run.checkpoints.best
    trainer.run.open()

    def keep_best(step: int, accuracies: dict[str, float]) -> None:
        trainer.keep_best(step, accuracies)
        trainer.saver.wait()

    keep_best(2, {})
    assert best() is None
    keep_best(2, {"geometry": 0.25, "own": 0.75})  # none is trained: all count
    assert best() == (2, 0.5)
    keep_best(3, {"counting": 0.9})  # a batch is half used
    assert best() == (2, 0.5)
    keep_best(4, {"counting": 0.5, "geometry": 1.0})
    assert (best(), trainer.run.checkpoints.steps()) == ((2, 0.5), [2])
    keep_best(4, {"counting": 0.75})
    assert (best(), trainer.run.checkpoints.steps()) == ((4, 0.75), [2, 4])
    path = trainer.run.checkpoints.path(4)
    assert torch.load(path / "trainer.pt").keys() == {"version", "mr1", "step", *trainer.state.state_dict()}
    written = path.stat().st_mtime_ns
    keep_best(4, {"counting": 0.875})  # it is there already
    assert (best(), path.stat().st_mtime_ns) == ((4, 0.875), written)


def test_a_function_that_gives_no_score_is_told_once(start: Started, make_groups: Callable[[int], list[Group]]) -> None:
    trainer = start()
    trainer.groups = make_groups(1)
    (identity,) = [group.prompt.sample.id for group in trainer.groups]
    wrong = torch.tensor([True, False, True, False])
    for names in ([], ["mine"], ["mine", "another"]):
        trainer.groups[0].not_finite = dict.fromkeys(names, wrong)
        trainer.warn_of_scores()
    assert said(trainer) == [
        f"rewards: {name} gave NaN or infinity for 2 completions, the first of them to {identity}; they don't count; "
        f"not_finite/{name} in metrics.jsonl counts them"
        for name in ("mine", "another")
    ]


@pytest.mark.parametrize(
    ("settings", "asked_at", "saved"),
    [
        ({"steps": 5, "checkpoint__every": 2}, None, [2, 4, 5]),
        ({"steps": 5, "checkpoint__every": 0}, None, [5]),
        ({"steps": 5, "checkpoint__every": 0}, 1, [2, "stopped"]),
        ({"steps": 5, "checkpoint__every": 0}, 4, [5, "stopped"]),  # before what is measured at the end
        ({"steps": 8, "checkpoint__every": 0, "updates_per_rollout": 4}, 1, [4, "stopped"]),
        ({"steps": 8, "checkpoint__every": 4, "updates_per_rollout": 2}, None, [4, 8]),
    ],
)
def test_when_checkpoints_are_saved(
    start: Started,
    make_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    asked_at: int | None,
    saved: list[object],
) -> None:
    trainer = start()
    trainer.config = make_config(**SHORT | settings)
    done: list[object] = []

    def save(step: int, policy: object, state: dict[str, Any]) -> None:
        assert policy is trainer.policy
        assert state.keys() == {"optimizer", "method", "modules", "data", "resets", "generators", "origin"}
        done.append(step)

    monkeypatch.setattr(trainer.saver, "save", save)
    for step in range(trainer.config.steps):
        trainer.interrupt.number = signal.SIGINT if asked_at is not None and step >= asked_at else None
        try:
            trainer.save_where_due(step)
        except KeyboardInterrupt:
            done.append("stopped")
            break
    assert done == saved


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_runs_save_and_say_how_to_go_on(
    start: Started, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    trainer = start(steps=4, checkpoint__every=0)
    record = Run.record

    def press(self: Run, step: int, *arguments: Any) -> None:
        record(self, step, *arguments)
        if step == 1:
            signal.raise_signal(number)

    monkeypatch.setattr(Run, "record", press)
    with pytest.raises(Stopped, match=number.name) as caught:
        trainer.train()
    command = f"mr1 train {trainer.run.folder}/config.yaml --resume"
    assert caught.value.__notes__ == [f"saved up to step 2 of 4; go on with: {command}"]
    with Run(trainer.config, "resume") as again:
        assert again.checkpoint is not None
        assert again.checkpoint.path.name == "step-000002"


def test_what_is_measured_and_how(start: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = rows_with_faults(tmp_path / "rows.jsonl") | {"sources__own__held_out": 0.3}
    trainer = start(**rows | {"evaluation__tasks": "[counting,own]", "evaluation__every": 2})
    asked: list[tuple[Any, ...]] = []

    def measure(*given: Any) -> Any:
        asked.append(given)
        return evaluate(*given)

    monkeypatch.setattr("mr1.train.evaluations.evaluate", measure)
    assert trainer.validate().keys() == {"counting", "own"}
    for given, name in zip(asked, ("counting", "own"), strict=True):
        engine, task, split, count, how, left_out, make, keep = given
        assert (task.name, split, count, keep) == (name, "validation", 2, None)
        assert engine is trainer.engine
        assert how == protocol(trainer.config)
        assert left_out is trainer.left_out
        assert make == trainer.cache.prompt
    assert trainer.seconds["evaluation"] > 0


def test_accuracy_on_the_way_is_measured_where_it_is_due(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, dict[str, float]]] = []
    monkeypatch.setattr(Trainer, "validate", lambda _: {"counting": 0.5})
    monkeypatch.setattr(Trainer, "keep_best", lambda _, step, accuracies: kept.append((step, accuracies)))
    trainer = start(evaluation__every=3, checkpoint__keep_best=True)
    assert [bool(trainer.evaluate_validation(step)) for step in range(5)] == [True, False, False, True, False]
    assert trainer.evaluate_validation(3) == {"eval/counting/accuracy": 0.5}
    assert kept == [(3, {"counting": 0.5})] * 2
    trainer.config.evaluation.every = 1
    trainer.evaluate_validation(1)
    assert kept.pop()[0] == 1
    trainer = start(name="other", evaluation__every=3)
    trainer.evaluate_validation(3)
    assert len(kept) == 2


def test_an_evaluations_protocol(make_config: Callable[..., Config]) -> None:
    config = make_config()
    assert protocol(config) == Protocol(config.prompt, 48, batch_size=64)
    other = make_config(evaluation__prompt="Say: {question}", rollout__batch_size=5)
    assert protocol(other) == Protocol("Say: {question}", 48, batch_size=5)


def test_a_phases_seconds_add_up(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = start(**GRPO)
    waited: list[str] = []
    monkeypatch.setattr("time.perf_counter", itertools.count(100.0, 0.25).__next__)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append("waited"))
    trainer.seconds = {"update": 2.0}
    for available in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        for phase in ("update", "evaluation"):
            with trainer.timed(phase):
                pass
    assert trainer.seconds == {"update": 2.5, "evaluation": 0.5}
    assert waited == ["waited"] * 2
