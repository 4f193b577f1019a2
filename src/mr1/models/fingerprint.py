"""Which weights a model has, in a few characters."""

from __future__ import annotations

import hashlib

import torch

from mr1.models.vlm import VLM


def weights_fingerprint(vlm: VLM, low_rank: bool = True) -> str:
    """SHA-256 over all parameters: their names, dtypes, shapes and bytes.

    With `low_rank` off it is that of the model without its low-rank weights: the one that they were put beside.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(vlm.model.named_parameters()):
        if "lora_" in name and not low_rank:
            continue
        digest.update(f"{name.replace('.base_layer.', '.')} {parameter.dtype} {tuple(parameter.shape)}\n".encode())
        digest.update(parameter.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
