"""How often a run does its work: figures that no machine's noise changes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.speed.counts import Counter
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.data.example import write_example
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

pytestmark = pytest.mark.loop

GROUPS, SIZE, TOKENS = 3, 4, 12


class Counting(Trainer):
    """A trainer whose completions never end early, and whose work is counted by phase."""

    phase = "other"

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        self.phase = phase
        with super().timed(phase):
            yield
        self.phase = "other"

    def count(self) -> Counter:
        self.policy.stop_tokens = list  # type: ignore[method-assign]
        self.run.open()
        counter = Counter(lambda: self.phase)
        assert self.reference is not None
        with self.reference() as reference:
            models = [self.policy.model, reference.model]
        # With low-rank weights the reference is the policy's own model.
        counter.watch(self.policy.processor.image_processor, models if models[0] is not models[1] else models[:1])
        counter.switch(True)
        return counter


@pytest.fixture
def make_trainer(make_config: Callable[..., Config], tmp_path: Path) -> Iterator[Callable[..., Counting]]:
    """A run of one step on a file of six images, two batches of them to an epoch; each takes the place of the last."""
    write_example(tmp_path / "data", rows=2 * GROUPS)
    runs: list[Run] = []

    def make(**settings: object) -> Counting:
        config = make_config(
            **{
                "sources.own.path": tmp_path / "data/problems.jsonl",
                "task": "own",
                "steps": 1,  # no batch is made ahead
                "prompts_per_step": GROUPS,
                "rollout.group_size": SIZE,
                "rollout.max_new_tokens": TOKENS,
                "evaluation.tasks": "[own]",
                "evaluation.every": 0,
                "evaluation.final_samples": 0,
                **settings,
            }
        )
        for run in runs:
            run.close()
        runs.append(Run(config, "overwrite"))
        return Counting(config, runs[-1], Console(RichConsole(file=io.StringIO())))

    yield make
    for run in runs:
        run.close()


def test_each_image_and_each_prompt_token_is_computed_once_in_each_phase(
    make_trainer: Callable[..., Counting],
) -> None:
    trainer = make_trainer()
    counter = trainer.count()
    trainer.train_step(0)
    prompts = sum(len(group.prompt) for group in trainer.groups)
    written = GROUPS * SIZE * TOKENS
    for phase, tokens in (
        ("rollout", prompts + written - GROUPS * SIZE),  # the last token of each is written, not run
        ("score", prompts + written),
        ("update", written),  # what the rollout's pass of the prompts left was kept
    ):
        counts = counter.counts[phase]
        assert counts["vision_images"] == (0 if phase == "update" else GROUPS), phase
        assert counts["vision_calls"] == (0 if phase == "update" else 1), phase
        assert counts["tokens"] == tokens, phase
    assert sum(counts["images_preprocessed"] for counts in counter.counts.values()) == GROUPS


def test_an_update_of_several_microbatches_passes_each_image_once(make_trainer: Callable[..., Counting]) -> None:
    """Nothing is kept for it from the rollout, where it would take more memory than the update."""
    trainer = make_trainer(tokens_per_microbatch=150)
    counter = trainer.count()
    trainer.train_step(0)
    for phase in ("rollout", "score", "update"):
        assert counter.counts[phase]["vision_images"] == GROUPS, phase
    assert counter.counts["update"]["vision_calls"] == GROUPS


@pytest.mark.invariant
@pytest.mark.parametrize("rank", ["null", 4])
def test_prompts_run_ahead_change_nothing(
    make_trainer: Callable[..., Counting], monkeypatch: pytest.MonkeyPatch, rank: str | int
) -> None:
    """Two updates of each rollout: the second encodes anew with the weights that the first has changed."""
    lines, texts = [], []
    for ahead in (True, False):
        if not ahead:
            monkeypatch.setattr(VLM, "run_ahead", lambda _, prompts, __: [*prompts])
        trainer = make_trainer(**{"updates_per_rollout": 2, "steps": 4, "lora.rank": rank})
        counter = trainer.count()
        for step in range(4):
            trainer.train_step(step)
        assert counter.counts["update"]["vision_calls"] == (2 if ahead else 4)
        records = (trainer.run.folder / "metrics.jsonl").read_text().splitlines()
        lines.append([json.loads(line) for line in records])
        texts.append([completion.text for group in trainer.groups for completion in group.completions])
    assert texts[0] == texts[1]
    for one, other in zip(*lines, strict=True):
        for key in ("loss", "kl", "entropy", "grad_norm", "sampler/logprob_gap"):
            assert one[key] == pytest.approx(other[key], rel=1e-4, abs=1e-6), key


def test_a_frozen_tower_is_passed_once_in_all(make_trainer: Callable[..., Counting]) -> None:
    trainer = make_trainer(**{"optimizer.parts.vision": 0, "optimizer.parts.projector": 0})
    counter = trainer.count()
    trainer.train_step(0)
    assert sum(counts["vision_images"] for counts in counter.counts.values()) == GROUPS
    assert counter.counts["rollout"]["vision_calls"] == 1


def test_an_image_is_preprocessed_once_in_a_run_while_it_fits(make_trainer: Callable[..., Counting]) -> None:
    """Two epochs of two batches, with the cache and without it, are the same runs."""
    lines = []
    for limit, preprocessed in ((512, 2 * GROUPS), (0, 4 * GROUPS)):
        trainer = make_trainer(image_cache=limit, steps=4)
        counter = trainer.count()
        ids = []
        for step in range(4):
            trainer.train_step(step)
            ids += [group.prompt.sample.id for group in trainer.groups]
        assert sum(counts["images_preprocessed"] for counts in counter.counts.values()) == preprocessed
        assert len(set(ids)) == 4 * GROUPS
        assert sum(each.endswith("@1") for each in ids) == 2 * GROUPS
        records = (trainer.run.folder / "metrics.jsonl").read_text().splitlines()
        lines.append([{k: v for k, v in json.loads(line).items() if not k.startswith("time/")} for line in records])
    assert lines[0] == lines[1]


def test_a_torn_group_learns_the_same(make_trainer: Callable[..., Counting]) -> None:
    """A micro-batch smaller than any group, against one that holds all of them."""
    results = []
    for tokens in (60, 8192):
        trainer = make_trainer(tokens_per_microbatch=tokens, steps=1)
        counter = trainer.count()
        trainer.train_step(0)
        results.append(json.loads((trainer.run.folder / "metrics.jsonl").read_text()))
        assert counter.counts["update"]["vision_calls"] == 0 or tokens == 60
    for key in ("loss", "kl", "entropy", "grad_norm", "sampler/logprob_gap"):
        assert results[0][key] == pytest.approx(results[1][key], rel=1e-4, abs=1e-6), key
