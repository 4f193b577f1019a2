"""A run's folder: what is written there, in which words, and what a resume makes of it."""

from __future__ import annotations

import json
import locale
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
import torch

from mr1.config import Config, dump_config, load_config
from mr1.data.unusable import BadRow
from mr1.errors import UserError
from mr1.evaluate.outcome import Evaluation, Outcome
from mr1.judge import strict
from mr1.judge.verdict import Verdict
from mr1.methods.base import give_each_token
from mr1.models.vlm import VLM
from mr1.train.resume import Change, Rule
from mr1.train.run import CONTENTS, Run
from mr1.types import Group


class Policy:
    """Saves a file in the place of a model's."""

    sharded = None

    def weights(self) -> dict[str, object]:
        return {}

    def save(self, folder: Path, weights: object) -> None:  # noqa: ARG002
        folder.mkdir()
        (folder / "config.json").write_text("{}")


POLICY = cast("VLM", Policy())
GRPO = {"method": "grpo", "kl__weight": 0.01, "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}


@pytest.fixture
def plain_locale() -> Iterator[None]:
    """A system whose files are in ASCII where nothing is said."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    yield
    locale.setlocale(locale.LC_CTYPE, before)


def refusal(config: Config, mode: Any) -> str:
    with pytest.raises(UserError) as caught:
        Run(config, mode)
    return str(caught.value)


def line(step: int) -> str:
    return json.dumps({"step": step, "loss": step / 2}) + "\n"


def test_a_new_run_has_its_settings_and_room_for_the_rest(make_config: Callable[..., Config]) -> None:
    config = make_config()
    with Run(config) as run:
        assert (run.mode, run.changes, run.checkpoint) == ("new", [], None)
        assert run.how_to_go_on() == ""
        assert run.open() == []
        assert run.open() == []  # what is there may be there
        names = {path.name for path in run.folder.iterdir()} - {".lock", ".mr1.json"}
        assert names == {"config.yaml", "metrics.jsonl", "samples", "checkpoints"}
        assert (run.folder / "config.yaml").read_text(encoding="utf-8") == dump_config(config)
        assert run.metrics() == []
        assert run.evaluations() == {}
        assert run.how_to_go_on() == "no checkpoint was saved yet; the same command with --resume begins again"
        assert run.checkpoints.keep == config.checkpoint.keep
    assert refusal(config, "new").startswith(
        f"name: the run folder {config.folder} exists; go on with it by --resume, replace it by --overwrite, or choose "
        "another, such as name=run-2"
    )


def test_overwriting_replaces_what_a_run_wrote_and_nothing_else(make_config: Callable[..., Config]) -> None:
    config = make_config()
    with Run(config) as run:
        run.open()
    for name in CONTENTS:
        path = config.folder / name
        path.mkdir(exist_ok=True) if name in ("samples", "checkpoints") else path.write_text("old")
    (config.folder / "samples" / "step-000000.parquet").write_text("old")
    for name in ("b notes", "a notes"):
        (config.folder / name).write_text("mine")
    with Run(make_config(seed=1), "overwrite") as run:
        assert (config.folder / "metrics.jsonl").read_text() == "old"  # nothing before `open`
        assert run.open() == [f"{run.folder} keeps what MR1 did not write: a notes, b notes"]
    files = {str(path.relative_to(config.folder)) for path in config.folder.rglob("*") if path.name[0] != "."}
    assert files == {"a notes", "b notes", "checkpoints", "config.yaml", "metrics.jsonl", "samples"}
    assert load_config(config.folder / "config.yaml").seed == 1
    assert (config.folder / "metrics.jsonl").read_text() == ""


def test_a_resume_where_nothing_was_saved_begins(make_config: Callable[..., Config]) -> None:
    begins = f"{make_config().folder} has no checkpoint to go on from: the run begins"
    for seed in (1, 2):  # first where there is nothing, then where a run was killed before its first checkpoint
        config = make_config(seed=seed)
        with Run(config, "resume") as run:
            assert run.checkpoint is None
            assert run.open() == [begins]
            assert run.metrics() == []
            run.record(0, None, {"step": 0})
        assert load_config(config.folder / "config.yaml").seed == seed
    (config.folder / ".mr1.json").unlink()
    assert "is no folder that MR1 made (it has no .mr1.json), so it is left alone" in refusal(config, "resume")


def test_what_cannot_be_resumed_is_told_and_let_go(make_config: Callable[..., Config]) -> None:
    config = make_config()
    with Run(config) as run:
        run.open()
        run.save_checkpoint(1, POLICY, {})
    saved = config.folder / "checkpoints" / "step-000001" / "run.yaml"
    said = refusal(make_config(seed=1), "resume")
    assert said.startswith("--resume: seed was 0, now it is 1; it can't change within a run; resume with seed=0 ")
    assert f"(all settings as they were: {saved})" in said
    assert "it may grow, not shrink (1 are done); resume with steps=3" in refusal(make_config(steps=2), "resume")
    Run(config, "resume").close()


def test_a_checkpoint_of_another_run_is_named_and_the_one_before_is_taken(
    make_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "own.py"
    code.write_text("def reward(**_): return []\n")
    other = make_config(name="other", rewards=f"{{'{code}:reward': 1}}")
    for config, step in ((other, 2), (make_config(), 1)):
        with Run(config) as run:
            run.open()
            run.save_checkpoint(step, POLICY, {})
    foreign = other.folder / "checkpoints" / "step-000002"
    foreign.rename(run.folder / "checkpoints" / foreign.name)
    loaded: list[str] = []
    monkeypatch.setattr("mr1.rewards.functions.load_function", loaded.append)
    with Run(make_config(), "resume") as run:
        assert run.checkpoint is not None
        assert (run.checkpoint.step, run.changes) == (1, [])
        said = run.open()
    assert re.fullmatch(r".*step-000002: it is of another run \(.*: .* -> .*\); going on from step-000001", said[0])
    assert (run.folder / "checkpoints" / "step-000002.damaged").is_dir()
    assert loaded == []  # no code of a checkpoint is run to find out what it is


def test_how_to_go_on(make_config: Callable[..., Config], tmp_path: Path) -> None:
    with Run(make_config(output=tmp_path / "my runs", steps=9)) as run:
        run.open()
        for step in (1, 2):
            run.save_checkpoint(step, POLICY, {})
        assert run.how_to_go_on() == (
            f"saved up to step 2 of 9; go on with: mr1 train '{tmp_path}/my runs/run/config.yaml' --resume"
        )


def test_a_checkpoint_holds_what_it_is_given(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    synced: list[Path] = []
    monkeypatch.setattr("mr1.train.run.sync", synced.append)
    with Run(config) as run:
        run.open()
        run.save_checkpoint(3, POLICY, {"moments": torch.ones(2)})
        latest = run.checkpoints.latest()
    assert synced == [run.folder / "metrics.jsonl"]
    assert latest.path == run.folder / "checkpoints" / "step-000003"
    assert latest.state["moments"].tolist() == [1.0, 1.0]
    assert latest.settings.read_text() == dump_config(config)
    assert (latest.path / "config.json").is_file()


@pytest.mark.usefixtures("plain_locale")
def test_a_resume_takes_back_what_came_after_the_checkpoint(make_config: Callable[..., Config]) -> None:
    settings = {**GRPO, "steps": 4}
    with Run(make_config(**settings)) as run:
        run.open()
        for step in (1, 3, 4):
            run.save_checkpoint(step, POLICY, {"of": step})
        (run.checkpoints.path(4) / "trainer.pt").unlink()
        # Step 1 is torn and step 2 stands twice, as after a resume that was killed; step 3 comes again.
        metrics = run.folder / "metrics.jsonl"
        metrics.write_text(line(2) + line(0) + line(3) + '{"step": 1, "lo\n' + line(2) + '{"step": -1}\n{"loss": 1}\n')
        for step in (2, 3, 4):
            (run.folder / "samples" / f"step-{step:06d}.parquet").write_text("")
        (run.folder / "samples" / "before.parquet").write_text("")
        (run.folder / "evaluation.json").write_text("[]")
    changed = {"steps": 6, "evaluation__prompt": "Größe: {question}", "samples_every": 2}
    for again in range(2):
        config = make_config(**settings | changed)
        with Run(config, "resume") as run:
            assert run.checkpoint is not None
            assert run.checkpoint.step == 3
            said = run.open()
        damaged = [f"{run.folder}/checkpoints/step-000004: trainer.pt is missing; going on from step-000003"]
        assert said == [
            *(damaged if not again else []),
            f"{metrics}: 1 of 3 lines can't be read, and are left out",
            f"{run.folder}/evaluation.json: is no JSON object, and is lost",
            "from step 3 on, steps: 4 -> 6 (the learning rate's schedule goes by it from here on)",
            "from step 3 on, samples_every: 1 -> 2",
            "from step 3 on, evaluation.prompt: null -> Größe: {question}",
        ]
        assert metrics.read_text() == line(0) + line(2)
    assert sorted(path.name for path in (run.folder / "samples").iterdir()) == ["before.parquet", "step-000002.parquet"]
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == [
        "step-000003",
        "step-000004.damaged",
    ]
    assert (run.folder / "config.yaml").read_bytes().decode("utf-8") == dump_config(config)
    written = (run.folder / "changes.jsonl").read_bytes().decode("utf-8").splitlines()
    assert len(written) == 2
    assert "Größe" in written[0]
    for each in written:
        assert json.loads(each) == {
            "step": 3,
            "changes": {"steps": [4, 6], "evaluation.prompt": [None, "Größe: {question}"], "samples_every": [1, 2]},
        }


def test_a_resume_with_the_same_settings_has_nothing_to_say(make_config: Callable[..., Config]) -> None:
    config = make_config()
    with Run(config) as run:
        run.open()
        run.record(0, None, {"step": 0})
        run.save_checkpoint(1, POLICY, {})
        before = (run.folder / "config.yaml").stat().st_mtime_ns
    with Run(config, "resume") as run:
        assert run.changes == []
        assert run.open() == []
        assert run.metrics() == [{"step": 0}]
        assert (run.folder / "config.yaml").stat().st_mtime_ns == before
        assert not (run.folder / "changes.jsonl").exists()


def test_changes_are_told_once_each(make_config: Callable[..., Config]) -> None:
    with Run(make_config()) as run:
        run.open()
        run.save_checkpoint(1, POLICY, {})
    with Run(make_config(image_cache=0), "resume") as run:
        assert run.changes == [Change("image_cache", make_config().image_cache, 0, Rule.FREELY)]


def test_a_step_is_a_line_and_a_table(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    groups = make_groups(2)
    for group in groups:
        count = len(group.completions)
        group.scores = {"accuracy": torch.arange(float(count)), "format": torch.ones(count)}
        group.rewards = group.scores["accuracy"] + 1
        give_each_token(group, torch.arange(float(count)) - 0.5)
    groups[0].completions[1].finish_reason = "length"
    with Run(make_config()) as run:
        run.open()
        run.record(3, groups, {"step": 3, "loss": 0.5})
        run.record(4, None, {"step": 4, "loss": None, "text": "é"})
        assert run.metrics() == [{"step": 3, "loss": 0.5}, {"step": 4, "loss": None, "text": "é"}]
    assert [path.name for path in (run.folder / "samples").iterdir()] == ["step-000003.parquet"]
    rows = pq.read_table(run.folder / "samples" / "step-000003.parquet").to_pylist()
    expected = [(group, index, each) for group in groups for index, each in enumerate(group.completions)]
    assert len(rows) == len(expected) == 7
    for row, (group, index, completion) in zip(rows, expected, strict=True):
        sample = group.prompt.sample
        assert row["images"][0]["bytes"].startswith(b"\x89PNG")
        assert {key: value for key, value in row.items() if key != "images"} == {
            "step": 3,
            "id": sample.id,
            "question": sample.question,
            "answer": sample.answer,
            "completion": completion.text,
            "tokens": len(completion),
            "finish_reason": completion.finish_reason,
            "origin": "policy",
            "judged": strict.told(completion.text, sample.truth),
            "reward/accuracy": float(index),
            "reward/format": 1.0,
            "reward/total": index + 1.0,
            "advantage": index - 0.5,
        }


def evaluation(task: str, *verdicts: Verdict) -> Evaluation:
    outcomes = [
        Outcome(str(number), 0, "How many?", "1", "1", verdict, True, False, None, None)
        for number, verdict in enumerate(verdicts)
    ]
    return Evaluation(task, "test", outcomes)


def test_evaluations_of_both_stages_stand_side_by_side(make_config: Callable[..., Config]) -> None:
    before, after = evaluation("a", Verdict.WRONG), evaluation("a", Verdict.RIGHT, Verdict.RIGHT)
    with Run(make_config()) as run:
        run.open()
        run.record_evaluation("before", [before, evaluation("b", Verdict.RIGHT)])
        run.record_evaluation("after", [after])
        assert {stage: [*tasks] for stage, tasks in run.evaluations().items()} == {"before": ["a", "b"], "after": ["a"]}
        assert run.evaluations()["before"]["a"] == before.summary()
        assert run.evaluations()["after"]["a"] == after.summary()
        text = (run.folder / "evaluation.json").read_text()
        assert text == json.dumps(run.evaluations(), indent=2) + "\n"
        with run.outcomes("after") as keep:
            keep(after.table())
    assert pq.read_table(run.folder / "samples" / "after.parquet").num_rows == 2


def test_rows_that_are_left_out_are_listed(make_config: Callable[..., Config]) -> None:
    with Run(make_config()) as run:
        run.open()
        run.record_unusable([BadRow("own", "train", "7", "rows.jsonl, line 8", "it has no answer")])
    (found,) = (run.folder / "unusable.jsonl").read_text().splitlines()
    assert json.loads(found)["id"] == "7"
