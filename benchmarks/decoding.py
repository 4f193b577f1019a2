"""Decoding by shared prompts against repeated ones: bytes of the prompts' keys and values, and time of a token.

    python -m benchmarks.decoding
    python -m benchmarks.decoding --dtype float32 --prompt 400 --group 16

A random Qwen2-VL with the proportions of Qwen2-VL-2B's language model, 4 layers deep and half as wide, and one prompt
of text. The two take turns, token by token, so that what else the machine does falls on both alike; times are medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText

from mr1.config import Loading
from mr1.models import VLM, load_vlm
from mr1.models.small import build_small
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import SharedPrompts
from mr1.types import Prompt, Sample


def build(folder: Path, dtype: Any) -> VLM:
    """The model; tokens of the bundled tokenizer."""
    build_small("qwen2_vl", folder)
    config: Any = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 768, 4480, 4
    text.num_attention_heads, text.num_key_value_heads, text.head_dim = 6, 1, 128
    text.layer_types = ["full_attention"] * text.num_hidden_layers
    text.rope_parameters = text.rope_parameters | {"mrope_section": [16, 24, 24]}
    config.vision_config.hidden_size = 768
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    return load_vlm(str(folder), Loading(dtype=dtype))


def text_prompt(vlm: VLM, length: int) -> Prompt:
    """A prompt of so many tokens, without an image."""
    made = vlm.prompt(Sample("bench", (), "x" * length, "1"), "{question}")
    ids = torch.cat([made.input_ids, made.input_ids.new_full((length,), int(made.input_ids[-1]))])[:length]
    positions = torch.arange(length).expand(vlm.adapter.position_axes, length)
    return Prompt(made.sample, made.text, ids, {}, positions, length)


@torch.inference_mode()
def compare(vlm: VLM, prompt: Prompt, group: int, tokens: int) -> dict[str, tuple[int, float]]:
    """Bytes of the prompt's keys and values, and the median seconds of a token, of each way."""
    kinds: dict[str, Any] = {"shared": SharedPrompts, "repeated": RepeatedPrompts}
    decoders = {name: kind(vlm, [prompt], group, tokens + 1) for name, kind in kinds.items()}
    for decoder in decoders.values():
        decoder.prefill()
    seconds: dict[str, list[float]] = {name: [] for name in decoders}
    given = torch.full((group,), 10)
    for _ in range(tokens):
        for name, decoder in decoders.items():
            start = time.perf_counter()
            decoder.step(given.to(vlm.device))
            if vlm.device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    kept: dict[str, list[Tensor]] = {
        "shared": decoders["shared"].given,
        "repeated": [
            states[:, :, : len(prompt)]
            for layer in decoders["repeated"].cache.layers
            for states in (layer.keys, layer.values)
        ],
    }
    return {
        name: (sum(each.numel() * each.element_size() for each in kept[name]), statistics.median(seconds[name]))
        for name in decoders
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--prompt", type=int, default=3608, help="tokens")
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        vlm = build(Path(folder), arguments.dtype)
        found = compare(vlm, text_prompt(vlm, arguments.prompt), arguments.group, arguments.tokens)
    for name, (size, seconds) in found.items():
        print(f"{name:9} {size / 2**20:8.1f} MiB {1000 * seconds:8.1f} ms a token")
    (shared, fast), (repeated, slow) = found["shared"], found["repeated"]
    print(f"repeated over shared: {repeated / shared:.2f} times the memory, {slow / fast:.2f} times the time")


if __name__ == "__main__":
    main()
