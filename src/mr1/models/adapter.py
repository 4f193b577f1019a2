"""What differs between model families, and nothing else.

The rest of MR1 is generic over `AutoModelForImageTextToText`. A family that needs more than the defaults here
subclasses `Adapter` in a file of its own and is listed in `loading.ADAPTERS` under its `config.model_type`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

VISION_TOKENS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "video_token_index",
    "vision_start_token_id",
    "vision_end_token_id",
)
"""Where configurations name the token ids that stand for, or around, what is not text."""


class Adapter:
    """A family's way of turning token ids, positions, a mask and images into hidden states."""

    position_axes = 1
    """Rows of `position_ids`: 3 for multimodal rotary positions (time, height, width), else 1."""
    vision_arguments: tuple[str, ...] = ("pixel_values",)
    """The outputs of the family's image processor that its forward takes. Each is concatenated on its first axis."""

    def __init__(self, model: Any, pad_token_id: int) -> None:
        self.model = model
        self.pad_token_id = pad_token_id

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:  # noqa: ARG002
        """Positions of a prompt's (P,) tokens: (position_axes, P) int64, and the position that comes after them."""
        length = input_ids.shape[0]
        return torch.arange(length).expand(self.position_axes, length), length

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Several prompts' image tensors as one batch, in the order in which their placeholders stand in the rows."""
        names = dict.fromkeys(itertools.chain.from_iterable(prompts))
        return {name: torch.cat([vision[name] for vision in prompts if name in vision]) for name in names}

    def forbidden_tokens(self) -> list[int]:
        """Token ids that a policy must never sample: they stand for images, video or padding."""
        ids = {getattr(self.model.config, name, None) for name in VISION_TOKENS} | {self.pad_token_id}
        return sorted(token for token in ids if token is not None)

    def hidden_states(
        self, input_ids: Tensor, position_ids: Tensor, mask: Tensor, vision: dict[str, Tensor], cache: Any = None
    ) -> Tensor:
        """Run the model without its head.

        Args:
            input_ids: (B, S) int64.
            position_ids: (position_axes, B, S) int64.
            mask: (B, 1, S, K) bool, True where a token may look; K is S, or S more than the cache holds.
            vision: image tensors of the whole batch, empty where the rows have no image (or it is in the cache).
            cache: keys and values of what came before; filled in place.

        Returns:
            (B, S, H) hidden states, ready for `head`.
        """
        positions = position_ids if self.position_axes > 1 else position_ids[0]
        output = self.model.model(
            input_ids=input_ids,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
            **vision,
        )
        return output.last_hidden_state

    def head(self) -> nn.Module:
        """The module that turns hidden states into logits over the vocabulary."""
        return self.model.get_output_embeddings()

    def vocabulary(self) -> int:
        """V, the number of logits."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    def vision_tower(self) -> nn.Module:
        """The module that each image passes through."""
        return self.model.model.vision_tower
