"""Base weights of four bits under low-rank weights (QLoRA, arXiv 2305.14314), by bitsandbytes.

The language model's linear layers keep their weights as 4-bit NormalFloat, blocks of 64 with a scale of eight bits
each. A product makes the whole weight again and multiplies with it, in every forward and backward, whatever the number
of rows: bitsandbytes has a product of its own for few rows, which rounds otherwise, so that what is sampled would not
be what is scored. Experts' weights, the head, the vision tower and the projector stay as they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mr1.errors import UserError
from mr1.models.adapter import Adapter

BLOCK, GROUP = 64, 256
"""Weights that share a scale, and scales that share one of theirs."""


def quantize(model: Any, adapter: Adapter) -> None:
    """Put the weights of the language model's linear layers into four bits, in place; each where it is.

    On the meta device the layers get the shapes of what they would hold.

    Raises:
        UserError: bitsandbytes is missing.
    """
    for name, layer in _linear_layers(model, adapter):
        made = _Shapes(layer) if layer.weight.is_meta else _quantized(layer)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, made)
    model.mr1_quantized = True
    model.is_loaded_in_4bit = True  # what peft asks for


def dequantize(model: Any) -> None:
    """Put ordinary linear layers with the same weights, as they are multiplied with, into their places."""
    for name, layer in [*model.named_modules()]:
        if is_four_bit(layer):
            made = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
            made.weight = nn.Parameter(_whole(layer.weight, layer.weight.quant_state), requires_grad=False)
            made.bias = layer.bias
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, made)
    model.mr1_quantized = model.is_loaded_in_4bit = False


def is_quantized(model: Any) -> bool:
    """Whether `quantize` has been here."""
    return bool(getattr(model, "mr1_quantized", False))


def is_four_bit(layer: nn.Module) -> bool:
    """Whether a layer is one of those that `quantize` makes."""
    return isinstance(layer, _Shapes) or type(layer).__name__ == "Linear4bit"


def _linear_layers(model: Any, adapter: Adapter) -> list[tuple[str, Any]]:
    head = adapter.output_embeddings()  # not `head()`, which some families wrap
    return [
        (name, module)
        for name, module in model.named_modules()
        if type(module) is nn.Linear and module is not head and adapter.part_of(name) == "language"
    ]


def _quantized(layer: nn.Linear) -> Any:
    kind = _linear4bit()
    made = kind(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    weight: Any = _bitsandbytes().nn.Params4bit(layer.weight.data, quant_type="nf4", compress_statistics=True)
    made.weight, made.bias = weight.to(layer.weight.device), layer.bias
    return made


def _whole(weight: Tensor, state: Any) -> Tensor:
    """(O, I), in the dtype that it had before."""
    return _bitsandbytes().functional.dequantize_4bit(weight.data, state)


@cache
def _linear4bit() -> Any:
    class Linear4bit(_bitsandbytes().nn.Linear4bit):  # type: ignore[misc]
        def forward(self, states: Tensor) -> Tensor:
            return _Linear.apply(states, self.weight, self.bias)

    return Linear4bit


class _Linear(torch.autograd.Function):
    """y = x W^T + b for a W that is made again whenever it is needed, and does not learn."""

    @staticmethod
    def forward(context: Any, states: Tensor, weight: Any, bias: Tensor | None) -> Tensor:
        context.weight = weight
        return functional.linear(states, _whole(weight, weight.quant_state), bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        (gradient,), weight = gradients, context.weight
        return (
            gradient @ _whole(weight, weight.quant_state) if context.needs_input_grad[0] else None,
            None,
            gradient.flatten(0, -2).sum(0) if context.needs_input_grad[2] else None,
        )


class _Shapes(nn.Linear):
    """A layer on the meta device that holds as many bytes as one of four bits, and makes its weight as that does."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, layer.weight.device)
        count, self.kind = layer.weight.numel(), layer.weight.dtype
        blocks = -(-count // BLOCK)
        self.bias = layer.bias
        self.weight = nn.Parameter(
            torch.empty(-(-count // 2), 1, dtype=torch.uint8, device="meta"), requires_grad=False
        )
        self.register_buffer("scales", torch.empty(blocks, dtype=torch.uint8, device="meta"))
        self.register_buffer("scales_of_scales", torch.empty(-(-blocks // GROUP), device="meta"))

    def forward(self, states: Tensor) -> Tensor:
        whole = torch.empty(self.out_features, self.in_features, dtype=self.kind, device="meta")
        return functional.linear(states, whole, self.bias)


def _bitsandbytes() -> Any:
    try:
        import bitsandbytes
    except ImportError as error:
        raise UserError(
            "loading.quantize: needs the package bitsandbytes; install it by pip install 'mr1[quantize]'"
        ) from error
    return bitsandbytes
