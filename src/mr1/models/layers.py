"""Layers that compute what torch's do, faster.

On a CPU, linear layers take oneDNN's matrix products. On many processors torch's own float32 product reaches less of
the machine's rate, and much less where a matrix meets a handful of rows, as in decoding: it then spends most of its
time on laying the weight out in blocks, for every token again. On a GPU, and in other dtypes, they stay as they are.

On every device, a convolution of single patches is one matrix product, and activations that transformers writes as
several operations keep fewer tensors for the backward pass.

The results are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import QuickGELUActivation, SiLUActivation

_onednn: Any = torch.ops.mkldnn


class Product:
    """y = x W^T + b without gradient, for a weight that stays as it is while this exists, and what is done with y.

    In float32 on a CPU the weight is laid out in blocks, once, which takes its memory once more; and what is done with
    y is part of the product.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """A weight of (O, I) and a bias of (O,)."""
        self.weight, self.bias = weight.detach(), None if bias is None else bias.detach()
        self.fused = _takes_onednn(weight)
        if self.fused:
            self.weight = _onednn._reorder_linear_weight(self.weight, None)

    def __call__(self, states: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        return self._product(states, "none")

    def silu(self, states: Tensor) -> Tensor:
        """y / (1 + exp(-y))."""
        return self._product(states, "swish") if self.fused else functional.silu(self(states))

    def times(self, states: Tensor, factor: Tensor) -> Tensor:
        """y times a tensor like it."""
        return self._with(states, factor, "mul") if self.fused else self(states) * factor

    def plus(self, states: Tensor, summand: Tensor) -> Tensor:
        """y plus a tensor like it."""
        return self._with(states, summand, "add") if self.fused else self(states) + summand

    def _product(self, states: Tensor, then: str) -> Tensor:
        if not self.fused:
            return functional.linear(states, self.weight, self.bias)
        return _onednn._linear_pointwise(states, self.weight, self.bias, then, [], "")

    def _with(self, states: Tensor, other: Tensor, then: str) -> Tensor:
        return _onednn._linear_pointwise.binary(states, other, self.weight, self.bias, then)


class OneDNNLinear(nn.Linear):
    """A `nn.Linear` in float32 on a CPU; a layer becomes one by its `__class__`, its parameters stay the same."""

    product: Product | None = None
    """With the weight laid out in blocks, inside `blocked_weights`."""

    def forward(self, states: Tensor) -> Tensor:
        if self.product is not None:
            return self.product(states)
        if states.numel() == 0:  # an expert that no token went to; oneDNN takes no empty product
            return functional.linear(states, self.weight, self.bias)
        return _Linear.apply(states, self.weight, self.bias)


GATED = frozenset({"LlamaMLP", "Qwen2MLP", "Qwen3MLP", "Qwen2_5_VLMLP", "Qwen3VLTextMLP"})
"""Modules of transformers whose forward is that of `GatedMLP` where their activation is SiLU."""


def use_faster_layers(model: nn.Module) -> None:
    """Let a model's layers take the faster ways of this module where they can, in place."""
    for each in model.modules():
        layer: Any = each
        if type(layer).__name__ in GATED and isinstance(layer.act_fn, SiLUActivation | nn.SiLU):
            layer.__class__ = GatedMLP
        elif type(layer) is QuickGELUActivation:
            layer.__class__ = QuickGELU  # type: ignore[assignment]
        elif type(layer) is nn.Conv3d and layer.groups == 1 and layer.padding == (0, 0, 0):
            layer.__class__ = PatchConv3d
        elif type(layer) is nn.Linear and _takes_onednn(layer.weight):
            layer.__class__ = OneDNNLinear


def _takes_onednn(weight: Tensor) -> bool:
    return torch.backends.mkldnn.is_available() and weight.is_cpu and weight.dtype == torch.float32


@contextmanager
def blocked_weights(layers: list[OneDNNLinear]) -> Iterator[None]:
    """While open, these layers multiply with weights laid out once; that takes their memory once more.

    There is no gradient inside, and the weights must not change.
    """
    for layer in layers:
        layer.product = Product(layer.weight, layer.bias)
    try:
        yield
    finally:
        for layer in layers:
            layer.product = None


class _Linear(torch.autograd.Function):
    """y = x W^T + b."""

    @staticmethod
    def forward(context: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(states, weight)
        rows = _product(states.flatten(0, -2), weight, bias)
        # No view of them, so that a model may go on in place, as Gemma 3n does.
        return torch.ops.aten._unsafe_view(rows, [*states.shape[:-1], len(weight)])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,), (states, weight) = gradients, context.saved_tensors
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t(), None) if context.needs_input_grad[0] else None,
            _weight_gradient(rows, states.flatten(0, -2)) if context.needs_input_grad[1] else None,
            rows.sum(0) if context.needs_input_grad[2] else None,
        )


def _weight_gradient(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Of (R, O) gradients and (R, I) states, (O, I). Here torch's own product is the faster one for the larger O."""
    wide = outputs.shape[1] < inputs.shape[1]
    return _product(outputs.t(), inputs.t(), None) if wide else outputs.t() @ inputs


def _product(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _onednn._linear_pointwise(states, weight, bias, "none", [], "")


class PatchConv3d(nn.Conv3d):
    """A convolution over inputs that are single patches, as large as its kernel: one product, not a convolution."""

    def forward(self, patches: Tensor) -> Tensor:
        if patches.shape[2:] != self.kernel_size:
            return super().forward(patches)
        return functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[..., None, None, None]


class GatedMLP(nn.Module):
    """W_d (silu(W_g x) * W_u x), without silu(W_g x) being kept for the backward pass."""

    gate_proj: nn.Module
    up_proj: nn.Module
    down_proj: nn.Module

    def forward(self, states: Tensor) -> Tensor:
        return self.down_proj(_SiLUTimes.apply(self.gate_proj(states), self.up_proj(states)))


class _SiLUTimes(torch.autograd.Function):
    """silu(g) u."""

    @staticmethod
    def forward(context: Any, gate: Tensor, up: Tensor) -> Tensor:
        context.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (gate, up) = gradients, context.saved_tensors
        of_up = functional.silu(gate).mul_(gradient)
        return torch.ops.aten.silu_backward(gradient * up, gate), of_up


class QuickGELU(nn.Module):
    """x / (1 + exp(-1.702 x)), of which x alone is kept for the backward pass."""

    def forward(self, states: Tensor) -> Tensor:
        return _QuickGELU.apply(states)


class _QuickGELU(torch.autograd.Function):
    """silu(a x) / a with a = 1.702."""

    FACTOR = 1.702

    @staticmethod
    def forward(context: Any, states: Tensor) -> Tensor:
        context.save_for_backward(states)
        return functional.silu(states * _QuickGELU.FACTOR, inplace=True).div_(_QuickGELU.FACTOR)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (gradient,), (states,) = gradients, context.saved_tensors
        return torch.ops.aten.silu_backward(gradient, states * _QuickGELU.FACTOR)
