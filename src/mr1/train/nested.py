"""Nested state with tensors in it, as `state_dict` gives it: how large it is, and a copy in the host's memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from mr1.parallel.parts import as_part, is_divided, local


def storage(tensor: Tensor) -> int:
    """The address of what a tensor is a view of."""
    return local(tensor).untyped_storage().data_ptr()


def size(value: Any, shared: Collection[int] = ()) -> int:
    """Bytes of the tensors in nested state; what stands in it twice counts once, and storages in `shared` don't."""
    found: dict[int, int] = {}

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            found[storage(value)] = max(found.get(storage(value), 0), local(value).nbytes)
        elif isinstance(value, Mapping):
            add([*value.values()])
        elif isinstance(value, list | tuple):
            for each in value:
                add(each)

    add(value)
    return sum(count for address, count in found.items() if address not in shared)


def copied(value: Any, shared: Collection[int] = (), seen: dict[Any, Tensor] | None = None) -> Any:
    """A copy of nested state in the host's memory, which nothing that changes the original reaches.

    Args:
        value: mappings, lists, tuples and tensors; all else in it is never changed, only replaced.
        shared: storages of tensors that never change, and are not copied.
        seen: the copies that were made so far; tensors that were one stay one.
    """
    seen = {} if seen is None else seen
    if isinstance(value, Tensor):
        if storage(value) in shared:
            return value
        own = local(value).detach()
        key = (storage(own), own.storage_offset(), value.shape, own.shape, own.stride(), own.dtype)
        if key not in seen:
            copy = own.to("cpu", copy=True)
            seen[key] = as_part(copy, value) if is_divided(value) else copy
        return seen[key]
    if isinstance(value, Mapping):
        return {name: copied(each, shared, seen) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(each, shared, seen) for each in value)
    return value
