"""The families whose packed rows are exact, by their `model_type` in transformers, and what is particular to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mr1.errors import UserError
from mr1.models.adapter import Adapter
from mr1.models.attention import share_prompts
from mr1.models.blocks import choose_by_position
from mr1.models.llama4 import WithoutHead, lengthen_by_position
from mr1.models.recurrent import has_states, share_states
from mr1.models.tiles import limit_edge, limit_grids
from mr1.types import Features, Prompt


class Packed(Adapter):
    """Causal attention, so a mask and explicit positions are all that packing takes.

    Where every layer looks back without a limit, not even a mask is made.
    """

    packs = True
    causal: ClassVar[bool] = True
    """Whether a token sees what came before it, all of it or within a window, and nothing else."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.shares = model.config._attn_implementation == "sdpa" and self.causal and not self._has_windows()
        if self.shares:
            share_prompts(model)
            share_states(model)
        elif has_states(model):
            self.packs, self.plain_because = False, "has recurrent layers, which no mask reaches (sdpa needs none)"

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:
        if not self._has_windows():
            return super().attention(mask, input_ids, position_ids)
        return self.by_layer(mask, mask & self.nearby(position_ids))

    def by_layer(self, full: Tensor, sliding: Tensor) -> Any:
        """Masks, (B, 1, S, S) bool, of both kinds of layers as the model's forward takes them."""
        if self._layer_types() is None:
            return self.as_taken(sliding)
        return {"full_attention": self.as_taken(full), "sliding_attention": self.as_taken(sliding)}

    def nearby(self, position_ids: Tensor) -> Tensor:
        """(B, 1, S, S) bool, True where a token is within the window of another, behind it or anywhere after it.

        By position, not by place in the row: a completion stands far from its prompt there.
        """
        distance = position_ids[0][:, :, None] - position_ids[0][:, None, :]
        return (distance < self.model.config.get_text_config().sliding_window)[:, None]

    def _has_windows(self) -> bool:
        """Whether some layers look back no farther than a window; all do where there are no kinds of layers."""
        kinds = self._layer_types()
        if kinds is None:
            return getattr(self.model.config.get_text_config(), "sliding_window", None) is not None
        return "sliding_attention" in kinds

    def _layer_types(self) -> Any:
        return getattr(self.model.config.get_text_config(), "layer_types", None)


class QwenVL(Packed):
    """Qwen2-VL and those after it: images as a flat list of patches, with a grid (time, height, width) for each."""

    projector_modules: ClassVar[tuple[str, ...]] = (
        "model.visual.merger",
        "model.visual.deepstack_merger_list",
        "model.projector",
    )
    frames: ClassVar[int] = 1
    """How often an image's pixels count in the processor's limits."""

    def limit_pixels(self, processor: Any, minimum: int | None, maximum: int | None) -> None:
        size = processor.image_processor.size
        least = minimum or size["shortest_edge"] // self.frames
        most = maximum or size["longest_edge"] // self.frames
        if least > most:
            raise UserError(
                f"loading.max_pixels: no image has at least {least} and at most {most} pixels; set loading.min_pixels "
                "and loading.max_pixels accordingly"
            )
        # Both names stand for numbers of pixels here, in spite of what they say.
        processor.image_processor.size = type(size)(shortest_edge=least * self.frames, longest_edge=most * self.frames)


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
    frames = 2


class HunYuan(QwenVL):
    """HunyuanOCR: patches as Qwen's; three or four position axes, as the configuration has sections for them."""

    projector_modules = ("model.vision_tower.patch_merger",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.position_axes = len(model.config.text_config.rope_parameters["mrope_section"])


class Tiles(Packed):
    """InternVL, Aya Vision, Command A Vision: an image is cut into so many tiles of one size."""

    tile_limit = "max_patches"


class LlavaTiles(Packed):
    """LLaVA-NeXT, LLaVA-OneVision: each prompt's images are padded to its largest number of tiles."""

    def limit_tiles(self, processor: Any, most: int) -> None:
        limit_grids(processor.image_processor, self.model.config, most)

    def follow(self, processor: Any) -> None:
        self.model.config.image_grid_pinpoints = processor.image_processor.image_grid_pinpoints

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [vision | {"pixel_values": _pad_axis(vision["pixel_values"], 1, most)} for vision in prompts]
        )


