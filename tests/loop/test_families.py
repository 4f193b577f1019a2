"""Every family in small: real classes, real processor classes, random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from mr1.config import Loading, Rollout
from mr1.models import VLM, load_vlm
from mr1.models.adapter import Adapter
from mr1.models.check import check_model, counting_images, example_groups, ordinary_logprobs
from mr1.models.families import ADAPTERS
from mr1.models.small.families import LINES
from mr1.models.verdicts import TOLERANCE, conduct
from mr1.rollout.local import LocalEngine
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.shared import SharedPrompts
from mr1.train.packing import make_rows, packed_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Features

pytestmark = pytest.mark.loop

NAMED = (
    "aya_vision",
    "cohere2_vision",
    "ernie4_5_vl_moe",
    "fast_vlm",
    "gemma3",
    "gemma3n",
    "gemma4",
    "gemma4_unified",
    "glm46v",
    "glm4v",
    "glm4v_moe",
    "granite4_vision",
    "hunyuan_vl",
    "idefics3",
    "internvl",
    "kimi_k25",
    "lfm2_vl",
    "llama4",
    "llava",
    "llava_next",
    "llava_onevision",
    "minicpmv4_6",
    "minicpmv4_7",
    "minimax_m3_vl",
    "mistral3",
    "molmo2",
    "ovis2",
    "paddleocr_vl",
    "paligemma",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_vl",
    "qwen3_vl_moe",
    "smolvlm",
    "step3p7",
    "video_llama_3",
)
"""Families that are held one by one; `mr1 check --all` measures all there are."""
WAYS = {
    "aya_vision": "packed",
    "cohere2_vision": "packed",
    "gemma3": "packed",
    "gemma3n": "packed",
    "gemma4": "packed",
    "gemma4_unified": "packed",
    "lfm2_vl": "state shared",
    "llama4": "packed",
    "minicpmv4_6": "state shared",
    "minicpmv4_7": "state shared",
    "minimax_m3_vl": "packed",
    "molmo2": "packed",
    "paligemma": "packed",
    "qwen3_5": "state shared",
    "qwen3_5_moe": "state shared",
    "step3p7": "packed",
}
"""How rows are made of families that are not flat."""
DECODED = [
    "idefics3",
    "internvl",
    "llava",
    "llava_next",
    "llava_onevision",
    "ovis2",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
    "smolvlm",
    "video_llama_3",
]
"""Families whose prompts are shared in decoding too."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, build_family: Callable[[str, Path], None]) -> Callable[[str], VLM]:
    """A small random model of a family; each is made once."""
    made: dict[str, VLM] = {}

    def load(family: str) -> VLM:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            build_family(family, folder)
            made[family] = load_vlm(str(folder))
        return made[family]

    return load


@pytest.mark.parametrize("family", NAMED)
def test_a_family_does_what_it_does_under_transformers(
    small: Callable[[str], VLM], family: str, tmp_path: Path
) -> None:
    """Prompts with one, two, no and three images, completions of unequal lengths, all in one batch; see `verdicts`."""
    vlm = small(family)
    check, behaviour = check_model(vlm), conduct(vlm, tmp_path)
    assert check.family == family
    assert vlm.adapter.way == WAYS.get(family, "flat")
    assert max(check.logprob_difference, check.gradient_difference, check.transformers_difference) < TOLERANCE
    assert check.prompts_differ == 0
    assert check.encoded == 1
    assert (check.tokens < check.plain_tokens) == check.packs
    assert behaviour.right, behaviour


@pytest.mark.parametrize("family", ["llama4", "minimax_m3_vl", "qwen3_5"])
def test_a_model_without_what_was_changed_in_place_agrees(small: Callable[[str], VLM], family: str) -> None:
    vlm = small(family)
    pristine: Any = AutoModelForImageTextToText.from_pretrained(vlm.model.config._name_or_path).eval()
    groups = example_groups(vlm)
    scored, _ = token_logprobs(vlm, make_rows(groups, vlm.adapter), temperature=1.0)
    ordinary = torch.cat([ordinary_logprobs(replace(vlm, model=pristine), group) for group in groups])
    torch.testing.assert_close(scored, ordinary, atol=5e-6, rtol=0)


@pytest.mark.parametrize("family", ["gemma3", "idefics3", "llava", "qwen2_vl"])
def test_a_prompt_begins_with_one_first_token_at_most(small: Callable[[str], VLM], family: str) -> None:
    """Gemma 3 and Idefics3 have one in their chat templates and their tokenizers add one; LLaVA's tokenizers alone."""
    vlm, line = small(family), LINES.get(family, {})
    first = line.get("first")
    assert vlm.tokenizer.bos_token == first
    for prompt in (group.prompt for group in example_groups(vlm)):
        assert prompt.text.startswith(first or "<|im_start|>") == (not first or line.get("template_first", False))
        assert vlm.tokenizer.convert_ids_to_tokens(prompt.input_ids.tolist()).count(first) == (first is not None)


