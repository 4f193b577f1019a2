"""A trained checkpoint as an ordinary Hugging Face folder, low-rank weights merged in, to load anywhere.

Several checkpoints of one model can be averaged on the way: the plainest merging of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mr1.config import Loading
from mr1.errors import UserError
from mr1.models.loading import load_model_config, load_vlm
from mr1.models.lora import merge_lora


def export(
    checkpoint: str, folder: Path, loading: Loading, dtype: str | None = None, others: Sequence[str] = ()
) -> torch.dtype:
    """Write the model of a checkpoint; low-rank weights are merged in float32, then everything is rounded to `dtype`.

    Args:
        checkpoint: what `load_vlm` takes.
        folder: must not exist, or be empty.
        loading: revision and the like; its dtype is not used.
        dtype: of the weights written; None for the one that the checkpoint, or the model under it, is stored in.
        others: checkpoints whose weights are averaged with this one's, each counting alike, in float32.

    Returns:
        The dtype written.

    Raises:
        UserError: the folder is in use; a checkpoint can't be loaded; one of another architecture.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"the folder {folder} exists; choose another, or remove it")
    exact = loading.model_copy(update={"dtype": "float32"})
    vlm = merge_lora(load_vlm(checkpoint, exact, dense=True))
    if others:
        _average(vlm.model, others, exact.model_copy(update={"revision": None}), checkpoint)
    written = getattr(torch, dtype) if dtype else load_model_config(checkpoint, loading).dtype or torch.float32
    vlm.model.to(written)
    try:
        vlm.save(folder)
    except OSError as error:
        raise UserError(f"the folder {folder} can't be written: {error}") from error
    return written


@torch.no_grad()
def _average(model: Any, others: Sequence[str], loading: Loading, name: str) -> None:
    """Make a model's parameters the means of its own and of others'; those that are tied are one, and counted once.

    Raises:
        UserError: one is of another architecture.
    """
    own = dict[str, Tensor](model.named_parameters())
    for other in others:
        added = merge_lora(load_vlm(other, loading, dense=True)).model
        theirs = dict[str, Tensor](added.named_parameters())
        refusal = f"--average: {other} can't be averaged with {name}"
        if type(added) is not type(model) or theirs.keys() != own.keys():
            raise UserError(f"{refusal}: it is of another architecture")
        for key, parameter in own.items():
            if theirs[key].shape != parameter.shape:
                raise UserError(f"{refusal}: {key} is {(*theirs[key].shape,)} there and {(*parameter.shape,)} here")
            parameter += theirs[key]
    for parameter in own.values():
        parameter /= 1 + len(others)
