"""A prompt's image tensors in the form in which vLLM takes them: the trainer's own, so that both see the same pixels.

vLLM gets no picture and runs no processor of its own. Each image is an item of the tensors that its model's forward
takes, with how items are put together: `flat`, behind each other, or `batched`, as a stack
(`vllm/model_executor/models/qwen2_vl.py`, 0.32.0).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import torch
from torch import Tensor

from mr1.errors import UserError
from mr1.models.vlm import VLM
from mr1.rollout.vllm.pack import packed
from mr1.types import Prompt

PATCHES = {"pixel_values", "image_grid_thw"}
"""What families whose images are rows of patches with a grid for each (Qwen2-VL and its successors) are given."""


def image_features(vlm: VLM, prompt: Prompt, salt: str) -> dict[str, Any] | None:
    """The `features` of a request: each image's tensors, place in the prompt, and hash; None for text alone.

    Args:
        vlm: whose image token it is.
        prompt: with any number of images.
        salt: goes into the hash, by which vLLM keeps what its vision tower made: other weights, another salt.

    Raises:
        UserError: a family whose tensors vLLM takes in a form that is not known here.
    """
    if not prompt.vision:
        return None
    if prompt.vision.keys() != PATCHES:
        raise UserError(
            f"rollout.engine: how vLLM takes the images of the family '{vlm.model.config.model_type}' is not known to "
            f"MR1, which knows those of Qwen2-VL and its successors; set rollout.engine=local"
        )
    # The towers round pixels to their dtype before all else, here as there: rounded ones are half as many bytes.
    items = _items(prompt.vision["pixel_values"].to(vlm.adapter.dtype), prompt.vision["image_grid_thw"])
    data = [base64.b64encode(packed(item)).decode() for item in items]
    return {
        "mm_hashes": {"image": [hashlib.sha256(f"{salt} {each}".encode()).hexdigest() for each in data]},
        "mm_placeholders": {"image": places(prompt, vlm.adapter.image_token_id)},
        "kwargs_data": {"image": data},
    }


def places(prompt: Prompt, image_token: int) -> list[dict[str, int]]:
    """Where each image's tokens are, in the prompt's order: the first one's place and how many they are."""
    patches = prompt.vision["image_grid_thw"].prod(-1)
    tokens = (prompt.input_ids == image_token).nonzero()[:, 0]
    each = int(patches.sum()) // max(len(tokens), 1)  # patches that one token stands for
    parts = tokens.split((patches // max(each, 1)).tolist())
    assert all(int(part[-1] - part[0]) + 1 == len(part) for part in parts), "an image's tokens stand together"
    return [{"offset": int(part[0]), "length": len(part)} for part in parts]


def _items(pixels: Tensor, grids: Tensor) -> list[dict[str, Any]]:
    """Each image's own rows of patches, (P, W), and its grid, (3,)."""
    sizes = grids.prod(-1).tolist()
    ends = torch.tensor(sizes).cumsum(0).tolist()
    slices = [[end - size, end, None] for size, end in zip(sizes, ends, strict=True)]
    return [
        {
            "pixel_values": {
                "data": rows,
                "field": ["flat", {"keep_on_cpu": False, "slices": slices, "dim": 0}],
            },
            "image_grid_thw": {"data": grid, "field": ["batched", {"keep_on_cpu": True}]},
        }
        for rows, grid in zip(pixels.split(sizes), grids, strict=True)
    ]
