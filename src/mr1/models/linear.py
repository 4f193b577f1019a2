"""Layers that compute what torch's do, faster.

On a CPU, linear layers take oneDNN's matrix products. On many processors torch's own float32 product reaches less of
the machine's rate, and much less where a matrix meets a handful of rows, as in decoding: it then spends most of its
time on laying the weight out in blocks, for every token again. On a GPU, and in other dtypes, they stay as they are.

On every device, a convolution of single patches is one matrix product.

The results are the same up to the order of the sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_onednn: Any = torch.ops.mkldnn


class OneDNNLinear(nn.Linear):
    """A `nn.Linear` in float32 on a CPU; a layer becomes one by its `__class__`, its parameters stay the same."""

    blocks: Tensor | None = None
    """The weight laid out in blocks, inside `blocked_weights`."""

    def forward(self, states: Tensor) -> Tensor:
        if self.blocks is not None:
            return _product(states, self.blocks, self.bias)
        return _Linear.apply(states, self.weight, self.bias)


def use_faster_layers(model: nn.Module) -> None:
    """Let a model's layers take the faster ways of this module where they can, in place."""
    onednn = torch.backends.mkldnn.is_available()
    for layer in model.modules():
        if type(layer) is nn.Conv3d and layer.groups == 1 and layer.padding == (0, 0, 0):
            layer.__class__ = PatchConv3d
        elif onednn and type(layer) is nn.Linear and layer.weight.is_cpu and layer.weight.dtype == torch.float32:
            layer.__class__ = OneDNNLinear


@contextmanager
def blocked_weights(layers: list[OneDNNLinear]) -> Iterator[None]:
    """While open, these layers multiply with weights laid out once; that takes their memory once more.

    There is no gradient inside, and the weights must not change.
    """
    for layer in layers:
        layer.blocks = _onednn._reorder_linear_weight(layer.weight.detach(), None)
    try:
        yield
    finally:
        for layer in layers:
            layer.blocks = None


class _Linear(torch.autograd.Function):
    """y = x W^T + b."""

    @staticmethod
    def forward(context: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(states, weight)
        return _product(states, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,), (states, weight) = gradients, context.saved_tensors
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t(), None) if context.needs_input_grad[0] else None,
            # Here torch's own product is the faster one: the sum runs over the rows.
            rows.t() @ states.flatten(0, -2) if context.needs_input_grad[1] else None,
            rows.sum(0) if context.needs_input_grad[2] else None,
        )


def _product(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return _onednn._linear_pointwise(states, weight, bias, "none", [], "")


class PatchConv3d(nn.Conv3d):
    """A convolution over inputs that are single patches, as large as its kernel: one product, not a convolution."""

    def forward(self, patches: Tensor) -> Tensor:
        if patches.shape[2:] != self.kernel_size:
            return super().forward(patches)
        return nn.functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[..., None, None, None]
