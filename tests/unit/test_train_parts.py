"""The small parts of training: learning rate, batches, metrics, the run folder."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from mr1.algo.advantage import group_advantage
from mr1.config import Config, Optimizer
from mr1.data.unusable import LeftOut
from mr1.errors import UnusableError
from mr1.models.tiny_vision import VALUES, cell_labels
from mr1.models.vlm import VLM
from mr1.tasks import load_task
from mr1.train.data import PromptCache, PromptSource
from mr1.train.metrics import batch_metrics
from mr1.train.optimizer import rate_factor
from mr1.train.run import Run
from mr1.types import Group


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [1.0] * 5), ("linear", [1.0, 0.75, 0.5, 0.25, 0.0]), ("cosine", [1.0, 0.8536, 0.5, 0.1464, 0.0])],
)
def test_learning_rate_schedules_by_hand(schedule: str, expected: list[float]) -> None:
    settings = Optimizer(schedule=schedule)  # type: ignore[arg-type]
    rates = [rate_factor(step, 4, settings) for step in range(5)]
    assert rates == pytest.approx(expected, abs=1e-4)


def test_learning_rate_warms_up_and_then_follows_the_schedule() -> None:
    settings = Optimizer(schedule="linear", warmup=0.4)
    rates = [rate_factor(step, 10, settings) for step in range(10)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:] == pytest.approx([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_tasks_take_turns_and_no_sample_repeats(tiny: VLM, make_config: Callable[..., Config]) -> None:
    source = PromptSource(
        make_config(task="[counting,geometry,counting]", prompts_per_step=3), PromptCache(tiny, 0), LeftOut(0)
    )
    ids = [prompt.sample.id for number in range(2) for prompt in source.batch(last=number == 1)]
    assert ids == [
        "counting/train/0/0",
        "geometry/train/0/0",
        "counting/train/0/1",
        "counting/train/0/2",
        "geometry/train/0/1",
        "counting/train/0/3",
    ]


def test_a_question_that_forges_an_image_is_refused(tiny: VLM) -> None:
    from dataclasses import replace

    sample = replace(load_task("counting").sample("train", 0, 0), question="What is <|image_pad|>?")
    with pytest.raises(UnusableError, match=r"its question holds the special token '<\|image_pad\|>'; remove it"):
        tiny.prompt(sample, "{question}")


def test_batch_metrics_by_hand(make_groups: Callable[[int], list[Group]]) -> None:
    groups = make_groups(2)  # of 4 and 3 completions
    for group, rewards in zip(groups, ([2.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0]), strict=True):
        group.rewards = torch.tensor(rewards)
        group.scores = {"format": torch.ones(len(rewards))}
    groups[0].completions[0].finish_reason = "length"
    metrics = batch_metrics(groups, {"accuracy": 1.0, "format": 1.0})
    assert metrics["reward/total"] == pytest.approx(1.0)
    assert metrics["reward/format"] == 1.0
    assert metrics["reward/accuracy"] is None
    assert metrics["advantage/zero_std_fraction"] == 0.5
    assert metrics["completion/truncated_fraction"] == pytest.approx(1 / 7)
    lengths = [len(completion) for group in groups for completion in group.completions]
    assert metrics["completion/length_mean"] == pytest.approx(sum(lengths) / 7)
    assert metrics["tokens"] == sum(lengths) + sum(len(group.prompt) for group in groups)
    for group in groups:  # a demonstration, which nothing has judged
        group.scores = {}
    assert batch_metrics(groups, {})["reward/total"] is None


def test_groups_alike_are_those_without_an_advantage(make_groups: Callable[[int], list[Group]]) -> None:
    nan = torch.nan
    groups = make_groups(4)  # of 4 and 3 completions in turns
    totals = ([0.9, nan, 0.9, 0.9], [0.9, 0.9, 0.9], [0.9, nan, 0.9, 0.2], [nan, nan, 0.9])
    for group, rewards in zip(groups, totals, strict=True):
        group.rewards = torch.tensor(rewards)
        group.scores = {"format": group.rewards}
    flat = [not group_advantage(group.rewards).any() for group in groups if group.rewards is not None]
    assert flat == [True, True, False, True]
    assert batch_metrics(groups, {})["advantage/zero_std_fraction"] == 0.75


def test_cells_are_labelled_with_what_stands_in_them() -> None:
    sample = load_task("counting").sample("train", 0, 3)
    counts, values = cell_labels(sample)
    objects = sample.meta["scene"]["objects"]
    assert counts.sum() == len(objects)
    for item in objects:
        cell = int(item["pixel"][1] * 4) * 4 + int(item["pixel"][0] * 4)
        assert counts[cell] >= 1
        assert values[cell, VALUES.index(item["color"])] == 1
        assert values[cell, VALUES.index(item["size"])] == 1
    assert values[counts == 0].sum() == 0


def test_a_metric_that_is_not_finite_is_null_and_named(make_config: Callable[..., Config]) -> None:
    with Run(make_config()) as run:
        run.open()
        run.record(0, None, {"step": 0, "loss": math.nan, "kl": math.inf, "entropy": 1.0, "kept": None})
        assert run.metrics() == [
            {"step": 0, "loss": None, "kl": None, "entropy": 1.0, "kept": None, "not_finite": ["loss", "kl"]}
        ]
        with pytest.raises(ValueError, match="not JSON compliant"):  # where nobody reads it
            run.record(1, None, {"step": 1, "deep": [math.nan]})
