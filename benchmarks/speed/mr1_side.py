"""MR1's own `Trainer`, step by step: python -m benchmarks.speed.mr1_side FOLDER (see `worker`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Imported before memory is counted, as on the other side.
import datasets  # noqa: F401
import torch
from rich.console import Console as RichConsole

from benchmarks.speed.meter import Meter
from benchmarks.speed.work import Work, dtype_name, import_family, read_work
from benchmarks.speed.worker import Channel
from mr1.config import Config
from mr1.report.console import Console
from mr1.train.loop import Trainer
from mr1.train.run import Run

LEARNING_RATE = 1e-6


class MeteredTrainer(Trainer):
    """The trainer with a meter in place of its clock, whose completions don't end before their longest."""

    meter: Meter

    def watch(self, meter: Meter) -> None:
        """Attach the meter."""
        self.meter = meter
        self.policy.stop_tokens = lambda: [-1]  # type: ignore[method-assign]
        models = [self.policy.model]
        if self.reference is not None:
            with self.reference() as reference:
                models.append(reference.model)
        meter.counter.watch(self.policy.processor.image_processor, models)
        self.peak: dict[str, int] = {}

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        if phase == "score":
            self.meter.watch_memory()
        with super().timed(phase), self.meter.phase(phase):
            yield
        if phase == "update":
            self.peak = self.meter.peak()


def settings(work: Work, steps: int, folder: Path, given: dict[str, Any] | None = None) -> Config:
    """A run of the work: all parts learn, nothing is evaluated, all else is as a recipe has it by default."""
    return Config.model_validate(
        {
            "name": "mr1",
            "output": str(folder / "runs"),
            "steps": steps,
            "method": "grpo",
            "model": str(folder / "model"),
            "loading": {"dtype": dtype_name()},
            "sources": {"bench": {"path": str(folder / "data.jsonl")}},
            "task": "bench",
            "prompts_per_step": work.prompts,
            "rewards": {"benchmarks.speed.reward:letters": 1.0},
            "rollout": {"group_size": work.group_size, "max_new_tokens": work.new_tokens},
            "kl": {"weight": work.beta},
            "optimizer": {"learning_rate": LEARNING_RATE, "schedule": "constant"},
            "evaluation": {"tasks": ["bench"], "every": 0, "final_samples": 0},
        }
        | (given or {})
    )


def main() -> None:
    """The side."""
    channel, folder = Channel(), Path(sys.argv[1])
    work, steps = read_work(folder)
    import_family(work)  # before memory is counted, as on the other side
    config = settings(work, steps, folder, json.loads(sys.argv[2]))
    meter = Meter()
    trainer = MeteredTrainer(config, Run(config, "overwrite"), Console(RichConsole(quiet=True)))
    trainer.watch(meter)
    trainer.run.open()
    parameters = sum(parameter.numel() for parameter in trainer.policy.model.parameters())
    prompt = trainer.cache.prompt(trainer.source.tasks["bench"], "train", config.seed, 0, config.prompt)
    channel.say({"parameters": parameters, "prompt_tokens": len(prompt), "threads": torch.get_num_threads()})
    for step in range(steps):
        command = channel.command()
        if command == "quit":
            return
        meter.begin(counting=command == "count")
        trainer.train_step(step)
        channel.say(meter.end(trainer.peak))


if __name__ == "__main__":
    main()
