"""Models of transformers that have no module without their head, with what other families' `model` does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class WithoutHead:
    """A model without its head: a `language_model`, into whose embeddings the features of images go."""

    def __init__(self, model: Any, features: Callable[..., Any] | None = None) -> None:
        """`features` makes projected image features of an image's tensors; the model's own where it is None."""
        self.model = model
        self.get_image_features = features or model.get_image_features

    def forward(
        self, input_ids: Tensor, mm_encoder_outputs: dict[str, SimpleNamespace] | None = None, **others: Any
    ) -> Any:
        """Its hidden states, from tokens and projected images."""
        embedded = self.model.get_input_embeddings()(input_ids)
        if mm_encoder_outputs:
            features = mm_encoder_outputs["image"].pooler_output
            features = features if isinstance(features, Tensor) else torch.cat([*features])
            places = (input_ids == self.model.config.image_token_id)[..., None]
            embedded = embedded.masked_scatter(places, features.to(embedded.dtype))
        return self.model.language_model.model(inputs_embeds=embedded, **others)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.forward(*arguments, **named)
