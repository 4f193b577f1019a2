"""What sharing the prompt saves: a forward and backward of groups by MR1's rows and by plain rows, in turn.

    python -m benchmarks.sharing          # a table: a family of each kind, 64, 256 and 1,024 image tokens
    python -m benchmarks.sharing --families qwen3_5 --tokens 64 --pairs 3 --json

Random models with a language model of width 256 and eight layers (Gemma 3: twelve); of the hybrid family six of them
are recurrent, as in the real one. Two prompts with an image each, eight completions of 32 tokens. Images are encoded
once for each group on both sides. `tokens` are those that pass the language model; `kept` are bytes that stay for the
backward pass.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from mr1.config import Loading
from mr1.models import VLM, load_vlm
from mr1.models.small import build_small
from mr1.models.small.families import LINES
from mr1.models.small.sizes import merged
from mr1.report.console import Console
from mr1.train.packing import Rows, make_rows, plain_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group, Sample

FAMILIES = {"qwen2_vl": "flat", "gemma3": "packed", "qwen3_5": "state shared", "qwen3_vl_moe": "flat, experts"}
TOKENS = (64, 256, 1024)
PROMPTS, COPIES, LENGTH = 2, 8, 32
WIDTH, LAYERS = 256, 8
LANGUAGE = {
    "hidden_size": WIDTH,
    "intermediate_size": 3 * WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
SECTIONS = {"mrope_section": [6, 5, 5]}
OWN: dict[str, dict[str, Any]] = {
    "qwen2_vl": {"text_config": {"rope_parameters": SECTIONS}, "vision_config": {"hidden_size": WIDTH}},
    "gemma3": {
        "text_config": {
            "num_hidden_layers": 12,
            "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 2,
            "sliding_window": 512,
        }
    },
    "qwen3_5": {
        "text_config": {
            "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 2,
            "rope_parameters": SECTIONS | {"mrope_section": [4, 2, 2]},
            "linear_num_key_heads": 4,
            "linear_num_value_heads": 8,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 32,
        },
        "vision_config": {"out_hidden_size": WIDTH},
    },
    "qwen3_vl_moe": {
        "text_config": {"rope_parameters": SECTIONS, "num_experts": 8, "moe_intermediate_size": WIDTH},
        "vision_config": {"out_hidden_size": WIDTH},
    },
}
"""What each family has beside the common sizes."""


def line(family: str, tokens: int) -> tuple[dict[str, Any], int]:
    """How a family is built for images of so many tokens, and the side of such an image in pixels."""
    side, sizes = math.isqrt(tokens), merged({"text_config": LANGUAGE}, OWN[family])
    if family == "gemma3":
        pixels = 14 * side * 2
        images: Mapping[str, Any] = {
            "vision_config": {"image_size": pixels},
            "mm_tokens_per_image": tokens,
            "image_processor": {"size": {"height": pixels, "width": pixels}},
            "processor": {"image_seq_length": tokens},
        }
    else:
        pixels = side * (28 if family == "qwen2_vl" else 32)
        images = {"image_processor": {"size": {"shortest_edge": 56 * 56, "longest_edge": pixels * pixels}}}
    return merged(merged(LINES[family], sizes), images), pixels


def groups_of(vlm: VLM, pixels: int) -> list[Group]:
    """Prompts with a random image, and random completions."""
    random = np.random.default_rng(0)
    allowed = torch.isfinite(vlm.token_bias()).nonzero()[:, 0]
    groups = []
    for number in range(PROMPTS):
        image = Image.fromarray(random.integers(0, 256, (pixels, pixels, 3), dtype=np.uint8))
        prompt = vlm.prompt(Sample(f"sharing/{number}", (image,), "How many?", "1"), "{question}")
        written = [
            Completion(
                allowed[torch.from_numpy(random.integers(0, len(allowed), LENGTH))],
                *(None, "", torch.ones(LENGTH, dtype=torch.bool), "length"),
            )
            for _ in range(COPIES)
        ]
        groups.append(Group(prompt, written))
    return groups


def step(vlm: VLM, make: Callable[[], Rows]) -> tuple[float, int]:
    """Seconds of a forward and backward, and bytes kept in between beside the weights."""
    kept: dict[int, int] = {}
    weights = {weight.untyped_storage().data_ptr() for weight in vlm.model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    vlm.model.zero_grad()
    start = time.perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logprobs, _ = token_logprobs(vlm, make(), temperature=1.0)
    logprobs.mean().backward()
    return time.perf_counter() - start, sum(kept.values())


def measure(family: str, tokens: int, pairs: int) -> dict[str, Any]:
    """Plain rows over MR1's: time, by pairs run in turn, bytes kept, tokens."""
    with tempfile.TemporaryDirectory() as folder:
        own, pixels = line(family, tokens)
        build_small(family, Path(folder), line=own)
        vlm = load_vlm(folder, Loading())
    groups = groups_of(vlm, pixels)
    sides: dict[str, Callable[[], Rows]] = {
        "mr1": lambda: make_rows(groups, vlm.adapter),
        "plain": lambda: plain_rows(groups, vlm.adapter),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    kept: dict[str, int] = {}
    for number in range(pairs + 1):
        for side, make in sides.items():
            seconds, kept[side] = step(vlm, make)
            if number:  # the first ones warm up
                times[side].append(seconds)
    image = int((groups[0].prompt.input_ids == vlm.adapter.image_token_id).sum())
    ratios = sorted(plain / mine for mine, plain in zip(times["mr1"], times["plain"], strict=True))
    return {
        "family": family,
        "way": vlm.adapter.way,
        "image_tokens": image,
        "time": [float(np.median(ratios)), ratios[0], ratios[-1]],
        "seconds": {side: float(np.median(each)) for side, each in times.items()},
        "kept": kept,
        "tokens": {side: _tokens(make()) for side, make in sides.items()},
    }


def _tokens(rows: Rows) -> int:
    return rows.input_ids.numel()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=sorted(FAMILIES), default=[*FAMILIES])
    parser.add_argument("--tokens", nargs="+", type=int, default=[*TOKENS], help="of an image: squares")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    results = [measure(family, tokens, arguments.pairs) for family in arguments.families for tokens in arguments.tokens]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    table = Table(
        "family", "rows", "image tokens", "tokens, plain / MR1", "time, plain over MR1", "kept, plain over MR1"
    )
    for result in results:
        median, least, most = result["time"]
        counts, kept = result["tokens"], result["kept"]
        table.add_row(
            *(result["family"], result["way"], str(result["image_tokens"]), f"{counts['plain']} / {counts['mr1']}"),
            *(f"{median:.2f} ({least:.2f} to {most:.2f})", f"{kept['plain'] / kept['mr1']:.2f}"),
        )
    Console().show(table)


if __name__ == "__main__":
    main()
