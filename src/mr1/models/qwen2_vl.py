"""Qwen2-VL: multimodal rotary positions on three axes, images as a flat list of patches with a grid for each image."""

from __future__ import annotations

from torch import Tensor, nn

from mr1.models.adapter import Adapter


class Qwen2VLAdapter(Adapter):
    """Qwen2-VL's positions restart after an image at the larger side of its grid, not at its number of tokens."""

    position_axes = 3
    vision_arguments = ("pixel_values", "image_grid_thw")

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        if "image_grid_thw" not in vision:
            return super().positions(input_ids, vision)
        positions, _ = self.model.model.get_rope_index(
            input_ids[None],
            image_grid_thw=vision["image_grid_thw"],
            mm_token_type_ids=(input_ids == self.model.config.image_token_id).long()[None],
        )
        return positions[:, 0], int(positions.max()) + 1

    def vision_tower(self) -> nn.Module:
        return self.model.model.visual
