"""What the machine can do, measured: operations of a matrix multiplication and bytes of a copy, in a second.

The fastest of several measurements, because whatever else a machine does makes it slower, never faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.work import Work, dtype_name, on_gpu

SQUARE = 2048
"""Side of the square matrices."""
COPIED = 2**28
"""Bytes that are copied: far more than any cache holds."""
REPEATS = 11


def measure_rates(work: Work | None = None) -> dict[str, float]:
    """`matmul` in operations a second, at `work`'s shapes too, and `bandwidth` in bytes a second, read and written."""
    rates = {"matmul": matmul_rate(SQUARE, SQUARE, SQUARE), "bandwidth": copy_rate()}
    if work is not None:
        tokens = work.image_tokens + work.group_size * work.new_tokens
        rates["matmul_mlp"] = matmul_rate(tokens, work.hidden, work.intermediate)
        rates["matmul_projection"] = matmul_rate(tokens, work.hidden, work.hidden)
    return rates


def matmul_rate(rows: int, inner: int, columns: int) -> float:
    """Operations a second of a (rows, inner) by (inner, columns) product, in the work's number format."""
    options: dict[str, Any] = {"dtype": getattr(torch, dtype_name()), "device": "cuda" if on_gpu() else "cpu"}
    left, right = torch.randn(rows, inner, **options), torch.randn(inner, columns, **options)
    out = torch.empty(rows, columns, **options)

    def multiply() -> Tensor:
        return torch.mm(left, right, out=out)

    # Small products are repeated within a measurement, so that the clock's own time doesn't count.
    times = max(1, int(2e9 / (2 * rows * inner * columns)))
    return times * 2 * rows * inner * columns / _seconds(multiply, times)


def copy_rate() -> float:
    """Bytes a second of a copy in memory: what is read and what is written."""
    source = torch.ones(COPIED // 4, device="cuda" if on_gpu() else "cpu")
    target = torch.empty_like(source)
    return 2 * COPIED / _seconds(lambda: target.copy_(source), 1)


def _seconds(function: Callable[[], Any], times: int) -> float:
    """The least of several measurements of so many calls."""
    measured = []
    for _ in range(REPEATS):
        _wait()
        start = time.perf_counter()
        for _ in range(times):
            function()
        _wait()
        measured.append(time.perf_counter() - start)
    return min(measured)


def _wait() -> None:
    if on_gpu():
        torch.cuda.synchronize()
