"""A device on which nothing is computed: code runs on it as on a real one, and what it allocates is counted.

It is torch's meta device with these additions.

- Integers and booleans are computed, on the CPU, and what is made of nothing else: token ids, positions, grids and
  masks decide which way the code goes. Other numbers are shapes alone, so that a model of any size takes no memory and
  no time.
- A floating-point number that the code asks for (`item`) is 0; to other numbers it is unequal, so that no tile of an
  image passes for an empty one. The largest of several (`topk`, `sort`) are chosen as if each came as often as another,
  so that every expert gets its share of tokens.
- Attention takes the way of the device that is stood for: torch would otherwise take on the meta device the one that
  keeps all scores.

What lies on the host, such as images before they are sent to the device, is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from mr1.estimate.ledger import Ledger

Device = Literal["gpu", "cpu"]

aten = torch.ops.aten
TAKES_HOST_INDICES = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index, aten._index_put_impl_}
"""Operations that look at the values of their indices, where these are booleans."""
CHOOSES = {aten.topk: 2, aten.sort: 1}
"""Operations that give numbers with their places, and which argument is the axis."""


@contextmanager
def dry_run(device: Device, limit: int | None = None) -> Iterator[Ledger]:
    """While open, tensors on the meta device stand for tensors on `device`, and the ledger counts them.

    Raises:
        LimitExceededError: more than `limit` bytes would be taken at once.
    """
    ledger = Ledger(limit)
    # Neither a dispatch mode nor a function mode can take this one: torch chooses before the former is asked, and the
    # latter does not reach what gradient checkpointing runs again inside the backward pass.
    attention = patch.object(torch.nn.functional, "scaled_dot_product_attention", _attention_of(device))
    # Nor is a mode asked where numbers of Python are put on the meta device.
    numbers = patch.object(torch, "tensor", partial(_tensor, torch.tensor))
    with attention, numbers, _Dry(ledger):
        yield ledger


class _Dry(TorchDispatchMode):
    """Runs each operation on shapes, or on the CPU where it is about integers, and counts what comes out."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(tensor.is_meta for tensor in tensors):
            if operation.overloadpacket not in TAKES_HOST_INDICES and not all(tensor.is_meta for tensor in tensors):
                args, kwargs = tree_map_only(Tensor, _shape, (args, kwargs))
            return self._on_shapes(operation, args, kwargs)
        if kwargs.get("device") == torch.device("meta"):
            return self._to_device(operation, args, kwargs)
        if operation is aten.histc.default:  # on a GPU of integers as well
            output = operation(args[0].float(), *args[1:], **kwargs).to(args[0].dtype)
        else:
            output = operation(*args, **kwargs)
        if any(tensor in self.ledger for tensor in tensors):  # what is made of the device's tensors is on the device
            self._count(output)
        return output

    def _on_shapes(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation with at least one tensor that is a shape alone."""
        if operation is aten._local_scalar_dense.default:
            return 0
        if kwargs.get("device") == torch.device("cpu"):
            # To the host; or to where the integers are, which is the device, so that only another dtype makes a copy.
            if operation is aten._to_copy.default and kwargs.get("dtype") in (None, args[0].dtype):
                return aten.alias(args[0])
            kwargs = kwargs | {"device": torch.device("meta")}
        if operation is aten._fused_adamw_.default:  # all in its place
            return None
        output: Any
        if operation is aten._grouped_mm.default:
            output = _grouped_product(*args, **kwargs)
        else:
            output = operation(*args, **kwargs)
        if isinstance(output, Tensor) and output.dtype == torch.bool:
            output = torch.full(output.shape, operation.overloadpacket is aten.ne)
        elif (place := CHOOSES.get(operation.overloadpacket)) is not None:
            axis = kwargs.get("dim", args[place] if len(args) > place else -1)
            output = output[0], _places(output[1].shape, axis, args[0].shape[axis])
        self._count(output)
        return output

    def _to_device(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation that makes a tensor on the device, or brings one there."""
        output = operation(*args, **kwargs)
        if not output.is_floating_point():
            on_host = operation(*args, **kwargs | {"device": torch.device("cpu")})
            # What is on the CPU already is not copied by `to`.
            output = on_host.clone() if any(on_host is each for each in args) else on_host
        self._count(output)
        return output

    def _count(self, output: Any) -> None:
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self.ledger.add(tensor)


def _tensor(plain: Callable[..., Tensor], data: Any, *, device: Any = None, **others: Any) -> Tensor:
    """`torch.tensor`, by way of the CPU where it is for the meta device."""
    if device is None or torch.device(device).type != "meta":
        return plain(data, device=device, **others)
    return plain(data, **others).to(device)


def _grouped_product(
    one: Tensor, other: Tensor, offsets: Tensor | None = None, bias: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """Products of groups of rows, or of columns, each with its own matrix; torch knows the shape in bfloat16 alone."""
    del bias
    shape = [one.shape[-2], other.shape[-1]]
    if one.ndim == other.ndim:  # each group's columns by its rows, or one matrix by another
        groups = one if offsets is None else offsets
        shape.insert(0, len(groups))
    return torch.empty(shape, dtype=dtype or one.dtype, device="meta")


def _places(shape: torch.Size, axis: int, size: int) -> Tensor:
    """Places on an axis of so many numbers, each as often as another and none twice beside itself."""
    moved = torch.empty(shape, device="meta").movedim(axis, -1).shape
    return (torch.arange(moved.numel()) % size).view(moved).movedim(-1, axis)


def _attention_of(device: Device) -> Callable[..., Tensor]:
    """Scaled dot-product attention that goes, on the meta device, to the kernel that torch chooses on `device`."""
    plain = torch.nn.functional.scaled_dot_product_attention
    kernel = partial(_gpu_attention if device == "gpu" else _cpu_attention, plain)

    def attention(query: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return kernel(query, *args, **kwargs) if query.is_meta else plain(query, *args, **kwargs)

    return attention


def _cpu_attention(
    plain: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The flash kernel, which takes a mask and, for grouped queries, fewer keys.

    Where values have another width than keys torch keeps the scores.
    """
    if value.shape[-1] != query.shape[-1]:
        return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    mask = None if attn_mask is None else _added(attn_mask, query.dtype)
    kernel = aten._scaled_dot_product_flash_attention_for_cpu
    return kernel(query, key, value, dropout_p, is_causal, attn_mask=mask, scale=scale)[0]


def _gpu_attention(
    plain: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Flash where there is no mask, the memory-efficient kernel where there is one; neither keeps the scores.

    Flash takes neither float32 nor values of another width than keys, the other no grouped queries: where neither can
    be, torch keeps the scores.
    """
    if attn_mask is None and query.dtype != torch.float32 and value.shape[-1] == query.shape[-1]:
        flash = aten._scaled_dot_product_flash_attention
        return flash(query, key, value, dropout_p, is_causal, scale=scale)[0]
    if enable_gqa:
        return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=True)
    bias = None
    if attn_mask is not None:
        bias = _added(attn_mask, query.dtype)
        # The kernel wants rows of a multiple of 8 numbers.
        bias = torch.nn.functional.pad(bias, (0, -bias.shape[-1] % 8))[..., : bias.shape[-1]]
        bias = bias.expand(query.shape[0], query.shape[1], query.shape[2], key.shape[2])
    efficient = aten._scaled_dot_product_efficient_attention
    return efficient(query, key, value, bias, query.requires_grad, dropout_p, is_causal, scale=scale)[0]


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as what is added to the scores; torch makes this of a boolean one."""
    return torch.empty(mask.shape, dtype=dtype, device="meta") if mask.dtype == torch.bool else mask


def _shape(tensor: Tensor) -> Tensor:
    """The same tensor without its numbers."""
    return tensor if tensor.is_meta else torch.empty_like(tensor, device="meta")
