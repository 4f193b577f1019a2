"""The language model for one new token of each row, in as few operations as it takes.

A token of a few rows is little arithmetic: most of a small model's time goes into starting operations, some sixty in
each layer. Here queries, keys and values are one product and are rotated together, and gates and residuals are parts of
products. What is computed is what the layers of `LAYERS` compute in transformers.

In bfloat16 the order of operations is part of the result, because each of them rounds: there the model's own layers and
norms are called, rotations are those of transformers, and low-rank weights stay beside the weights. Attention alone is
not the model's own, and is float32 within.

Axes: B prompts, G completions of each, L places, H hidden states' width, D a head's. A row of states has the heads of
queries first, then those of keys, then as many of values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mr1.models.layers import Product
from mr1.models.lora import is_linear, whole_weight
from mr1.models.vlm import VLM

LAYERS = frozenset(
    {
        "LlamaDecoderLayer",
        "Qwen2DecoderLayer",
        "Qwen3DecoderLayer",
        "Qwen2VLDecoderLayer",
        "Qwen2_5_VLDecoderLayer",
        "Qwen3VLTextDecoderLayer",
    }
)
"""Layers of transformers whose forward is this one's: RMS norm, rotary attention, residual, RMS norm, an MLP gated by
SiLU, residual; some with norms on each head's queries and keys."""
LENGTHENED = ("dynamic", "longrope")
"""Rotary positions whose angles change with the longest position of a forward."""

Attend = Callable[[int, Tensor], Tensor]
"""(layer's number, (B, G, heads + 2 key heads, D) rotated queries, keys, values) -> (B * G, heads * D).

Scores are still to be multiplied with `LeanModel.score_scale`.
"""


@dataclass
class _Layer:
    attention_norm: nn.Module
    states: Product
    """Queries, keys and values."""
    query_norm: nn.Module | None
    key_norm: nn.Module | None
    output: Product
    mlp_norm: nn.Module
    gate: Product
    up: Product
    down: Product


