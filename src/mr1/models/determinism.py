"""The same numbers each time a computation is repeated: what torch has to be told."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")

_impossible: list[str] = []
"""What torch said of an operation that it can't repeat exactly, once one was met."""


def be_deterministic() -> None:
    """Choose kernels that give the same result each time, where there are any; a warning names an operation without.

    To be called before anything is computed on a GPU: cuBLAS reads its setting once. On a CPU it is the order in which
    gradients of repeated indices are added up that would differ.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the one of its two values that costs no speed
    torch.use_deterministic_algorithms(True, warn_only=True)
    # No result is made from memory that was never written; filling it would cost a pass over every new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def repeatable(compute: Callable[[], Result], undo: Callable[[], None]) -> Result:
    """Compute with kernels that torch takes only where nothing else is allowed: attention's backward on a GPU.

    Where an operation has no such kernel, the computation is undone and made again without; and so are all later ones,
    which are then not attempted.

    Args:
        compute: may be called twice.
        undo: takes back what an interrupted `compute` has left.
    """
    if not _impossible:
        torch.use_deterministic_algorithms(True)
        try:
            return compute()
        except RuntimeError as error:
            if "does not have a deterministic implementation" not in str(error):
                raise
            _impossible.append(str(error))
        finally:
            torch.use_deterministic_algorithms(True, warn_only=True)
        undo()
    return compute()