class Granite4Vision(LlavaTiles):
    """Granite 4 Vision: features for several language layers, none for the embeddings; scaled logits."""

    projector_modules = ("model.layerwise_projectors", "model.spatial_projectors", "model.image_newline")

    def encoder_features(self, output: Any) -> Any:
        first, *others = [level for _, level in output.deepstack_features]
        return SimpleNamespace(pooler_output=first, deepstack_features=others)

    def encoder_output(self, features: Sequence[Features]) -> Any:
        config = self.model.config
        layers = [*(layer for _, layer in config.deepstack_layer_map), *config.spatial_target_layers]
        levels = zip(*((each.embeddings, *each.deepstack) for each in features), strict=True)
        return SimpleNamespace(deepstack_features=[*zip(layers, map(torch.cat, levels), strict=True)])

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) / self.model.config.text_config.logits_scaling


class Ovis2(Tiles):
    """Ovis2: what stands around and between tiles comes from the table of visual words, too."""

    projector_modules = (
        "model.visual_embeddings_table",
        "model.vision_tower.head_linear",
        "model.vision_tower.head_norm",
    )

    def encode(self, prompts: Sequence[Prompt]) -> list[Features]:
        table, marks = self.inner.visual_embeddings_table, self.inner.vision_tower.num_visual_indicator_tokens
        marks = table(torch.arange(len(table.weight), device=table.weight.device)[-marks:])
        return [replace(each, deepstack=(marks,)) for each in super().encode(prompts)]

    def encoder_output(self, features: Sequence[Features]) -> Any:
        output = super().encoder_output(features)
        output.visual_indicator_features = features[0].deepstack[0]
        return output


class Pixtral(Packed):
    """LLaVA, also with Pixtral's tower, and Mistral 3: images are padded to the largest of their batch."""

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        for axis in (2, 3):
            most = max(vision["pixel_values"].shape[axis] for vision in prompts)
            prompts = [vision | {"pixel_values": _pad_axis(vision["pixel_values"], axis, most)} for vision in prompts]
        return super().collate_vision(prompts)


class Idefics(Packed):
    """Idefics3 and SmolVLM: a row's tiles stand on the second axis, and tiles that are all zeros are padding."""

    def limit_tiles(self, processor: Any, most: int) -> None:
        limit_edge(processor.image_processor, most)

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [{name: _pad_axis(tensor, 1, most) for name, tensor in vision.items()} for vision in prompts]
        )


class Idefics2(Packed):
    """Idefics2: images stand on the second axis, and all are padded to the largest of their batch."""

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        axes = {"pixel_values": (1, 3, 4), "pixel_attention_mask": (1, 2, 3)}
        padded = [{**vision} for vision in prompts]
        for name, each in axes.items():
            for axis in each:
                most = max(vision[name].shape[axis] for vision in padded)
                for vision in padded:
                    vision[name] = _pad_axis(vision[name], axis, most)
        return super().collate_vision(padded)


class GraniteDocling(Idefics):
    """Granite Docling: tiles as Idefics3's; features for several language layers; scaled logits."""

    projector_modules = ("model.vision_model.connector",)

    def encoder_output(self, features: Sequence[Features]) -> Any:
        output = super().encoder_output(features)
        output.router_logits = None  # they tell which images to look at again, more closely
        return output

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) / self.model.config.text_config.logits_scaling


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
    """Gemma 3n: most layers have a window, the last ones the keys of earlier ones; logits are capped."""

    projector_modules = ("model.embed_vision",)

    def head(self) -> nn.Module:
        return _capped(super().head(), self.model.config.get_text_config().final_logit_softcapping)


