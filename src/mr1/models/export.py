"""A trained checkpoint as an ordinary Hugging Face folder, low-rank weights merged in, to load anywhere."""

from __future__ import annotations

from pathlib import Path

import torch

from mr1.config import Loading
from mr1.errors import UserError
from mr1.models.loading import load_model_config, load_vlm
from mr1.models.lora import merge_lora


def export(checkpoint: str, folder: Path, loading: Loading, dtype: str | None = None) -> torch.dtype:
    """Write the model of a checkpoint; low-rank weights are merged in float32, then everything is rounded to `dtype`.

    Args:
        checkpoint: what `load_vlm` takes.
        folder: must not exist, or be empty.
        loading: revision and the like; its dtype is not used.
        dtype: of the weights written; None for the one that the checkpoint, or the model under it, is stored in.

    Returns:
        The dtype written.

    Raises:
        UserError: the folder is in use; the checkpoint can't be loaded.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"the folder {folder} exists; choose another, or remove it")
    vlm = load_vlm(checkpoint, loading.model_copy(update={"dtype": "float32"}), dense=True)
    merge_lora(vlm)
    written = getattr(torch, dtype) if dtype else load_model_config(checkpoint, loading).dtype or torch.float32
    vlm.model.to(written)
    try:
        vlm.save(folder)
    except OSError as error:
        raise UserError(f"the folder {folder} can't be written: {error}") from error
    return written
