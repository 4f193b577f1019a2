"""The families whose packed rows are exact, by their `model_type` in transformers, and what is particular to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mr1.errors import UserError
from mr1.models.adapter import Adapter
from mr1.models.attention import share_prompts
from mr1.models.recurrent import share_states


class Packed(Adapter):
    """Causal attention, so a mask and explicit positions are all that packing takes.

    Where every layer looks back without a limit, not even a mask is made.
    """

    packs = True

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.shares = model.config._attn_implementation == "sdpa" and not self._has_windows()
        if self.shares:
            share_prompts(model)
            share_states(model)

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        if not self._has_windows():
            return super().attention(mask, input_ids, position_ids)
        # By position, not by place in the row: a completion stands far from its prompt there.
        distance = position_ids[0][:, :, None] - position_ids[0][:, None, :]
        nearby = mask & (distance < self.model.config.get_text_config().sliding_window)[:, None]
        return {
            "full_attention": super().attention(mask, input_ids, position_ids),
            "sliding_attention": super().attention(nearby, input_ids, position_ids),
        }

    def _has_windows(self) -> bool:
        return "sliding_attention" in (getattr(self.model.config.get_text_config(), "layer_types", None) or ())


class QwenVL(Packed):
    """Qwen2-VL, Qwen2.5-VL, Qwen3-VL: images as a flat list of patches, with a grid (time, height, width) for each."""

    projector_modules = ("model.visual.merger", "model.visual.deepstack_merger_list")

    def limit_pixels(self, processor: Any, minimum: int | None, maximum: int | None) -> None:
        size = processor.image_processor.size
        limits = {"shortest_edge": minimum or size["shortest_edge"], "longest_edge": maximum or size["longest_edge"]}
        if limits["shortest_edge"] > limits["longest_edge"]:
            raise UserError(
                f"loading.max_pixels: no image has at least {limits['shortest_edge']} and at most "
                f"{limits['longest_edge']} pixels; set loading.min_pixels and loading.max_pixels accordingly"
            )
        # Both names stand for numbers of pixels here, in spite of what they say.
        processor.image_processor.size = type(size)(**limits)


class LlavaOnevision(Packed):
    """LLaVA-OneVision: each prompt's images are padded to its largest number of tiles."""

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [vision | {"pixel_values": _pad_axis(vision["pixel_values"], 1, most)} for vision in prompts]
        )


class Idefics(Packed):
    """Idefics3 and SmolVLM: a row's tiles stand on the second axis, and tiles that are all zeros are padding."""

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [{name: _pad_axis(tensor, 1, most) for name, tensor in vision.items()} for vision in prompts]
        )


class Gemma3(Packed):
    """Gemma 3: the tokens of an image see each other, and most layers look back no farther than a window."""

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        image = input_ids == self.image_token_id
        starts = image & ~torch.nn.functional.pad(image, (1, 0))[:, :-1]
        block = torch.where(image, starts.cumsum(1), 0)
        together = image[:, :, None] & (block[:, :, None] == block[:, None, :])
        return super().attention(mask | together[:, None], input_ids, position_ids)

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"token_type_ids": (input_ids == self.image_token_id).long()}


ADAPTERS: dict[str, type[Adapter]] = {
    "qwen2_vl": QwenVL,
    "qwen2_5_vl": QwenVL,
    "qwen3_vl": QwenVL,
    "qwen3_vl_moe": QwenVL,
    "qwen3_5": QwenVL,
    "qwen3_5_moe": QwenVL,
    "internvl": Packed,
    "llava_onevision": LlavaOnevision,
    "smolvlm": Idefics,
    "idefics3": Idefics,
    "gemma3": Gemma3,
}


def _pad_axis(tensor: Tensor, axis: int, size: int) -> Tensor:
    """Zeros behind the tensor's end on one axis, up to `size`."""
    shape = list(tensor.shape)
    shape[axis] = size - shape[axis]
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=axis)
