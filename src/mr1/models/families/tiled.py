"""Families that cut images into tiles, or pad them to the largest of their batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mr1.models.families.packed import Packed, capped, pad_axis
from mr1.models.pixels import Edges, LongestEdge, PixelLimit, WholeAndTiles
from mr1.models.tiles import Edge, Grids, Number, Quarters, TileLimit
from mr1.types import Features, Prompt


class Tiles(Packed):
    """InternVL, Aya Vision, Command A Vision: an image is cut into so many tiles of one size."""

    tiles: ClassVar[TileLimit | None] = Number("max_patches")


class LlavaTiles(Packed):
    """LLaVA-NeXT, LLaVA-OneVision: each prompt's images are padded to its largest number of tiles."""

    tiles = Grids()

    def follow(self, processor: Any) -> None:
        self.model.config.image_grid_pinpoints = processor.image_processor.image_grid_pinpoints

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [vision | {"pixel_values": pad_axis(vision["pixel_values"], 1, most)} for vision in prompts]
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

    def pixel_limit(self, images: Any) -> PixelLimit | None:
        return LongestEdge() if dict(images.size).get("longest_edge") else None

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        for axis in (2, 3):
            most = max(vision["pixel_values"].shape[axis] for vision in prompts)
            prompts = [vision | {"pixel_values": pad_axis(vision["pixel_values"], axis, most)} for vision in prompts]
        return super().collate_vision(prompts)


class LightOn(Pixtral):
    """LightOnOCR: Pixtral's tower under another name."""

    projector_modules = ("model.vision_projection",)


class MistralLarge4(Pixtral):
    """Mistral Large 4: each layer chooses the keys that a token sees, of all that stand before it in its row."""

    packs = False
    causal = False
    plain_because = "chooses the keys that a token sees among those before it in its row"

    def head(self) -> nn.Module:
        return capped(super().head(), self.model.config.text_config.final_logit_softcapping)


class Idefics(Packed):
    """Idefics3 and SmolVLM: a row's tiles stand on the second axis, and tiles that are all zeros are padding."""

    tiles: ClassVar[TileLimit | None] = Edge()

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        most = max(vision["pixel_values"].shape[1] for vision in prompts)
        return super().collate_vision(
            [{name: pad_axis(tensor, 1, most) for name, tensor in vision.items()} for vision in prompts]
        )


class Idefics2(Packed):
    """Idefics2: images stand on the second axis, and all are padded to the largest of their batch."""

    tiles = Quarters()
    pixels = Edges()

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        axes = {"pixel_values": (1, 3, 4), "pixel_attention_mask": (1, 2, 3)}
        padded = [{**vision} for vision in prompts]
        for name, each in axes.items():
            for axis in each:
                most = max(vision[name].shape[axis] for vision in padded)
                for vision in padded:
                    vision[name] = pad_axis(vision[name], axis, most)
        return super().collate_vision(padded)


class GraniteDocling(Idefics):
    """Granite Docling: tiles as Idefics3's; features for several language layers; scaled logits."""

    tiles = Number("max_patches", also="dense_max_patches")
    projector_modules = ("model.vision_model.connector",)

    def encoder_output(self, features: Sequence[Features]) -> Any:
        output = super().encoder_output(features)
        output.router_logits = None  # they tell which images to look at again, more closely
        return output

    def hidden_states(self, *arguments: Any, **named: Any) -> Tensor:
        return super().hidden_states(*arguments, **named) / self.model.config.text_config.logits_scaling


class Lfm2(Packed):
    """LFM2-VL: a large image is cut into so many tiles of one size."""

    tiles = Number("max_tiles")
    pixels = WholeAndTiles()


class PerceptionLM(Packed):
    """Perception LM: an image is cut into so many tiles of one size."""

    tiles = Number("max_num_tiles")


class VideoLlava(Packed):
    """Video-LLaVA: a tower for images, and one for videos, which MR1 leaves alone."""

    vision_modules = ("model.image_tower",)
    more_vision_modules = ("model.video_tower",)

    def encoder_output(self, features: Sequence[Features]) -> Any:
        # Where the numbers of tokens are compared features must have three axes.
        return SimpleNamespace(pooler_output=super().encoder_output(features).pooler_output[None])


class MiniCPMV(Packed):
    """MiniCPM-V 4.6: all images' patches stand on the last axis of one tensor; most layers are recurrent."""

    projector_modules = ("model.merger",)
    tiles = Number("max_slice_nums")
    unlimited_because = "scales slices by their shape, and takes loading.max_tiles alone"

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