@pytest.mark.parametrize("family", ["gemma3", "llama4", "qwen2_vl", "qwen3_5"])
def test_a_rollout_encodes_each_image_once(small: Callable[[str], VLM], family: str) -> None:
    vlm = small(family)
    prompts = [group.prompt for group in example_groups(vlm)]
    with counting_images(vlm) as counts, torch.no_grad():
        for prompt in prompts:
            vlm.features([prompt])
    expected = sum(counts)
    with counting_images(vlm) as counts:
        LocalEngine(vlm).sample(prompts, Rollout(group_size=4, max_new_tokens=3), (0, 0))
    assert sum(counts) == expected


@pytest.mark.parametrize("family", DECODED)
def test_shared_prompts_decode_as_repeated_ones(small: Callable[[str], VLM], family: str) -> None:
    """Prompts of different lengths; completions that end at different places, so that prompts and rows leave."""
    vlm = replace(small(family))
    allowed = torch.isfinite(vlm.token_bias()).nonzero()[:, 0]
    vlm.stop_tokens = lambda: allowed[::12].tolist()  # type: ignore[method-assign]
    prompts = [group.prompt for group in example_groups(vlm)]
    engine, settings = LocalEngine(vlm), Rollout(group_size=5, max_new_tokens=40)
    assert isinstance(engine.decoder(prompts, 5, 40), SharedPrompts)
    shared = engine.sample(prompts, settings, (0, 0))
    engine.decoder = partial(RepeatedPrompts, vlm)  # type: ignore[method-assign]
    repeated = engine.sample(prompts, settings, (0, 0))
    lengths = [len(completion) for group in shared for completion in group.completions]
    assert len(set(lengths)) > 5
    parted = 0
    for one, other in zip(shared, repeated, strict=True):
        for mine, plain in zip(one.completions, other.completions, strict=True):
            assert mine.logprobs is not None
            assert plain.logprobs is not None
            pairs = zip(mine.token_ids.tolist(), plain.token_ids.tolist(), strict=False)
            same = next((place for place, (one_id, other_id) in enumerate(pairs) if one_id != other_id), len(mine))
            torch.testing.assert_close(mine.logprobs[:same], plain.logprobs[:same], atol=5e-6, rtol=0)
            if same == len(mine) == len(plain):
                assert mine.finish_reason == plain.finish_reason
                continue
            # A number drawn at the very border of two tokens falls on either side, as rounding goes on a processor.
            parted += 1
            border = allowed.tolist()
            ids = [border.index(int(each.token_ids[same])) for each in (mine, plain)]
            assert abs(ids[0] - ids[1]) == 1
    assert parted <= 1


@pytest.mark.parametrize("family", NAMED)
def test_each_part_of_a_family_is_found_and_each_mark_forbidden(small: Callable[[str], VLM], family: str) -> None:
    vlm = small(family)
    parts: dict[str, int] = {"vision": 0, "projector": 0, "language": 0}
    for name, parameter in vlm.model.named_parameters():
        part = vlm.adapter.part_of(name)
        parts[part] += parameter.numel()
        assert part == "language" or not name.startswith(("model.language_model", "model.text_model", "lm_head"))
    assert all(parts.values()), parts
    ends = {vlm.tokenizer.bos_token, vlm.tokenizer.eos_token, "<end_of_utterance>"}
    marks = set(vlm.tokenizer.all_special_tokens) - ends
    assert set(vlm.tokenizer.convert_tokens_to_ids([*marks])) <= set(vlm.adapter.forbidden_tokens())
    tower = sum(p.numel() for p in vlm.adapter.vision_tower().parameters())
    more = vlm.adapter.more_vision_modules
    beside = sum(p.numel() for name, p in vlm.model.named_parameters() if name.startswith(more))
    assert parts["vision"] <= tower + beside <= parts["vision"] + parts["projector"]


def test_gemma_rows_longer_than_its_window_are_exact(small: Callable[[str], VLM]) -> None:
    """The sliding mask follows positions: in a packed row the last completion stands far behind its prompt."""
    vlm = small("gemma3")
    window = vlm.model.config.get_text_config().sliding_window
    group = example_groups(vlm)[0]
    assert len(group.prompt) > window
    rows = packed_rows([group], vlm.adapter)
    assert isinstance(rows.mask, torch.Tensor)
    mask = vlm.adapter.attention(rows.mask, rows.input_ids, rows.position_ids)
    assert mask["sliding_attention"].sum() < mask["full_attention"].sum()
    first, last = group.completions[0], group.completions[-1]
    swapped = replace(group, completions=[last, *group.completions[1:-1], first])
    one, _ = token_logprobs(vlm, rows, temperature=1.0)
    other, _ = token_logprobs(vlm, packed_rows([swapped], vlm.adapter), temperature=1.0)
    torch.testing.assert_close(one[: len(first)], other[-len(first) :], atol=5e-6, rtol=0)


