"""The benchmark's count of a step's least work: by hand, and against torch's own counter on a real forward."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.speed import limit
from benchmarks.speed.work import VOCABULARY, Work, model_config

SMALL = Work(pixels=56, group_size=2, new_tokens=3, hidden=128, prompts=2, language_layers=1, vision_layers=1)


def test_pairs_by_hand() -> None:
    assert limit.causal_pairs(3) == 1 + 2 + 3
    assert limit.causal_pairs(2, before=5) == 6 + 7


def test_sizes_by_hand() -> None:
    assert (SMALL.patches, SMALL.image_tokens, SMALL.heads, SMALL.kv_heads) == (16, 4, 2, 1)
    assert SMALL.intermediate == 768  # 128 * 5.83 = 746.7, to a multiple of 64
    # Queries and output 128 x 128, keys and values 128 x 64, three matrices of the MLP.
    assert limit.language_parameters(SMALL) == 2 * 128 * 128 + 2 * 128 * 64 + 3 * 128 * 768


def test_vision_by_hand() -> None:
    embedding = 2 * 16 * (3 * 2 * 14 * 14) * 128
    layer = 2 * 16 * 128 * (3 * 128 + 128 + 4 * 128 + 4 * 128)
    attention = 2 * (2 * 16 * 16 * 128)
    projector = 2 * 4 * 512 * 512 + 2 * 4 * 512 * 128
    assert limit.vision_flops(SMALL) == embedding + layer + attention + projector


def test_a_prompt_is_counted_once_for_its_group() -> None:
    prompt, per_token = 10, 2 * limit.language_parameters(SMALL)
    # Prompt's tokens see 1, 2, ... 10; those of each of two completions 11, 12, 13.
    pairs = 55 + 2 * (11 + 12 + 13)
    group = limit.vision_flops(SMALL) + (10 + 6) * per_token + 4 * pairs * 128
    assert limit.forward_flops(SMALL, prompt) == 2 * group + 2 * (4 * 3) * 128 * VOCABULARY


def test_rollout_reads_the_weights_at_each_pass() -> None:
    need = limit.rollout_need(SMALL, prompt_tokens=10, width=4)
    weights = limit.language_parameters(SMALL) + 128 * VOCABULARY
    # Two passes after the prefill. Each reads two prompts' keys and values (64 numbers each), and what the four
    # completions have written: 1, then 2 tokens.
    read = 2 * 64 * (2 * 2 * 10 + 4 * (1 + 2))
    assert need.bytes == 4 * (3 * weights + read)
    assert need.flops < limit.forward_flops(SMALL, 10)  # the last token is written, not run


def test_limits_of_a_machine() -> None:
    need = limit.Need(flops=6e9, bytes=1e9)
    assert need.seconds(flop_rate=2e9, bandwidth=1e9) == 3
    assert need.seconds(flop_rate=2e9, bandwidth=0.25e9) == 4
    phases = limit.needs(SMALL, 10, parameters=1000, width=4)
    prompt = limit.vision_flops(SMALL) + 10 * 2 * limit.language_parameters(SMALL) + 4 * 55 * 128
    run = SMALL.prompts * prompt  # before, in the rollout
    assert phases["update"].flops == 3 * phases["score"].flops - run
    assert phases["update"].bytes == 3 * 4 * 1000 + 7 * 4 * 1000
    assert phases["score+update"].flops == 4 * phases["score"].flops - run


@pytest.mark.parametrize("work", [SMALL, Work(pixels=112, hidden=256, language_layers=2)])
def test_agrees_with_torchs_counter(work: Work, tmp_path: Path) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoConfig, AutoModelForImageTextToText

    from mr1.models.small import build_small

    build_small("qwen2_vl", tmp_path)
    config = model_config(work, AutoConfig.from_pretrained(tmp_path))
    # Eager attention is made of the matrix products that torch counts; it does not leave out what is masked.
    config._attn_implementation = "eager"
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
    side, tokens = work.pixels // 14, 20
    with FlopCounterMode(display=False) as counted, torch.no_grad(), torch.device("meta"):
        model.lm_head(model.model.language_model(inputs_embeds=torch.empty(1, tokens, work.hidden))[0])
    expected = limit.language_flops(work, tokens, pairs=tokens**2) + limit.head_flops(work, tokens)
    assert counted.get_total_flops() == expected

    tower = type(model.model.visual)._from_config(config.vision_config, attn_implementation="eager")
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        tower(torch.zeros(work.patches, 3 * 2 * 14 * 14), grid_thw=torch.tensor([[1, side, side]]))
    assert counted.get_total_flops() == limit.vision_flops(work)
