"""The families whose packed rows are exact, by their `model_type` in transformers, and what is particular to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
        return self.by_layer(mask, mask & self.nearby(position_ids))

    def by_layer(self, full: Tensor, sliding: Tensor) -> dict[str, Any]:
        """Masks, (B, 1, S, S) bool, of both kinds of layers as the model's forward takes them."""
        return {"full_attention": self.as_taken(full), "sliding_attention": self.as_taken(sliding)}

    def nearby(self, position_ids: Tensor) -> Tensor:
        """(B, 1, S, S) bool, True where a token is within the window of another, behind it or anywhere after it.

        By position, not by place in the row: a completion stands far from its prompt there.
        """
        distance = position_ids[0][:, :, None] - position_ids[0][:, None, :]
        return (distance < self.model.config.get_text_config().sliding_window)[:, None]

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


class Ernie(QwenVL):
    """ERNIE 4.5 VL: patches as Qwen's; an image's tokens and the marks around them pass through experts of their own."""

    projector_modules = ("model.resampler_model",)

    def token_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        config = self.model.config
        seen = (config.image_token_id, config.image_start_token_id, config.image_end_token_id)
        return {"moe_mm_token_type_ids": torch.isin(input_ids, torch.tensor(seen, device=input_ids.device)).long()}


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
        together = _same_run(input_ids == self.image_token_id)
        return self.by_layer(mask | together, mask & self.nearby(position_ids) | together)

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"token_type_ids": (input_ids == self.image_token_id).long()}


class Gemma4(Packed):
    """Gemma 4: an image's tokens see each other in layers with a window alone, and in the larger models alone."""

    projector_modules = ("model.embed_vision",)

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        seen = mask
        if self.model.config.get_text_config().use_bidirectional_attention == "vision":
            seen = mask | _same_run(input_ids == self.image_token_id)
        return self.by_layer(mask, seen & self.nearby(position_ids))

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"mm_token_type_ids": (input_ids == self.image_token_id).long()}

    def limit_pixels(self, processor: Any, minimum: int | None, maximum: int | None) -> None:
        from transformers.models.gemma4.image_processing_pil_gemma4 import _SUPPORTED_SOFT_TOKENS as STEPS

        images = processor.image_processor
        token = (images.patch_size * images.pooling_kernel_size) ** 2
        fitting = [
            step for step in STEPS if (minimum or 0) <= step * token <= (maximum or images.max_soft_tokens * token)
        ]
        if not fitting:
            raise UserError(
                f"loading.max_pixels: images have at most {', '.join(str(step * token) for step in STEPS)} pixels; set "
                "loading.min_pixels and loading.max_pixels so that one of these is between them"
            )
        images.max_soft_tokens = fitting[-1]

    def head(self) -> nn.Module:
        return _capped(super().head(), self.model.config.get_text_config().final_logit_softcapping)


class Gemma4Unified(Gemma4):
    """Gemma 4 without a vision tower: patches of pixels become tokens by one linear layer."""

    vision_modules = ("model.embed_vision",)
    projector_modules = ("model.embed_vision.multimodal_embedder",)

    def own_mask(self, input_ids: Tensor, mask: Tensor, cache: Any = None) -> dict[str, Any]:
        # In transformers 5.23 its forward lets images see themselves in all layers and through the window's end, its
        # `generate` only as Gemma 4 does, and as the model was trained: huggingface/transformers#46711.
        shape = torch.empty(*input_ids.shape, 0, dtype=self.model.dtype, device=input_ids.device)
        masks = self.model.create_masks_for_generate(
            self.model.config,
            inputs_embeds=shape,
            attention_mask=mask,
            past_key_values=cache,
            position_ids=None,
            **self.text_arguments(input_ids),
        )
        return {"attention_mask": masks}


class Gemma3n(Packed):
    """Gemma 3n: causal, most layers within a window; the last layers have the keys of earlier ones; logits are capped."""

    projector_modules = ("model.embed_vision",)

    def head(self) -> nn.Module:
        return _capped(super().head(), self.model.config.get_text_config().final_logit_softcapping)


class Capped(nn.Module):
    """A head whose logits come no farther from zero than a limit."""

    def __init__(self, head: nn.Module, limit: float) -> None:
        super().__init__()
        self.head, self.limit = head, limit

    @property
    def weight(self) -> Any:
        """(V, H)."""
        return self.head.weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., H) to (..., V)."""
        return torch.tanh(self.head(hidden) / self.limit) * self.limit


ADAPTERS: dict[str, type[Adapter]] = {
    "qwen2_vl": QwenVL,
    "qwen2_5_vl": QwenVL,
    "qwen3_vl": QwenVL,
    "qwen3_vl_moe": QwenVL,
    "qwen3_5": QwenVL,
    "qwen3_5_moe": QwenVL,
    "ernie4_5_vl_moe": Ernie,
    "internvl": Packed,
    "llava_onevision": LlavaOnevision,
    "smolvlm": Idefics,
    "idefics3": Idefics,
    "gemma3": Gemma3,
    "gemma3n": Gemma3n,
    "gemma4": Gemma4,
    "gemma4_unified": Gemma4Unified,
}


def _pad_axis(tensor: Tensor, axis: int, size: int) -> Tensor:
    """Zeros behind the tensor's end on one axis, up to `size`."""
    shape = list(tensor.shape)
    shape[axis] = size - shape[axis]
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=axis)


def _same_run(image: Tensor) -> Tensor:
    """(B, S) bool, True for image tokens, to (B, 1, S, S) bool, True where both are of one run of them."""
    starts = image & ~torch.nn.functional.pad(image, (1, 0))[:, :-1]
    run = torch.where(image, starts.cumsum(1), 0)
    return (image[:, :, None] & (run[:, :, None] == run[:, None, :]))[:, None]


def _capped(head: nn.Module, limit: float | None) -> nn.Module:
    return Capped(head, limit) if limit else head
