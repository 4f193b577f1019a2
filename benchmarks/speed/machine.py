"""On what and with what was measured."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.work import dtype_name, on_gpu

PACKAGES = ("torch", "transformers", "trl", "accelerate", "numpy")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, GPU, number format, versions, and the command as it was given; no date."""
    from mr1 import __version__

    versions = {"python": platform.python_version(), "mr1": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if on_gpu() else None,
        "dtype": dtype_name(),
        "versions": versions,
        "command": " ".join(["python", "-m", "benchmarks.speed", *sys.argv[1:]]),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
