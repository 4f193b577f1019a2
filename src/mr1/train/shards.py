"""Checkpoints of a run of several processes: each writes its part of what is divided (torch.distributed.checkpoint).

    step-000900/
      shards/                               weights that learn in float32, AdamW's state, a reference that was reset
      config.json, processor files, ...     what `mr1 export` makes a Hugging Face folder with
      run.yaml, trainer.pt, manifest.json   as in every checkpoint (see `train.checkpoint`)

What never learns is not in it: it is in the model that the run began with. Any number of processes can go on with such
a checkpoint, one process included, and several can go on with that of one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed import checkpoint

from mr1.models.saved import SHARDS
from mr1.models.vlm import VLM
from mr1.parallel import ranks

dcp: Any = checkpoint  # much of which is not in its stubs

SAVED = "shards"
"""Where a checkpoint's state names its folder, if that has shards."""
PARTS = ("optimizer", "reference")
"""What of the trainer's state is divided, beside the weights."""


def write_shards(folder: Path, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write this process's part, while the others write theirs.

    Args:
        folder: of the checkpoint; the first process has made it.
        weights: those that learn, by name.
        state: the trainer's.
    """
    parts = {"weights": dict(weights)} | {part: state[part] for part in PARTS if part in state}
    with _quiet():
        dcp.save(parts, storage_writer=dcp.FileSystemWriter(folder / SHARDS), process_group=ranks.saving())


@torch.no_grad()
def read_weights(folder: Path, vlm: VLM) -> None:
    """Fill in a model's weights that learn, of which this process has its part or all.

    In bfloat16 one that is not divided is rounded; its master is read with the optimizer's state.
    """
    learning = {name: each.detach() for name, each in vlm.model.named_parameters() if each.requires_grad}
    into = {name: each if each.dtype == torch.float32 else each.float() for name, each in learning.items()}
    read_part(folder, "weights", into)
    for name, each in into.items():
        if each is not learning[name]:
            learning[name].copy_(each)


def read_part(folder: Path, part: str, into: dict[str, Any]) -> None:
    """Fill in the tensors of nested mappings by their names, each process its part."""
    with _quiet():
        dcp.load(
            {part: into},
            storage_reader=dcp.FileSystemReader(folder / SHARDS),
            process_group=ranks.saving(),
            no_dist=not ranks.several(),
        )


def read_moved(folder: Path, reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a reference that was reset, by name; none where it was not.

    Args:
        folder: of the checkpoint.
        reference: tensors of the same names and shapes.
    """
    into = {name: torch.zeros_like(reference[name]) for name in sorted(names_of(folder, "reference"))}
    if into:
        read_part(folder, "reference", into)
    return into


def names_of(folder: Path, part: str) -> set[str]:
    """The dotted names of all tensors of a part that were written."""
    written = dcp.FileSystemReader(folder / SHARDS).read_metadata().state_dict_metadata
    return {name.removeprefix(f"{part}.") for name in written if name.startswith(f"{part}.")}


@contextmanager
def _quiet() -> Iterator[None]:
    """torch warns of its own deprecated storages here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.distributed.*")
        yield
