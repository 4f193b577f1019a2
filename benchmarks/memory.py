"""The estimate of `mr1 estimate` against what a run takes, on random models that are large enough to have activations.

    python benchmarks/memory.py          # a table
    python benchmarks/memory.py --json
    torchrun --nproc-per-node 2 benchmarks/memory.py    # of one of two processes: the one that takes the most

On a machine with a GPU the run is measured there, and the estimate is that for a GPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from mr1.config import load_config
from mr1.estimate.dry import Device
from mr1.estimate.measure import measure, widen
from mr1.estimate.sizes import in_words
from mr1.estimate.step import estimate
from mr1.models.small import build_small
from mr1.parallel import ranks
from mr1.report.console import Console

RECIPE = "counting-grpo-d"
COMMON = [
    "steps=10",
    "prompts_per_step=8",
    "tokens_per_microbatch=1500",
    "evaluation.every=1",
    "evaluation.samples=16",
    "evaluation.final_samples=0",
]
FROZEN = ["optimizer.parts.vision=0", "optimizer.parts.projector=0"]
SETTINGS: dict[str, tuple[str, list[str]]] = {
    "all weights, float32, reference": ("qwen2_vl", []),
    "LoRA, gradient checkpointing": ("qwen2_vl", ["lora.rank=8", "gradient_checkpointing=true"]),
    "bfloat16, vision frozen": ("qwen2_vl", ["loading.dtype=bfloat16", *FROZEN]),
    "bfloat16, LoRA, long completions": (
        "qwen2_vl",
        ["loading.dtype=bfloat16", "lora.rank=8", "rollout.max_new_tokens=256", "prompts_per_step=4"],
    ),
    "top-p 0.9, eager attention": ("qwen2_vl", ["rollout.top_p=0.9", "loading.attention=eager"]),
    "SmolVLM, all weights": ("smolvlm", []),
    "Qwen3.5, recurrent layers": ("qwen3_5", []),
    "four bits, LoRA": ("qwen2_vl", ["loading.quantize=nf4", "lora.rank=8"]),
    "Gemma 3, gradient checkpointing": ("gemma3", ["gradient_checkpointing=true"]),
}


def compare(family: str, settings: list[str], folder: Path) -> list[dict[str, Any]]:
    """A row for each phase: bytes estimated, bytes measured, and their ratio; none where another process makes them."""
    model = folder / family
    with ranks.joined(600.0):
        ranks.first(lambda: _build(family, model), "the model")
        config = load_config(RECIPE, [f"model={model}", f"output={folder / 'runs'}", *COMMON, *settings])
        found, first = ranks.gather(measure(config), "what was measured"), ranks.is_first()
    if not first:
        return []
    device: Device = "gpu" if torch.cuda.is_available() else "cpu"
    phases = estimate(config, device, processes=ranks.asked_for()).phases
    totals = {phase: sum(parts.values()) for phase, parts in phases.items()}
    measured = {phase: max(each[phase] for each in found) for phase in found[0]}
    return [
        {"phase": phase, "estimated": totals[phase], "measured": size, "ratio": totals[phase] / size}
        for phase, size in measured.items()
    ]


def _build(family: str, model: Path) -> None:
    if not model.exists():
        build_small(family, model)
        widen(model)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    results = {}
    with tempfile.TemporaryDirectory() as own:
        with ranks.joined(600.0):
            folder, first = ranks.first(lambda: own, "the folder"), ranks.is_first()
        for name, (family, settings) in SETTINGS.items():
            if ranks.asked_for() > 1 and any("quantize" in setting for setting in settings):
                continue  # these can't be divided
            results[name] = compare(family, settings, Path(folder))
    if not first:
        return
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("setting", "phase")
    for header in ("estimated", "measured", "ratio"):
        table.add_column(header, justify="right")
    for name, rows in results.items():
        for row in rows:
            cells = in_words(row["estimated"]), in_words(row["measured"]), f"{row['ratio']:.3f}"
            table.add_row(name if row is rows[0] else "", row["phase"], *cells, end_section=row is rows[-1])
    Console().show(table)


if __name__ == "__main__":
    main()
