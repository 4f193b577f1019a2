"""Llama 4: what a model of transformers needs so that its rows may be packed.

It has no module without its head, its projector runs inside its forward, and layers without rotary positions make
queries longer by a token's place in the row, which in a packed or left-padded row is not its position.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from mr1.models.headless import WithoutHead
from mr1.models.subclass import turn


class Llama4WithoutHead(WithoutHead):
    """A Llama 4 without its head; its layers are told positions as `lengthen_by_position` has them ask for."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, self.projected)

    def projected(self, pixel_values: Tensor, return_dict: bool = True) -> SimpleNamespace:
        """(T, 3, height, width) tiles to (T * tokens, H)."""
        states = self.model.get_image_features(pixel_values=pixel_values, return_dict=return_dict).last_hidden_state
        return SimpleNamespace(pooler_output=self.model.multi_modal_projector(states.flatten(0, -2)))

    def forward(
        self, input_ids: Tensor, mm_encoder_outputs: dict[str, SimpleNamespace] | None = None, **others: Any
    ) -> Any:
        return super().forward(input_ids, mm_encoder_outputs, lengthened_by=others["position_ids"], **others)


def lengthen_by_position(model: Any) -> None:
    """Let layers without rotary positions go by positions that they are given, in place."""
    for layer in model.language_model.model.layers:
        if layer.self_attn.attn_temperature_tuning and not layer.self_attn.use_rope:
            turn(layer.self_attn, _by_position)


def _by_position(cls: Any) -> Any:
    """A subclass of a layer without rotary positions, whose queries are lengthened by position where it is given."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
    from transformers.models.llama4.modeling_llama4 import eager_attention_forward

    class ByPosition(cls):  # type: ignore[misc]
        def forward(self, hidden_states: Tensor, lengthened_by: Tensor | None = None, **others: Any) -> Any:
            if lengthened_by is None:
                return super().forward(hidden_states, **others)
            heads = (*hidden_states.shape[:-1], -1, self.head_dim)
            query, key, value = (each(hidden_states).view(heads) for each in (self.q_proj, self.k_proj, self.v_proj))
            steps = torch.log1p(torch.floor((lengthened_by.float() + 1) / self.floor_scale))
            query = (query * (steps * self.attn_scale + 1)[..., None, None]).to(query.dtype)
            query, key, value = (each.transpose(1, 2) for each in (query, key, value))
            if (past := others.get("past_key_values")) is not None:
                key, value = past.update(key, value, self.layer_idx)
            attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
            attended, weights = attend(
                self, query, key, value, others["attention_mask"], dropout=0.0, scaling=self.scaling
            )
            return self.o_proj(attended.flatten(2)), weights

    return ByPosition