class Lfm2(Packed):
    """LFM2-VL: an image is cut into so many tiles of one size."""

    tile_limit = "max_tiles"


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
        return _capped(super().head(), getattr(self.model.config.get_text_config(), "final_logit_softcapping", None))


class Llama4(Tiles):
    """Llama 4: most layers look back no farther than to the beginning of a chunk."""

    causal = False
    vision_modules = ("vision_model",)
    projector_modules = ("multi_modal_projector",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        lengthen_by_position(model)

    def without_head(self, model: Any) -> Any:
        return WithoutHead(model)

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:  # noqa: ARG002
        chunk = position_ids[0] // self.model.config.text_config.attention_chunk_size
        same = (chunk[:, :, None] == chunk[:, None, :])[:, None]
        return {"full_attention": self.as_taken(mask), "chunked_attention": self.as_taken(mask & same)}


class Kimi(Packed):
    """Kimi K2.5: keys and values of low rank; images are never made larger, only smaller."""

    projector_modules = ("model.mm_projector",)

    def as_given(self, vision: dict[str, Tensor]) -> dict[str, Tensor]:
        given = super().as_given(vision)
        # Its tower, unlike others, brings pixels into no other dtype.
        return given | {name: given[name].to(self.model.dtype) for name in ("pixel_values",) if name in given}

    def limit_pixels(self, processor: Any, minimum: int | None, maximum: int | None) -> None:
        if minimum:
            raise UserError("loading.min_pixels: Kimi K2.5 makes no image larger; leave it out")
        images = processor.image_processor
        images.max_patches = (maximum or 0) // images.patch_size**2


class MiniMaxM3(QwenVL):
    """MiniMax M3: patches as Qwen's; in some layers a token sees those blocks of keys alone that are chosen for it."""

    causal = False
    projector_modules = ("model.multi_modal_projector",)

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        choose_by_position(model)


class MiniCPMV(Packed):
    """MiniCPM-V 4.6: all images' patches stand on the last axis of one tensor; most layers are recurrent."""

    projector_modules = ("model.merger",)
    tile_limit = "max_slice_nums"

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        pixels = torch.cat([vision["pixel_values"] for vision in prompts], dim=-1)
        return {"pixel_values": pixels, "target_sizes": torch.cat([vision["target_sizes"] for vision in prompts])}

    def passed(self, pixels: Tensor) -> int:
        return pixels.shape[-1]


class MiniCPMV47(MiniCPMV):
    """MiniCPM-V 4.7: three position axes as well; an image's slices have their places on one canvas."""

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        if not vision:
            return super().positions(input_ids, vision)
        types = (input_ids == self.image_token_id).long()[None]
        positions, shift = self.inner.get_rope_index(input_ids[None], types, target_sizes=vision["target_sizes"])
        return positions[:, 0], len(input_ids) + int(shift)


class Molmo2(Packed):
    """Molmo 2: all that is of images, marks among it, sees all else that is, before and behind it."""

    causal = False
    tile_limit = "max_crops"

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

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        local = [vision["pixel_values_local"] for vision in prompts if "pixel_values_local" in vision]
        whole = [{name: each for name, each in vision.items() if name != "pixel_values_local"} for vision in prompts]
        return super().collate_vision(whole) | ({"pixel_values_local": torch.cat(local)} if local else {})


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

    projector_modules = ("model.vision_adapter", "model.vision_projection")

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) * self.model.config.text_config.output_multiplier

    def head(self) -> nn.Module:
        return _capped(super().head(), self.model.config.text_config.final_logit_softcapping)


