"""The policy's weights as a folder of safetensors, which servers read: low-rank weights are merged in, once.

What is written is a copy; the policy's own weights are not touched, so that no rounding of a merge stays in them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor

from mr1.errors import DiskError, UserError
from mr1.models.lora import is_linear, whole_weight
from mr1.models.quantize import is_quantized
from mr1.models.vlm import VLM


@torch.no_grad()
def merged_weights(vlm: VLM) -> dict[str, Tensor]:
    """The weights by the names that the model has for them without low-rank ones.

    Raises:
        UserError: weights of four bits, or low-rank weights beside experts', which this can't merge.
    """
    if is_quantized(vlm.model):
        raise UserError("loading.quantize: weights of four bits can't be given to vLLM; leave it out")
    merged: dict[str, Tensor] = {}
    for name, weight in vlm.model.state_dict().items():
        if ".lora_" in name:
            continue
        layer, found, own = name.rpartition(".base_layer.")
        if not found:
            merged[name] = weight
            continue
        module = vlm.model.get_submodule(layer)
        if not is_linear(module):
            raise UserError(f"lora.targets: low-rank weights at {layer} can't be merged for vLLM; leave them out")
        merged[f"{layer}.{own}"] = whole_weight(module) if own == "weight" else weight
    return merged


def write_weights(vlm: VLM, folder: Path) -> None:
    """Write an ordinary Hugging Face folder, without a processor, in the place of what is there.

    Raises:
        DiskError: it can't be written.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        vlm.model.save_pretrained(folder, state_dict=merged_weights(vlm))
    except OSError as error:
        raise DiskError(f"{folder}: the weights for vLLM can't be written ({error}); make room for a model") from error
