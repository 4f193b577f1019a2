"""What is kept of a finished run, and the exact KL that it travelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.errors import UserError
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.study.drift import drift, write
from mr1.study.record import Record, digest, make_record, read_record, write_record
from mr1.train.loop import Trainer
from mr1.train.run import CELL, Run
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop


@pytest.fixture
def moved(tiny: VLM) -> VLM:
    """The bundled model after a step in a random direction."""
    vlm = tiny.frozen_copy()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in vlm.model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    return vlm


def plainly(vlm: VLM, group: Group) -> torch.Tensor:
    """(T, V) log-probs at each token of a group's one completion, by transformers' own forward, in float64."""
    prompt, completion = group.prompt, group.completions[0]
    images = (prompt.input_ids == vlm.model.config.image_token_id).long()
    with torch.no_grad():
        logits = vlm.model(
            input_ids=torch.cat([prompt.input_ids, completion.token_ids])[None],
            mm_token_type_ids=torch.cat([images, torch.zeros(len(completion)).long()])[None],
            **prompt.vision,
        ).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits.double() + vlm.token_bias(), -1)


def test_the_drift_is_that_of_a_plain_computation(
    tiny: VLM, moved: VLM, make_prompt: Callable[..., Prompt], make_config: Callable[..., Config]
) -> None:
    prompts = [make_prompt(index, task) for index, task in enumerate(["counting", "geometry", "counting"])]
    groups = write(moved, prompts, make_config())
    assert len({group.completions[0].text for group in groups}) == 3
    found = drift(tiny, groups, moved, tokens=300)  # less than the prompts take together: several forwards

    divergences, entropies = [], []
    for group in groups:
        now, then = plainly(moved, group), plainly(tiny, group)
        possible = now > -torch.inf
        assert not possible.all()
        divergences += torch.where(possible, now.exp() * (now - then), 0.0).sum(-1).tolist()
        entropies += torch.where(possible, -now.exp() * now, 0.0).sum(-1).tolist()
    assert (found.tokens, found.samples) == (len(divergences), 3)
    assert found.kl == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)
    assert found.entropy == pytest.approx(sum(entropies) / len(entropies), rel=1e-4)
    assert found.kl > 0.001
    assert torch.is_grad_enabled()  # what follows in the same process may train


def test_a_model_has_not_travelled_from_itself_and_is_asked_the_same_each_time(
    tiny: VLM, make_prompt: Callable[..., Prompt], make_config: Callable[..., Config]
) -> None:
    config = make_config(rollout__temperature=0.3, rollout__top_p=0.5)  # of the training, and not of this
    groups = write(tiny, [make_prompt(0), make_prompt(1)], config)
    assert drift(tiny, groups, tiny, tokens=4096).kl == 0.0
    alone = write(tiny, [make_prompt(1)], make_config(seed=7))
    assert alone[0].completions[0].text == groups[1].completions[0].text


def finished(config: Config) -> Path:
    Trainer(config, Run(config), Console(RichConsole(quiet=True))).train()
    return config.folder


def test_a_record_is_what_the_run_left_and_comes_back_whole(
    tiny: VLM, moved: VLM, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    tiny.save(model)
    config = make_config(evaluation__final_samples=6, kl__maximum=0.2, model=model)
    folder = finished(config)
    record = make_record(folder, drift_samples=2)
    write_record(folder, record)
    assert read_record(folder) == record
    assert (folder / CELL).stat().st_size < 6_000

    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert record.steps == [0, 1, 2]
    assert record.curves["reward/accuracy"] == [pytest.approx(line["reward/accuracy"], rel=1e-4) for line in metrics]
    assert record.curves["kl_weight"] == [pytest.approx(line["kl_weight"], rel=1e-4) for line in metrics]
    assert record.validation["counting"] == [(step, metrics[step]["eval/counting/accuracy"]) for step in (0, 2)]
    assert record.settings["kl"] == {"minimum": 0.02, "maximum": 0.2, "exploration": 0.3}
    assert not {"name", "output", "lora"} & record.settings.keys()
    assert (record.cost.samples, record.cost.updates) == (9, 3)
    assert record.cost.tokens == sum(line["tokens"] for line in metrics)
    assert record.cost.evaluation == pytest.approx(sum(line.get("time/evaluation", 0) for line in metrics), abs=0.1)
    assert {task: each.samples for task, each in record.drift.items()} == {"counting": 2, "geometry": 2}
    assert all(each.kl > 0 for each in record.drift.values())

    for stage, tests in record.tests.items():
        rows = pq.read_table(folder / "samples" / f"{stage}.parquet").to_pylist()
        for task, tested in tests.items():
            own = [row for row in rows if row["task"] == task]
            assert tested.bits.tolist() == [row["correct"] for row in own]
            assert tested.forms.tolist() == [row["well_formed"] for row in own]
            assert tested.ids == digest(row["id"] for row in own)
            assert tested.bits.mean() == tested.figures["accuracy"]
        counting = [row["difficulty"] for row in rows if row["task"] == "counting"]
        for kind in tests["counting"].kinds:
            assert tests["counting"].of_kind(kind).tolist() == [each == kind for each in counting]
        assert tests["geometry"].kinds == []  # its samples tell none
    assert record.tests["before"]["counting"].ids == record.tests["after"]["counting"].ids

    spoil(folder, record, model, moved)


def spoil(folder: Path, record: Record, model: Path, other: VLM) -> None:
    """Whatever is wrong with a run or with its record is said in one line, and the record is never half of one."""
    cell = folder / CELL
    whole = cell.read_text()
    for damaged, reason in [
        (whole[:200], "can't be read"),
        ("[]", "can't be read"),
        (whole.replace('"version":1', '"version":0'), "it has version 0"),
        (whole.replace('"steps":[0,', '"steps":["x",'), "steps.0"),
        (whole.replace('"right":"', '"right":"2'), "marks"),
    ]:
        assert damaged != whole
        cell.write_text(damaged)
        with pytest.raises(UserError, match=reason) as error:
            read_record(folder)
        assert "remove it" in str(error.value)
        assert "\n" not in str(error.value)
    cell.unlink()
    with pytest.raises(UserError, match="can't be read"):
        read_record(folder)

    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True)
    metrics.write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match="2 of 3 steps"):
        make_record(folder, 0)
    gap = json.loads(lines[1]) | {"entropy": None, "not_finite": ["entropy"]}
    metrics.write_text("".join([lines[0], json.dumps(gap) + "\n", lines[2]]))
    assert make_record(folder, 0).curves["entropy"][1] is None
    metrics.write_text("".join(lines))

    assert make_record(folder, 0) == replace(record, drift={})
    other.save(model)
    with pytest.raises(UserError, match="have changed since run run was started"):
        make_record(folder, 1)

    figures = folder / "evaluation.json"
    stages = json.loads(figures.read_text())
    unfinished = deepcopy(stages)
    del unfinished["after"]
    figures.write_text(json.dumps(unfinished))
    with pytest.raises(UserError, match="no test after its last step"):
        make_record(folder, 0)
    figures.write_text(json.dumps(stages))
    (folder / "samples" / "after.parquet").unlink()
    with pytest.raises(UserError, match=r"after\.parquet is missing"):
        make_record(folder, 0)
