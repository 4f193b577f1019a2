"""MR1's rollout and transformers' `generate`, in turns, in one process, with the same weights on the same prompts.

Images are preprocessed before the clock starts, on both sides. `generate` gets each prompt G times, as a trainer gives
it; it samples from the same distribution, in each of the ways to hold keys and values that it offers for every model.
Which is the fastest is the driver's to say. Run as python -m benchmarks.speed.generate_side FOLDER (see `worker`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, GenerationConfig

from benchmarks.speed.mr1_side import settings
from benchmarks.speed.work import dtype_name, on_gpu, read_work
from benchmarks.speed.worker import Channel
from mr1.data.unusable import LeftOut
from mr1.models.loading import load_vlm
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.train.data import PromptCache, PromptSource
from mr1.types import Prompt

CACHES = (None, "static")


def inputs_of(vlm: VLM, prompts: list[Prompt], copies: int) -> dict[str, Any]:
    """What `generate` takes for so many copies of each prompt; the prompts are equally long."""
    repeated = [prompt for prompt in prompts for _ in range(copies)]
    input_ids = torch.stack([prompt.input_ids for prompt in repeated])
    tensors = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
    tensors["mm_token_type_ids"] = (input_ids == vlm.adapter.image_token_id).long()
    tensors |= vlm.adapter.collate_vision([prompt.vision for prompt in repeated])
    return {name: tensor.to(vlm.device) for name, tensor in tensors.items()}


def generation(vlm: VLM, new_tokens: int, cache: str | None) -> GenerationConfig:
    """Sampling at temperature 1 without any cut, from the tokens that MR1 samples from, as many as MR1 does."""
    return GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=new_tokens,
        suppress_tokens=sorted({*vlm.adapter.forbidden_tokens(), *vlm.stop_tokens()}),
        eos_token_id=vlm.tokenizer.eos_token_id,
        pad_token_id=vlm.adapter.pad_token_id,
        cache_implementation=cache,
    )


def main() -> None:
    """The process."""
    channel, folder = Channel(), Path(sys.argv[1])
    work, steps = read_work(folder)
    config = settings(work, steps, folder)
    vlm = load_vlm(config.model, config.loading)
    # As transformers loads it: MR1's own is not quite the same inside.
    model: Any = AutoModelForImageTextToText.from_pretrained(config.model, dtype=getattr(torch, dtype_name()))
    model.to(vlm.device).eval()
    engine, source = LocalEngine(vlm), PromptSource(config, PromptCache(vlm, 0), LeftOut(0.0))
    ways = {cache: generation(vlm, work.new_tokens, cache) for cache in CACHES}
    vlm.stop_tokens = lambda: [-1]  # type: ignore[method-assign]
    channel.say({})
    for step in range(steps):
        if channel.command() == "quit":
            return
        prompts = source.batch(last=True)
        inputs = inputs_of(vlm, prompts, work.group_size)
        groups, seconds = _timed(partial(engine.sample, prompts, config.rollout, (0, step)))
        assert all(len(each) == work.new_tokens for group in groups for each in group.completions)
        figures = {"mr1": seconds}
        for cache, way in ways.items():
            tokens, seconds = _timed(partial(_generate, model, inputs, way))
            assert tokens.shape[1] == inputs["input_ids"].shape[1] + work.new_tokens
            figures[str(cache)] = seconds
        channel.say(figures)


@torch.no_grad()
def _generate(model: Any, inputs: dict[str, Any], way: GenerationConfig) -> Any:
    return model.generate(**inputs, generation_config=way)


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What the function returns, and its seconds."""
    start = time.perf_counter()
    result = function()
    if on_gpu():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