@pytest.mark.parametrize("family", ["qwen2_vl", "gemma3", "qwen3_5"])
def test_eager_attention_is_the_same(small: Callable[[str], VLM], family: str) -> None:
    sdpa = small(family)
    eager = load_vlm(sdpa.model.config._name_or_path, Loading(attention="eager"))
    assert eager.model.config._attn_implementation == "eager"
    groups = example_groups(sdpa)
    one, _ = token_logprobs(sdpa, make_rows(groups, sdpa.adapter), temperature=1.0)
    other, _ = token_logprobs(eager, make_rows(groups, eager.adapter), temperature=1.0)
    torch.testing.assert_close(one, other, atol=5e-6, rtol=0)


def test_windows_of_all_layers_are_exact(
    monkeypatch: pytest.MonkeyPatch, build_family: Callable[[str, Path], None], tmp_path: Path
) -> None:
    """Some checkpoints of LLaVA-NeXT have Mistral's language model, whose layers have no kinds."""
    monkeypatch.setitem(LINES, "llava_next", LINES["llava_next"] | {"text_config": {"model_type": "mistral"}})
    build_family("llava_next", tmp_path)
    vlm = load_vlm(str(tmp_path))
    assert vlm.model.config.text_config.sliding_window < max(len(group.prompt) for group in example_groups(vlm))
    check = check_model(vlm)
    assert check.packs
    assert not vlm.adapter.shares
    assert max(check.logprob_difference, check.gradient_difference, check.transformers_difference) < 5e-6


def test_batch_norms_keep_their_statistics_in_training(small: Callable[[str], VLM]) -> None:
    vlm = small("fast_vlm")
    before = {name: value.clone() for name, value in vlm.model.named_buffers()}
    rows = make_rows(example_groups(vlm), vlm.adapter)
    expected, _ = token_logprobs(vlm, rows, temperature=1.0)
    with vlm.training():
        scored, _ = token_logprobs(vlm, rows, temperature=1.0)
    torch.testing.assert_close(scored, expected, atol=5e-6, rtol=0)
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(value, before[name]) for name, value in vlm.model.named_buffers())


@pytest.mark.parametrize("family", ["glm4v", "hunyuan_vl", "paddleocr_vl", "video_llama_3"])
def test_limits_are_in_an_images_pixels(small: Callable[[str], VLM], family: str) -> None:
    """GLM-V's processor counts each twice."""
    vlm = load_vlm(small(family).model.config._name_or_path, Loading(min_pixels=28 * 28, max_pixels=56 * 56))
    grids = [group.prompt.vision["image_grid_thw"].prod(1) for group in example_groups(vlm) if group.prompt.vision]
    assert 8 <= int(torch.cat(grids).max()) <= 16


def test_features_are_kept_only_where_nothing_that_makes_them_learns(small: Callable[[str], VLM]) -> None:
    vlm = small("qwen3_vl")
    prompts = [group.prompt for group in example_groups(vlm)]
    rows = make_rows(example_groups(vlm), vlm.adapter)
    expected, _ = token_logprobs(vlm, rows, temperature=1.0)
    assert all(prompt.features is None for prompt in rows.prompts)
    frozen = VLM(vlm.model, vlm.processor, vlm.adapter, features_frozen=True)
    with counting_images(vlm) as counts:
        for _ in range(3):
            kept, _ = token_logprobs(frozen, rows, temperature=1.0)
    assert len(counts) == 1
    torch.testing.assert_close(kept, expected, atol=5e-6, rtol=0)
    features = [prompt.features for prompt in rows.prompts]
    assert [isinstance(each, Features) for each in features] == [bool(prompt.vision) for prompt in prompts]
    assert not any(each.embeddings.requires_grad or len(each.deepstack) != 1 for each in features if each)


def test_a_prompt_in_several_plain_rows_is_encoded_once(
    small: Callable[[str], VLM], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a family that has no adapter."""
    folder = small("llava").model.config._name_or_path
    monkeypatch.delitem(ADAPTERS, "llava")
    vlm = load_vlm(folder)
    assert type(vlm.adapter) is Adapter
    assert check_model(vlm).tokens == check_model(vlm).plain_tokens
    groups = example_groups(vlm)
    rows = make_rows(groups, vlm.adapter)
    assert len(rows.prompts) == sum(len(group.completions) for group in groups)
    with counting_images(vlm) as counts:
        token_logprobs(vlm, rows, temperature=1.0)[0].sum().backward()
    vlm.model.zero_grad()
    assert sum(counts) == sum(len(group.prompt.vision.get("pixel_values", ())) for group in groups)


def test_pixel_limits(small: Callable[[str], VLM], tmp_path: Path) -> None:
    folder = small("qwen2_vl").model.config._name_or_path
    limited = load_vlm(folder, Loading(max_pixels=56 * 56))
    grids = [group.prompt.vision["image_grid_thw"].prod(1) for group in example_groups(limited) if group.prompt.vision]
    assert int(torch.cat(grids).max()) <= 16
    limited.save(tmp_path)
    assert load_vlm(str(tmp_path)).processor.image_processor.size["longest_edge"] == 56 * 56