class LeanModel:
    """The language model's forward for rows of one token, without gradient. Its weights must not change meanwhile."""

    def __init__(self, vlm: VLM) -> None:
        """Lay out the weights of a model that `is_lean`."""
        text = vlm.model.model.get_decoder()
        attention = text.layers[0].self_attn
        self.axes = vlm.adapter.position_axes
        self.embed, self.rotary, self.norm = vlm.model.get_input_embeddings(), text.rotary_emb, text.norm
        self.heads, self.key_heads = text.config.num_attention_heads, text.config.num_key_value_heads
        self.width, self.rounds = attention.head_dim, self.embed.weight.dtype != torch.float32
        # A scale within the rotations would be rounded with them.
        self.query_scale: float = 1.0 if self.rounds else attention.scaling
        self.score_scale: float = attention.scaling if self.rounds else 1.0
        self.layers = [_lean_layer(layer) for layer in text.layers]

    def rotations(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """What turns queries, keys and values to these positions, (B, L): two of (L, B, 1, heads + 2 key heads, D).

        The first is multiplied with the states, the second with the states whose halves are swapped. Queries are scaled
        by `query_scale` as well, and values stay as they are.
        """
        places = positions.expand(self.axes, -1, -1)
        cosines, sines = self.rotary(self.embed.weight[:1], places if self.axes > 1 else positions)
        below, above = sines.chunk(2, dim=-1)
        scales = [self.query_scale] * self.heads + [1.0] * self.key_heads + [0.0] * self.key_heads
        shares = cosines.new_tensor(scales)[:, None]
        cosines, sines = cosines[:, :, None] * shares, torch.cat([-below, above], dim=-1)[:, :, None] * shares
        cosines[:, :, -self.key_heads :] = 1.0
        return cosines.transpose(0, 1)[:, :, None].contiguous(), sines.transpose(0, 1)[:, :, None].contiguous()

    def __call__(self, tokens: Tensor, cosines: Tensor, sines: Tensor, attend: Attend) -> Tensor:
        """Run one token of each of B * G rows.

        Args:
            tokens: (B * G,) int64.
            cosines: one place's, of `rotations`: (B, 1, heads + 2 key heads, D).
            sines: likewise.
            attend: attention to what came before, and to the token itself.

        Returns:
            (B * G, H) hidden states, ready for the head.
        """
        grid = (len(cosines), len(tokens) // len(cosines), -1, self.width)
        hidden = self.embed(tokens)
        for number, layer in enumerate(self.layers):
            states = self._normed(layer, layer.states(_rms_norm(layer.attention_norm, hidden)).view(grid))
            states = self._rotated(states, cosines, sines)
            hidden = layer.output.plus(attend(number, states), hidden)
            normed = _rms_norm(layer.mlp_norm, hidden)
            hidden = layer.down.plus(layer.up.times(normed, layer.gate.silu(normed)), hidden)
        return _rms_norm(self.norm, hidden)

    def _rotated(self, states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        swapped = states.roll(self.width // 2, -1)
        if self.rounds:
            return states * cosines + swapped * sines
        return torch.addcmul(states * cosines, swapped, sines)

    def _normed(self, layer: _Layer, states: Tensor) -> Tensor:
        if layer.query_norm is None or layer.key_norm is None:
            return states
        queries, keys, values = states.split([self.heads, self.key_heads, self.key_heads], dim=2)
        return torch.cat([_rms_norm(layer.query_norm, queries), _rms_norm(layer.key_norm, keys), values], dim=2)


def is_lean(vlm: VLM) -> bool:
    """Whether `LeanModel` computes what the model's own language model does."""
    text = vlm.model.model.get_decoder()
    if not all(type(layer).__name__ in LAYERS for layer in getattr(text, "layers", [None])):
        return False
    return (
        all(is_linear(each) for layer in text.layers for each in _linear_layers(layer))
        and text.config.hidden_act == "silu"
        and text.rotary_emb.rope_type not in LENGTHENED
        and 2 * len(text.rotary_emb.inv_freq) == text.layers[0].self_attn.head_dim
        and type(vlm.model.get_input_embeddings()) is nn.Embedding
    )


def _linear_layers(layer: Any) -> list[nn.Module]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    return [*projections, mlp.gate_proj, mlp.up_proj, mlp.down_proj]


def _lean_layer(layer: Any) -> _Layer:
    query, key, value, output, gate, up, down = _linear_layers(layer)
    return _Layer(
        attention_norm=layer.input_layernorm,
        states=_product(query, key, value),
        query_norm=getattr(layer.self_attn, "q_norm", None),
        key_norm=getattr(layer.self_attn, "k_norm", None),
        output=_product(output),
        mlp_norm=layer.post_attention_layernorm,
        gate=_product(gate),
        up=_product(up),
        down=_product(down),
    )


class OwnLayers(Product):
    """Linear layers of the same states, each called as it is; one's outputs behind the other's."""

    def __init__(self, *layers: Any) -> None:
        self.layers, self.fused = layers, False

    def __call__(self, states: Tensor) -> Tensor:
        outputs = [layer(states) for layer in self.layers]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


def _product(*layers: Any) -> Product:
    """Linear layers of the same states as one product, one's outputs behind the other's."""
    if getattr(layers[0], "base_layer", layers[0]).weight.dtype != torch.float32:
        return OwnLayers(*layers)
    weights, biases = [whole_weight(layer) for layer in layers], [layer.bias for layer in layers]
    if len(layers) == 1:
        return Product(weights[0], biases[0])
    given = [bias for bias in biases if bias is not None]
    assert len(given) in (0, len(biases)), "all three have one or none has"
    return Product(torch.cat(weights), torch.cat(given) if given else None)


def _rms_norm(norm: Any, hidden: Tensor) -> Tensor:
    if hidden.dtype != torch.float32:
        return norm(hidden)
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)
