"""A program that trains and evaluates on what it has in memory: what it gets back, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import pandas as pd
import pytest
from typer.testing import CliRunner

import mr1
from mr1.cli import app
from mr1.data.example import write_example
from mr1.tasks import load_task

pytestmark = pytest.mark.loop

SHORT: dict[str, Any] = {
    "name": "own",
    "steps": 2,
    "prompts_per_step": 2,
    "rollout": {"group_size": 2, "max_new_tokens": 12},
    "sources.data.held_out": 0.2,
    "evaluation": {"every": 0, "final_samples": 3},
    "checkpoint.every": 1,
}


def rows(count: int = 16) -> list[dict[str, Any]]:
    """Counting problems as chats with their image beside them, as TRL's users have them."""
    task = load_task("counting", image_size=56)
    samples = [task.sample("train", 0, index) for index in range(count)]
    return [
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": sample.question}]}],
            "image": sample.images[0],
            "answer": sample.answer,
            "level": "easy",
        }
        for sample in samples
    ]


def brief(completions: list[list[dict[str, str]]], level: list[str], **_: Any) -> list[float]:
    """1 for at most 40 characters; it is called with the rows' own columns."""
    assert level == ["easy"] * len(completions)
    return [float(len(completion[0]["content"]) <= 40) for completion in completions]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nothing of the repository is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rows_and_functions_in_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def own(completions: list[list[dict[str, str]]], **_: Any) -> list[float | None]:
        return [None, *(0.5 for _ in completions[1:])]

    weights: dict[Any, float] = {"accuracy": 1.0, brief: 0.5, own: 0.1}
    run = mr1.train("counting-grpo-d", SHORT, data=rows(), rewards=weights, quiet=True)
    assert capsys.readouterr().out == ""
    assert_type(run, mr1.RunResult)
    assert [*run.metrics.index] == [0, 1]
    assert {f"reward/{__name__}:brief", "reward/python:own", "reward/accuracy"} <= {*run.metrics.columns}
    assert len(run.samples) == 2 * 2 * 2
    assert "images" not in run.samples
    assert [*run.evaluations.index] == [("before", "data"), ("after", "data")]
    assert run.evaluations["n"].tolist() == [3, 3]
    assert run.checkpoint == Path("runs/own/checkpoints/step-000002")
    assert run.report.is_file()
    assert repr(run).startswith("RunResult('runs/own': grpo-d on data; 2 of 2 steps; data ")
    page = run._repr_html_()
    assert "<table>" in page
    assert "<svg" in page
    assert (folder / run.report).as_uri() in page
    written = (folder / "runs/own/config.yaml").read_text()
    assert "path: data\n    format: memory\n" in written
    assert "python:own: 0.1" in written
    assert mr1.RunResult("runs/own").metrics.equals(run.metrics)
    measured = mr1.evaluate(run, ["counting"], data=rows(4), samples=2, quiet=True)
    assert_type(measured, mr1.EvaluationResult)
    assert measured.figures.loc[["counting", "data"], "n"].tolist() == [2, 2]
    assert len(measured.outcomes) == 4
    assert "counting" in measured._repr_html_()
    kept = measured.folder
    del measured
    assert not kept.exists()


@pytest.fixture
def train(folder: Path) -> Callable[..., mr1.RunResult]:  # noqa: ARG001 - it is where they run
    """A short run on rows in memory; what is given is put over it."""

    def start(recipe: Any = "counting-grpo-d", over: dict[str, Any] | None = None, **given: Any) -> mr1.RunResult:
        given = {"data": rows(), "rewards": [brief], **given}
        return mr1.train(recipe, SHORT | {"evaluation.final_samples": 0} | (over or {}), quiet=True, **given)

    return start


def test_resumed_it_is_the_same_run_and_other_rows_are_refused(train: Callable[..., mr1.RunResult]) -> None:
    straight = train(over={"name": "straight"}).metrics
    run = train()
    last = run.folder / "checkpoints/step-000002"
    last.rename(run.folder / "step-2")
    for other, message in (
        ({"data": rows(15)}, "the rows of source data have changed since the run was started"),
        ({"rewards": [brief, "format"]}, "rewards.format was null, now it is 1.0; it can't change within a run"),
    ):
        with pytest.raises(mr1.UserError, match=message):
            train(resume=True, **other)
    again = train(resume=True).metrics
    timed = [name for name in straight if name.startswith("time/")]
    pd.testing.assert_frame_equal(again.drop(columns=timed), straight.drop(columns=timed), check_exact=True)
    with pytest.raises(mr1.UserError, match="exists; go on with it"):
        train()
    with pytest.raises(mr1.UserError, match=r"sources\.data\.format: its rows were handed over by a program"):
        mr1.train("runs/own/config.yaml", resume=True, quiet=True)
    told = CliRunner().invoke(app, ["train", "runs/own/config.yaml", "--resume"])
    assert "call mr1.train from that program again" in str(told.exception)


def test_files_may_change_between_two_calls_of_a_program(folder: Path) -> None:
    write_example(folder / "own-data", rows=16)
    over = {"steps": 1, "prompts_per_step": 2, "rollout.group_size": 2, "rollout.max_new_tokens": 4}
    over |= {"evaluation.every": 0, "evaluation.final_samples": 0}
    mr1.train("own-jsonl", over, quiet=True)
    file = folder / "own-data/problems.jsonl"
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[4:]))
    with pytest.raises(mr1.UserError, match="the rows of source own have changed"):
        mr1.train("own-jsonl", over, resume=True, quiet=True)