class Inkling(Packed):
    """Inkling, Inkling 2: short convolutions in every layer, keys weighed by distance; scaled or capped logits."""

    packs = False
    causal = False
    plain_because = "has short convolutions in every layer, which no mask reaches"
    projector_modules = ("model.vision_tower.merger", "model.vision_tower.final_norm")

    def head(self) -> nn.Module:
        return _capped(super().head(), getattr(self.model.config.get_text_config(), "final_logit_softcapping", None))

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        scale = getattr(self.model.config.get_text_config(), "logits_mup_width_multiplier", 1.0)
        return super().hidden_states(*arguments, **named) / scale

    def forbidden_tokens(self) -> list[int]:
        known = self.model.config.get_text_config().unpadded_vocab_size or self.vocabulary()
        return sorted({*super().forbidden_tokens(), *range(known, self.vocabulary())})


class Dots3(Packed):
    """Dots 3 Note: patches as Qwen's; layers with a window, and layers that choose keys."""

    packs = False
    causal = False
    projector_modules = ("model.vision_tower.merger",)
    plain_because = "has layers with a window, and layers that choose the keys that a token sees in its row"


class DeepseekHybrid(Packed):
    """DeepSeek-VL 7B: a second tower, for larger images, whose features are added to the first's."""

    more_vision_modules = (
        "model.high_res_vision_model",
        "model.high_res_vision_neck",
        "model.high_res_vision_proj",
        "model.high_res_vision_alpha",
    )


class LightOn(Pixtral):
    """LightOnOCR: Pixtral's tower under another name."""

    projector_modules = ("model.vision_projection",)


class Omni(QwenVL):
    """The part of Qwen's Omni models that reads and writes text."""

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        if not vision:
            return super().positions(input_ids, vision)
        positions, _ = self.inner.get_rope_index(
            input_ids[None], image_grid_thw=vision["image_grid_thw"], attention_mask=torch.ones_like(input_ids)[None]
        )
        return positions[:, 0].long(), int(positions.max()) + 1


class Glm5Next(Glm4v):
    """GLM 5 with vision: patches as GLM-4.1V's; recurrent layers, and layers that choose keys."""

    packs = False
    causal = False
    plain_because = "has recurrent layers, and layers that choose the keys that a token sees in its row"


class VideoLlava(Packed):
    """Video-LLaVA: a tower for images, and one for videos, which MR1 leaves alone."""

    vision_modules = ("model.image_tower",)
    more_vision_modules = ("model.video_tower",)

    def encoder_output(self, features: Sequence[Features]) -> Any:
        # Where the numbers of tokens are compared features must have three axes.
        return SimpleNamespace(pooler_output=super().encoder_output(features).pooler_output[None])


class Qwen4(QwenVL):
    """Qwen4-Exp: patches as Qwen's; recurrent layers with embeddings of runs of tokens, and layers that choose keys."""

    packs = False
    causal = False
    plain_because = "has recurrent layers that ask for the tokens before, and layers that choose keys in their row"


class NemotronOmni(Packed):
    """Nemotron 3 Nano Omni: patches, with a grid (height, width) for each image; most layers are recurrent."""

    packs = False
    causal = False
    plain_because = "has recurrent layers (Mamba), which no mask reaches"
    vision_modules = ("vision_model",)
    projector_modules = ("multi_modal_projector",)

    def without_head(self, model: Any) -> Any:
        return NemotronWithoutHead(model)

    def output_embeddings(self) -> Any:
        return self.model.language_model.lm_head


class Lfm3(QwenVL):
    """LFM3-VL: patches as Qwen's; short convolutions, windows, and layers without a limit."""

    packs = False
    causal = False
    projector_modules = ("model.multi_modal_projector",)
    plain_because = "has both convolutions, which no mask reaches, and layers with a window"


class MistralLarge4(Pixtral):
    """Mistral Large 4: each layer chooses the keys that a token sees, of all that stand before it in its row."""

    packs = False
    causal = False
    plain_because = "chooses the keys that a token sees among those before it in its row"

    def head(self) -> nn.Module:
        return _capped(super().head(), self.model.config.text_config.final_logit_softcapping)


