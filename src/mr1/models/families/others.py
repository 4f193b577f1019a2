"""Families that are like no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mr1.models.families.packed import Packed, capped
from mr1.models.families.tiled import Tiles
from mr1.models.headless import WithoutHead
from mr1.models.llama4 import Llama4WithoutHead, lengthen_by_position
from mr1.models.pixels import Area, Sides, Tokens
from mr1.models.tiles import Number


class Llama4(Tiles):
    """Llama 4: most layers look back no farther than to the beginning of a chunk."""

    causal = False
    vision_modules = ("vision_model",)
    projector_modules = ("multi_modal_projector",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        lengthen_by_position(model)

    def without_head(self, model: Any) -> Any:
        return Llama4WithoutHead(model)

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:  # noqa: ARG002
        chunk = position_ids[0] // self.model.config.text_config.attention_chunk_size
        same = (chunk[:, :, None] == chunk[:, None, :])[:, None]
        return {"full_attention": self.as_taken(mask), "chunked_attention": self.as_taken(mask & same)}


class Kimi(Packed):
    """Kimi K2.5: keys and values of low rank; images are never made larger, only smaller."""

    pixels = Sides()
    projector_modules = ("model.mm_projector",)

    def as_given(self, vision: dict[str, Tensor]) -> dict[str, Tensor]:
        given = super().as_given(vision)
        # Its tower, unlike others, brings pixels into no other dtype.
        return given | {name: given[name].to(self.dtype) for name in ("pixel_values",) if name in given}


class Molmo2(Packed):
    """Molmo 2: all that is of images, marks among it, sees all else that is, before and behind it."""

    causal = False
    tiles = Number("max_crops")

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        names = ("<im_patch>", "<im_col>", "<im_start>", "<low_res_im_start>", "<im_end>", "<im_low>")
        self.of_images = torch.tensor(tokenizer.convert_tokens_to_ids([*names, "<frame_start>", "<frame_end>"]))

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        shifted, before = [], 0
        for vision in prompts:  # tokens are pooled of patches, which have numbers
            pooled = vision["image_token_pooling"]
            shifted.append(vision | {"image_token_pooling": torch.where(pooled >= 0, pooled + before, pooled)})
            before += vision["pixel_values"].shape[:2].numel()
        return super().collate_vision(shifted)

    def token_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:
        return {"mm_token_type_ids": torch.isin(input_ids, self.of_images.to(input_ids.device)).long()}

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:  # noqa: ARG002
        image = self.token_arguments(input_ids)["mm_token_type_ids"].bool()
        return self.as_taken(mask | (image[:, None, :, None] & image[:, None, None, :]))


class Step(Packed):
    """Step 3.7: each image as a whole and, where it is large, in patches, which stand apart."""

    unlimited_because = "cuts an image into patches of no fixed size, as many as its shape asks for"

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        local = [vision["pixel_values_local"] for vision in prompts if "pixel_values_local" in vision]
        whole = [{name: each for name, each in vision.items() if name != "pixel_values_local"} for vision in prompts]
        return super().collate_vision(whole) | ({"pixel_values_local": torch.cat(local)} if local else {})


class DeepseekOcr2(Step):
    """DeepSeek-OCR 2: images as Step's."""

    unlimited_because = "has a number of tiles that its processor's class sets, whatever its settings say"

    projector_modules = ("model.multi_modal_projector", "model.view_separator")


class DeepseekHybrid(Packed):
    """DeepSeek-VL 7B: a second tower, for larger images, whose features are added to the first's."""

    more_vision_modules = (
        "model.high_res_vision_model",
        "model.high_res_vision_neck",
        "model.high_res_vision_proj",
        "model.high_res_vision_alpha",
    )


class Aria(Packed):
    """Aria: an image's size is the processor's class's."""

    unlimited_because = "makes every image 980 x 980 pixels by its processor's class, whatever its settings say"


class Inkling(Packed):
    """Inkling, Inkling 2: short convolutions in every layer, keys weighed by distance; scaled or capped logits."""

    unlimited_because = "cuts an image into patches at its own size"

    packs = False
    causal = False
    pads = False  # queries are made longer by the token's place in the row, padding counted
    plain_because = "has short convolutions in every layer, which no mask reaches"
    projector_modules = ("model.vision_tower.merger", "model.vision_tower.final_norm")

    def head(self) -> nn.Module:
        return capped(super().head(), getattr(self.model.config.get_text_config(), "final_logit_softcapping", None))

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        scale = getattr(self.model.config.get_text_config(), "logits_mup_width_multiplier", 1.0)
        return super().hidden_states(*arguments, **named) / scale

    def forbidden_tokens(self) -> list[int]:
        known = self.model.config.get_text_config().unpadded_vocab_size or self.vocabulary()
        return sorted({*super().forbidden_tokens(), *range(known, self.vocabulary())})


class Dots3(Packed):
    """Dots 3 Note: patches as Qwen's; layers with a window, and layers that choose keys."""

    pixels = Area()
    packs = False
    causal = False
    projector_modules = ("model.vision_tower.merger",)
    plain_because = "has layers with a window, and layers that choose the keys that a token sees in its row"


class NemotronOmni(Packed):
    """Nemotron 3 Nano Omni: patches, with a grid (height, width) for each image; most layers are recurrent."""

    pixels = Tokens("max_num_patches", "min_num_patches", ("patch_size",))
    packs = False
    causal = False
    plain_because = "has recurrent layers (Mamba), which no mask reaches"
    vision_modules = ("vision_model",)
    projector_modules = ("multi_modal_projector",)

    def without_head(self, model: Any) -> Any:
        return WithoutHead(model)

    def output_embeddings(self) -> Any:
        return self.model.language_model.lm_head
