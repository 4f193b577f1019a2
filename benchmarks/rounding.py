"""What bfloat16's rounding comes to: decoding by shared and by repeated prompts, the scorer, and float32, on one text.

    python -m benchmarks.rounding
    python -m benchmarks.rounding --family qwen3_vl --layers 14

A small random model writes nothing: all are asked for their log-probs of the same random tokens.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from mr1.config import Loading
from mr1.models import VLM, load_vlm
from mr1.models.check import example_groups
from mr1.models.families import ADAPTERS
from mr1.models.small import build_small
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import SharedPrompts
from mr1.train.packing import make_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group, Prompt

COPIES = 4
"""Completions of each prompt."""


def build(family: str, layers: int, folder: Path) -> VLM:
    """A small random model with so many language layers, in bfloat16."""
    build_small(family, folder)
    config: Any = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    text.num_hidden_layers, text.layer_types = layers, ["full_attention"] * layers
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    return load_vlm(str(folder), Loading(dtype="bfloat16"))


def decoded(kind: Any, vlm: VLM, prompts: list[Prompt], tokens: Tensor) -> Tensor:
    """(R, T) log-probs of the tokens, as a decoder sees them."""
    decoder = kind(vlm, prompts, COPIES, tokens.shape[1] + 1)
    hidden = [decoder.prefill(), *(decoder.step(each) for each in tokens.T[:-1])]
    logits = vlm.adapter.head()(torch.stack(hidden, dim=1)).float() + vlm.token_bias()
    return torch.log_softmax(logits, -1).gather(-1, tokens[..., None])[..., 0]


@torch.no_grad()
def measure(vlm: VLM, length: int) -> dict[str, Tensor]:
    """The log-probs of each way, of `length` tokens behind each of the prompts."""
    prompts = [group.prompt for group in example_groups(vlm)]
    allowed = torch.isfinite(vlm.token_bias()).nonzero()[:, 0]
    shape = (len(prompts) * COPIES, length)
    tokens = allowed[torch.randint(len(allowed), shape, generator=torch.Generator().manual_seed(0))]
    written = [Completion(each, None, "", torch.ones(length, dtype=torch.bool), "length") for each in tokens]
    groups = [Group(prompt, written[i * COPIES : (i + 1) * COPIES]) for i, prompt in enumerate(prompts)]
    model = copy.deepcopy(vlm.model).float()
    exact = replace(vlm, model=model, adapter=type(vlm.adapter)(model, vlm.tokenizer))
    return {
        "shared": decoded(SharedPrompts, vlm, prompts, tokens),
        "repeated": decoded(RepeatedPrompts, vlm, prompts, tokens),
        "scorer": token_logprobs(vlm, make_rows(groups, vlm.adapter), temperature=1.0)[0].view(shape),
        "float32": decoded(SharedPrompts, exact, prompts, tokens),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--family", choices=sorted(ADAPTERS), default="qwen2_vl")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(build(arguments.family, arguments.layers, Path(folder)), arguments.tokens)
    for one, other in (
        ("shared", "scorer"),
        ("repeated", "scorer"),
        ("shared", "float32"),
        ("repeated", "float32"),
        ("shared", "repeated"),
    ):
        difference = found[one] - found[other]
        error = float(difference.std()) / difference.numel() ** 0.5
        print(
            f"{one} - {other}: mean distance {float(difference.abs().mean()):.5f}, "
            f"mean {float(difference.mean()):+.6f} (standard error {error:.6f})"
        )


if __name__ == "__main__":
    main()
