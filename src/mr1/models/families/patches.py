"""Qwen2-VL and those after it: images as a flat list of patches, with a grid for each."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mr1.models.blocks import choose_by_position
from mr1.models.families.packed import Packed, capped
from mr1.models.pixels import Area, MostTokens, PixelLimit, Tokens


class QwenVL(Packed):
    """Qwen2-VL and those after it: images as a flat list of patches, with a grid (time, height, width) for each."""

    projector_modules: ClassVar[tuple[str, ...]] = (
        "model.visual.merger",
        "model.visual.deepstack_merger_list",
        "model.projector",
    )
    pixels: ClassVar[PixelLimit | None] = Area()


class Ernie(QwenVL):
    """ERNIE 4.5 VL: patches as Qwen's; an image's tokens and marks around them have experts of their own."""

    projector_modules = ("model.resampler_model",)

    def token_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        config = self.model.config
        seen = (config.image_token_id, config.image_start_token_id, config.image_end_token_id)
        return {"moe_mm_token_type_ids": torch.isin(input_ids, torch.tensor(seen, device=input_ids.device)).long()}


class Glm4v(QwenVL):
    """GLM-4.1V, 4.5V, 4.6V: patches as Qwen's, each of a still image repeated as the second frame of a video."""

    projector_modules = ("model.visual.merger", "model.visual.downsample")
    pixels: ClassVar[PixelLimit | None] = Area(frames=2)


class Glm5Next(Glm4v):
    """GLM 5 with vision: patches as GLM-4.1V's; recurrent layers, and layers that choose keys."""

    pixels = Tokens("max_image_tokens", "min_image_tokens")
    packs = False
    causal = False
    plain_because = "has recurrent layers, and layers that choose the keys that a token sees in its row"


class HunYuan(QwenVL):
    """HunyuanOCR: patches as Qwen's; three or four position axes, as the configuration has sections for them."""

    projector_modules = ("model.vision_tower.patch_merger",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.position_axes = len(model.config.text_config.rope_parameters["mrope_section"])


class MiniMaxM3(QwenVL):
    """MiniMax M3: patches as Qwen's; in some layers a token sees those blocks of keys alone that are chosen for it."""

    causal = False
    projector_modules = ("model.multi_modal_projector",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        choose_by_position(model)


class HyperClova(QwenVL):
    """HyperCLOVA X SEED Think: patches as Qwen's; scaled logits."""

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) * self.model.config.text_config.logits_scaling


class CohereCompass(QwenVL):
    """North Vision: patches as Qwen's; windows count tokens, more than an image has positions; scaled logits."""

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:  # noqa: ARG002
        places = mask.sum(-1)[:, 0] - 1  # how many tokens stand before each in its own sequence
        return self.by_layer(mask, mask & self.nearby(places[None]))

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) * (self.model.config.text_config.logit_scale or 1.0)


class Muse(QwenVL):
    """Muse Glimmer and Spark: patches as Qwen's; scaled logits that are then capped."""

    pixels = MostTokens()
    projector_modules = ("model.vision_adapter", "model.vision_projection")

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) * self.model.config.text_config.output_multiplier

    def head(self) -> nn.Module:
        return capped(super().head(), self.model.config.text_config.final_logit_softcapping)


class Omni(QwenVL):
    """The part of Qwen's Omni models that reads and writes text."""

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        if not vision:
            return super().positions(input_ids, vision)
        positions, _ = self.inner.get_rope_index(
            input_ids[None], image_grid_thw=vision["image_grid_thw"], attention_mask=torch.ones_like(input_ids)[None]
        )
        return positions[:, 0].long(), int(positions.max()) + 1


class Qwen4(QwenVL):
    """Qwen4-Exp: patches as Qwen's; recurrent layers with embeddings of runs of tokens, and layers that choose keys."""

    packs = False
    causal = False
    plain_because = "has recurrent layers that ask for the tokens before, and layers that choose keys in their row"


class Lfm3(QwenVL):
    """LFM3-VL: patches as Qwen's; short convolutions, windows, and layers without a limit."""

    packs = False
    causal = False
    projector_modules = ("model.multi_modal_projector",)
    plain_because = "has both convolutions, which no mask reaches, and layers with a window"