class DeepseekOcr2(Step):
    """DeepSeek-OCR 2: images as Step's."""

    projector_modules = ("model.multi_modal_projector", "model.view_separator")


class NemotronWithoutHead:
    """A Nemotron Omni without its head, as other families have one in `model`."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def get_image_features(self, pixel_values: Tensor, image_grid_hw: Tensor, return_dict: bool = True) -> Any:
        """Its own, projected."""
        return self.model.get_image_features(pixel_values, image_grid_hw, return_dict=return_dict)

    def forward(self, input_ids: Tensor, mm_encoder_outputs: dict[str, Any] | None = None, **others: Any) -> Any:
        """Its hidden states, from tokens and projected images."""
        embedded = self.model.get_input_embeddings()(input_ids)
        if mm_encoder_outputs:
            features = torch.cat([*mm_encoder_outputs["image"].pooler_output])
            places = (input_ids == self.model.config.image_token_id)[..., None]
            embedded = embedded.masked_scatter(places, features.to(embedded.dtype))
        return self.model.language_model.model(inputs_embeds=embedded, **others)

    __call__ = forward


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
    "glm4v": Glm4v,
    "glm46v": Glm4v,
    "glm4v_moe": Glm4v,
    "paddleocr_vl": QwenVL,
    "hunyuan_vl": HunYuan,
    "video_llama_3": QwenVL,
    "internvl": Tiles,
    "llava": Pixtral,
    "mistral3": Pixtral,
    "llava_next": LlavaTiles,
    "llava_onevision": LlavaTiles,
    "granite4_vision": Granite4Vision,
    "aya_vision": Tiles,
    "cohere2_vision": Tiles,
    "ovis2": Ovis2,
    "fast_vlm": Packed,
    "lfm2_vl": Lfm2,
    "smolvlm": Idefics,
    "idefics3": Idefics,
    "gemma3": Gemma3,
    "gemma3n": Gemma3n,
    "gemma4": Gemma4,
    "gemma4_unified": Gemma4Unified,
    "paligemma": PaliGemma,
    "llama4": Llama4,
    "kimi_k25": Kimi,
    "minicpmv4_6": MiniCPMV,
    "minicpmv4_7": MiniCPMV47,
    "minimax_m3_vl": MiniMaxM3,
    "molmo2": Molmo2,
    "step3p7": Step,
    "exaone4_5": QwenVL,
    "hyperclovax_vision_v2": HyperClova,
    "glm_ocr": Glm4v,
    "glmga": Glm4v,
    "cosmos3_omni": QwenVL,
    "cosmos3_edge": QwenVL,
    "granite_docling": GraniteDocling,
    "qianfan_ocr": Packed,
    "perception_lm": Packed,
    "nemotron_h_omni": NemotronOmni,
    "muse_glimmer": Muse,
    "muse_spark": Muse,
    "glm5_next": Glm5Next,
    "qwen2_5_omni_thinker": Omni,
    "qwen3_omni_moe_thinker": Omni,
    "deepseek_ocr2": DeepseekOcr2,
    "dots3_note": Dots3,
    "inkling2": Inkling,
    "inkling_mm_model": Inkling,
    "deepseek_vl_hybrid": DeepseekHybrid,
    "qwen4_exp": Qwen4,
    "cohere_compass": CohereCompass,
    "lfm3_vl": Lfm3,
    "llava_next_video": LlavaTiles,
    "video_llava": VideoLlava,
    "vipllava": Packed,
    "idefics2": Idefics2,
    "aria": Packed,
    "lighton_ocr": LightOn,
    "mistral_large4": MistralLarge4,
    "minicpm_ocr": MiniCPMV,
    "deepseek_vl": Packed,
    "janus": Packed,
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
