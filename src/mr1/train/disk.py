"""The disk that a run will take, told at its start."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mr1.config import Config
from mr1.errors import UserError
from mr1.models.vlm import VLM
from mr1.tables import encode_images
from mr1.tasks import load_task
from mr1.train.checkpoint import size_of
from mr1.writing import size

BYTES_PER_TOKEN = 4
"""Of text, roughly; Parquet takes less."""


@dataclass(frozen=True)
class Disk:
    """Bytes."""

    checkpoint: int
    """One of them."""
    checkpoints: int
    """The most that are there at a time: those that are kept, and the one that is being written."""
    samples: int
    """Of all recorded steps and evaluations, at most nearly: every completion as long as it may be."""
    free: int
    served: int = 0
    """Of the weights that servers of rollouts read."""

    def __str__(self) -> str:
        text = (
            f"disk: checkpoints up to {size(self.checkpoints)} ({size(self.checkpoint)} each), samples up to "
            f"{size(self.samples)}"
        )
        text += f", weights for servers {size(self.served)}" if self.served else ""
        text += f"; {size(self.free)} are free"
        lacks = self.checkpoints + self.samples + self.served > self.free
        return text + (", which may not be enough: see checkpoint.keep and samples_every" if lacks else "")


def needed_disk(config: Config, policy: VLM, folder: Path, modules: Iterable[nn.Module] = ()) -> Disk:
    """What a run will write, by its settings, its policy and its method's modules, and each task's first images."""
    checkpoint = size_of(policy, modules, config.kl.resets)
    keep = config.checkpoint
    for_good = config.steps // keep.keep_every if keep.keep_every else 0
    most = min(keep.keep + for_good, _checkpoints(config)) + 1 + keep.keep_best
    text = BYTES_PER_TOKEN * config.rollout.max_new_tokens
    group = config.rollout.group_size * text
    recorded = -(-config.steps // config.updates_per_rollout // config.samples_every)
    samples = recorded * config.prompts_per_step * (_images(config, config.tasks) + group)
    stages = 2 * len(config.evaluation.tasks) * config.evaluation.final_samples
    samples += stages * (_images(config, config.evaluation.tasks) + text) if stages else 0
    weights = sum(each.numel() * each.element_size() for each in policy.model.parameters())
    served = weights if config.rollout.engine == "vllm" else 0
    return Disk(checkpoint, most * checkpoint, samples, shutil.disk_usage(folder).free, served)


def _checkpoints(config: Config) -> int:
    every = config.steps_between_checkpoints
    return -(-config.steps // every) if every else 1


def _images(config: Config, tasks: Iterable[str]) -> int:
    """Bytes of a sample's images, the largest of the tasks' first samples."""
    most = 0
    for name in tasks:
        task = load_task(name, config.sources)
        with suppress(UserError):  # its row will be reported when it comes
            encoded = encode_images(task.sample(task.splits[0], config.seed, 0).images)
            most = max(most, sum(len(image["bytes"]) for image in encoded))
    return most
