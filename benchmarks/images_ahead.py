"""What it saves to make the next batch's images beside the step: python -m benchmarks.images_ahead FOLDER [--steps 10]

Two runs of a small random Qwen2-VL on JPEGs of 1600 x 1200 pixels, scaled to 448 x 448 at most, take turns by steps:
one makes each batch by a thread while the step before it is under way, the other when it is asked for.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.models.small import build_small
from mr1.report.console import Console
from mr1.train.data import PromptSource
from mr1.train.loop import Trainer
from mr1.train.run import Run
from mr1.types import Prompt

IMAGES = 16


class WaitingSource(PromptSource):
    """Makes a batch when it is asked for."""

    def batch(self, last: bool = False) -> list[Prompt]:  # noqa: ARG002
        return super().batch(last=True)


def write_images(folder: Path) -> None:
    """JPEGs of coarse noise, and the rows that name them."""
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        coarse = Image.fromarray(random.integers(0, 256, (75, 100, 3), np.uint8))
        coarse.resize((1600, 1200), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
    rows = [{"question": f"{n}?", "answer": str(n), "images": [f"{n}.jpg"]} for n in range(IMAGES)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_trainer(folder: Path, name: str, steps: int) -> Trainer:
    """A run that evaluates nothing and keeps no image."""
    config = Config.model_validate(
        {
            "name": name,
            "output": str(folder / "runs"),
            "steps": steps,
            "method": "grpo",
            "model": str(folder / "model"),
            "loading": {"max_pixels": 448 * 448},
            "sources": {"own": {"path": str(folder / "rows.jsonl")}},
            "task": "own",
            "image_cache": 0,
            "prompts_per_step": 4,
            "rollout": {"group_size": 4, "max_new_tokens": 32},
            "kl": {"weight": 0.0},
            "evaluation": {"final_samples": 0},
        }
    )
    trainer = Trainer(config, Run(config, "overwrite"), Console(RichConsole(file=io.StringIO())))
    trainer.run.open()
    return trainer


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    folder, steps = arguments.folder, arguments.steps + 2
    folder.mkdir(parents=True, exist_ok=True)
    write_images(folder)
    build_small("qwen2_vl", folder / "model")
    trainers = {name: make_trainer(folder, name, steps) for name in ("ahead", "waiting")}
    waiting = trainers["waiting"]
    waiting.source = WaitingSource(waiting.config, waiting.cache, waiting.left_out)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for step in range(steps):
        for name in sorted(trainers, reverse=step % 2 == 1):
            start = time.perf_counter()
            trainers[name].train_step(step)
            if (ahead := trainers[name].source._ahead) is not None:
                # Not to be at work in the other one's turn; the next step would wait for what is left of it.
                ahead.result()
            seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(each[2:]) for name, each in seconds.items()}
    for name, each in middle.items():
        print(f"{name:8s} {each:.3f} s a step (median of {arguments.steps}; the first two left out)")
    print(f"ratio    {middle['ahead'] / middle['waiting']:.2f}; {torch.get_num_threads()} threads, {torch_device()}")


def torch_device() -> str:
    """Where the steps ran."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    main()
