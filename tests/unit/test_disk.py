"""The disk that a run will take, by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from mr1.config import Config
from mr1.models.vlm import VLM
from mr1.tables import encode_images
from mr1.tasks import load_task
from mr1.train.checkpoint import copy_size_of, size_of
from mr1.train.disk import Disk, needed_disk

TEXT = 4 * 48
"""Bytes of a completion as long as `make_config` lets it be."""


@pytest.mark.parametrize(
    ("disk", "text"),
    [
        (
            Disk(checkpoint=999, checkpoints=2_500, samples=1_234_567, free=3_210_000_000),
            "disk: checkpoints up to 2.5 kB (999 B each), samples up to 1.23 MB; 3.21 GB are free",
        ),
        (
            Disk(1000, 10**6, 10**9, 10**12),
            "disk: checkpoints up to 1 MB (1 kB each), samples up to 1 GB; 1 TB are free",
        ),
        (
            Disk(7, 7, 8, 15),
            "disk: checkpoints up to 7 B (7 B each), samples up to 8 B; 15 B are free",
        ),
        (
            Disk(7, 7, 8, 14),
            "disk: checkpoints up to 7 B (7 B each), samples up to 8 B; 14 B are free, which may not be enough: see "
            "checkpoint.keep and samples_every",
        ),
        (
            Disk(7, 7, 8, 17, served=3),
            "disk: checkpoints up to 7 B (7 B each), samples up to 8 B, weights for servers 3 B; 17 B are free, which "
            "may not be enough: see checkpoint.keep and samples_every",
        ),
    ],
)
def test_what_is_said(disk: Disk, text: str) -> None:
    assert str(disk) == text


def image_bytes(task: str, seed: int) -> int:
    return sum(len(image["bytes"]) for image in encode_images(load_task(task).sample("train", seed, 0).images))


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({"steps": 6}, 6),
        ({"steps": 6, "samples_every": 4}, 2),
        ({"steps": 6, "updates_per_rollout": 2}, 3),
        ({"steps": 1, "samples_every": 4, "evaluation__every": 0}, 1),
    ],
)
def test_samples_by_hand(
    tiny: VLM, make_config: Callable[..., Config], tmp_path: Path, settings: dict[str, Any], batches: int
) -> None:
    trained, evaluated = image_bytes("counting", 7), image_bytes("geometry", 7)
    assert trained != evaluated
    config = make_config(seed=7, evaluation__tasks="[geometry]", evaluation__final_samples=5, **settings)
    disk = needed_disk(config, tiny, tmp_path)
    assert disk.samples == batches * 3 * (trained + 4 * TEXT) + 2 * 5 * (evaluated + TEXT)
    assert disk.free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    alone = make_config(seed=7, evaluation__final_samples=0, **settings)
    assert needed_disk(alone, tiny, tmp_path).samples == batches * 3 * (trained + 4 * TEXT)
    both = make_config(seed=7, task="[geometry,counting]", evaluation__final_samples=5, **settings)
    most = max(trained, evaluated)
    assert needed_disk(both, tiny, tmp_path).samples == batches * 3 * (most + 4 * TEXT) + 2 * 2 * 5 * (most + TEXT)


def test_images_of_a_source_are_those_of_its_first_row(
    tiny: VLM, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"task": "own", "evaluation__tasks": "[own]", "steps": 1}
    settings |= {"evaluation__final_samples": 0, "evaluation__every": 0}
    (tmp_path / "damaged.png").write_text("no image")
    # Text alone; an image that will be reported when it comes.
    for name, image in (("plain", {}), ("damaged", {"image": "damaged.png"})):
        rows = tmp_path / f"{name}.jsonl"
        rows.write_text(json.dumps({"question": "How many?", "answer": "1", **image}) + "\n")
        config = make_config(sources__own__path=rows, **settings)
        assert needed_disk(config, tiny, tmp_path).samples == 3 * 4 * TEXT


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"keep": 2, "every": 1}, 3),
        ({"keep": 9, "every": 2}, 4),  # after steps 2, 4 and 5, and the one that is being written
        ({"keep": 9, "every": 5}, 2),
        ({"keep": 9, "every": 0}, 2),
        ({"keep": 9, "every": 0, "keep_best": True}, 3),
        ({"keep": 1, "every": 1, "keep_every": 2}, 4),  # of steps 2 and 4 for good
    ],
)
def test_checkpoints_by_hand(
    tiny: VLM, make_config: Callable[..., Config], tmp_path: Path, settings: dict[str, Any], count: int
) -> None:
    disk = needed_disk(make_config(steps=5, checkpoint=settings), tiny, tmp_path)
    assert (disk.checkpoint, disk.checkpoints) == (size_of(tiny), count * size_of(tiny))


def test_a_reference_that_moves_is_in_the_checkpoints(
    tiny: VLM, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    disk = needed_disk(make_config(kl__reset_every=1), tiny, tmp_path)
    assert disk.checkpoint == size_of(tiny) + sum(parameter.nbytes for parameter in tiny.model.parameters())


def test_a_checkpoints_size_by_hand() -> None:
    model = nn.Module()
    model.lora_a = nn.Parameter(torch.zeros(3))
    model.small = nn.Parameter(torch.zeros(5, dtype=torch.bfloat16))
    model.frozen = nn.Parameter(torch.zeros(7), requires_grad=False)
    full = cast("VLM", SimpleNamespace(model=model, lora=None))
    assert size_of(full) == (3 * 4 + 5 * 2 + 7 * 4) + 3 * 8 + 5 * 12
    assert copy_size_of(full) == size_of(full) - 7 * 4
    low_rank = cast("VLM", SimpleNamespace(model=model, lora=object()))
    model.small.requires_grad = False
    assert size_of(low_rank) == copy_size_of(low_rank) == 3 * 4 + 3 * 8
    assert size_of(low_rank, resets=True) == size_of(low_rank) + 3 * 4
