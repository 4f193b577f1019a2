"""Gemma 3 and 4, and PaliGemma: windows, and image tokens that see each other."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mr1.errors import UserError
from mr1.models.families.packed import Packed, capped, same_run
from mr1.models.pixels import SoftTokens


class Gemma3(Packed):
    """Gemma 3: the tokens of an image see each other, and most layers look back no farther than a window."""

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        together = same_run(input_ids == self.image_token_id)
        return self.by_layer(mask | together, mask & self.nearby(position_ids) | together)

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"token_type_ids": (input_ids == self.image_token_id).long()}


class Gemma4(Packed):
    """Gemma 4: an image's tokens see each other in layers with a window alone, and in the larger models alone."""

    pixels = SoftTokens()
    projector_modules = ("model.embed_vision",)

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        seen = mask
        if self.model.config.get_text_config().use_bidirectional_attention == "vision":
            seen = mask | same_run(input_ids == self.image_token_id)
        return self.by_layer(mask, seen & self.nearby(position_ids))

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"mm_token_type_ids": (input_ids == self.image_token_id).long()}

    def head(self) -> nn.Module:
        return capped(super().head(), self.model.config.get_text_config().final_logit_softcapping)


class Gemma4Unified(Gemma4):
    """Gemma 4 without a vision tower: patches of pixels become tokens by one linear layer."""

    generation: ClassVar[dict[str, Any]] = {"cache_implementation": "static"}  # for its masks: see `own_mask`
    vision_modules = ("model.embed_vision",)
    projector_modules = ("model.embed_vision.multimodal_embedder",)

    def own_mask(
        self,
        input_ids: Tensor,
        mask: Tensor,
        cache: Any = None,
        prompt: int | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        # In transformers 5.23 its forward lets images see themselves in all layers and through the window's end, its
        # `generate` only as Gemma 4 does, and as the model was trained: huggingface/transformers#46711.
        shape = torch.empty(*input_ids.shape, 0, dtype=self.dtype, device=input_ids.device)
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
    """Gemma 3n: most layers have a window, the last ones the keys of earlier ones; logits are capped."""

    projector_modules = ("model.embed_vision",)

    def head(self) -> nn.Module:
        return capped(super().head(), self.model.config.get_text_config().final_logit_softcapping)


class PaliGemma(Packed):
    """PaliGemma: all of a prompt sees itself, and the first position is 1; there is no prompt without an image."""

    causal = False
    two_way = True
    needs_images = True

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        if self._has_windows():
            raise UserError(
                "model: PaliGemma 2 can't be trained: in transformers its forward takes no mask of one's own for "
                "layers with a window; choose a PaliGemma of the first kind"
            )

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        positions, following = super().positions(input_ids, vision)
        return positions + 1, following + 1

    def own_mask(
        self,
        input_ids: Tensor,
        mask: Tensor,
        cache: Any = None,  # noqa: ARG002
        prompt: int | None = None,
    ) -> dict[str, Any]:
        """Behind a cache the types count for nothing; else all is prompt where nothing else is said."""
        types = torch.zeros_like(input_ids)
        if prompt is not None:
            types[:, prompt:] = 1
        return {"attention_mask": mask, "token_type_ids": types}

    def head(self) -> nn.Module:
        return capped(super().head(), getattr(self.model.config.get_text_config(), "final_logit_softcapping", None))
