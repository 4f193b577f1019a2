"""A batch that a run has kept, damaged: `mr1 replay` runs it again, or refuses it by its name."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import mr1
from benchmarks.fuzz.kinds import mutated, said
from mr1.errors import UserError
from mr1.train.batches import FOLDER
from mr1.train.replay import replay

REWARD = "def reward(completions, **_):\n    return [3e38] * (len(completions) - 1) + [0.0]\n"
"""Finite scores whose sum is not, so that the update is skipped and its batch kept."""
ODD: tuple[Any, ...] = (None, "", "x" * 5000, -1, 2**70, float("nan"), [], {}, [None], {"a": 1}, True, b"\0", ("a",))


class Batches:
    """One batch of three completions."""

    def __init__(self, folder: Path) -> None:
        (folder / "mine.py").write_text(REWARD)
        settings = {
            "name": "run",
            "output": str(folder),
            "method": "grpo",
            "task": "counting",
            "steps": 1,
            "prompts_per_step": 1,
            "rewards": {f"{folder}/mine.py:reward": 1.0},
            "rollout": {"group_size": 3, "max_new_tokens": 8},
            "kl": {"weight": 0.01},
            "evaluation": {"samples": 1, "final_samples": 1},
        }
        run = mr1.train(settings, quiet=True).folder
        (self.path,) = (run / FOLDER).glob("step-*.pt")
        self.whole = self.path.read_bytes()

    def draw(self, rng: random.Random, _number: int) -> bytes:
        """Other bytes, or other values in a file that is whole."""
        if rng.random() < 0.4:
            return mutated(rng, [self.whole], [b"\0" * 64, b"\xff" * 8, b"PK\3\4"])
        held = torch.load(io.BytesIO(self.whole), weights_only=True)
        for _ in range(rng.choice((1, 1, 2))):
            holder, key = rng.choice([*places(held)])
            holder[key] = changed(holder[key], rng)
        file = io.BytesIO()
        torch.save(held, file)
        return file.getvalue()

    def kept(self, file: Path) -> bytes:
        return file.read_bytes()

    def read(self, value: bytes) -> str:
        self.path.write_bytes(value)
        try:
            replay(self.path)
        except UserError as error:
            if self.path.name not in str(error):
                raise
            return said(error)
        finally:
            self.path.write_bytes(self.whole)
        return "run again"


def places(held: Any) -> Iterator[tuple[Any, Any]]:
    """Each place of a value within mappings and lists: what holds it, and under which key."""
    if isinstance(held, dict | list):
        for key in held if isinstance(held, dict) else range(len(held)):
            yield held, key
            yield from places(held[key])


def changed(value: Any, rng: random.Random) -> Any:
    """Something else in a value's place; of a tensor often one of another shape, type or range."""
    if not isinstance(value, torch.Tensor) or rng.random() < 0.3:
        return rng.choice(ODD)
    match rng.randrange(7):
        case 0:
            return value[:0]
        case 1:
            return torch.cat([value, value])
        case 2:
            return value.unsqueeze(0)
        case 3:
            return value.to(rng.choice((torch.float64, torch.int64, torch.bool, torch.complex64)))
        case 4 if value.numel():
            return value.flatten()[:1].expand(2**40)
        case 5:
            return torch.full_like(value, rng.choice((0, 1, 100)))
        case _:
            limit = torch.iinfo(value.dtype).max if not value.is_floating_point() and value.dtype != torch.bool else 1
            return torch.full_like(value, rng.choice((-1, limit, limit // 2)))
