"""Tensors that are divided among processes (torch's DTensor), and those that are not, alike."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor


def is_divided(tensor: Tensor) -> bool:
    """Whether this process has a part of a tensor alone."""
    return hasattr(tensor, "full_tensor")  # torch's DTensor takes a second to be imported


def local(tensor: Any) -> Tensor:
    """This process's part of a tensor; all of it where it is not divided."""
    own: Tensor = tensor.to_local() if is_divided(tensor) else tensor
    return own


def as_whole(tensor: Any) -> Tensor:
    """All of a tensor, brought together from all processes where it is divided."""
    whole: Tensor = tensor.full_tensor() if is_divided(tensor) else tensor
    return whole


def part_like(whole: Tensor, like: Any) -> Tensor:
    """This process's part of a tensor that every process has, divided like another one; as it is where that isn't."""
    if not is_divided(like) or is_divided(whole):
        return whole
    from torch.distributed.tensor import distribute_tensor

    here = whole.to(like.device)
    return distribute_tensor(here, like.device_mesh, like.placements, src_data_rank=None)


def as_part(part: Tensor, like: Any) -> Tensor:
    """A tensor in the host's memory that is this process's part of one that is divided like another."""
    from torch.distributed.tensor import DTensor

    mesh = host_mesh(tuple(like.device_mesh.shape)) if like.device_mesh.device_type != "cpu" else like.device_mesh
    return DTensor.from_local(part, mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride())


@cache
def host_mesh(shape: tuple[int, ...]) -> Any:
    """The processes as a mesh of that shape, for tensors in the host's memory; all are to ask for it at once."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", shape)
