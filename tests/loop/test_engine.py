"""The in-process engine: what it writes, with what seeds, at what cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from mr1.config import Rollout
from mr1.models.vlm import VLM
from mr1.rollout.local import Decoder, LocalEngine
from mr1.train.packing import packed_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop

SETTINGS = Rollout(group_size=3, max_new_tokens=20)


@pytest.fixture
def prompts(make_prompt: Callable[..., Prompt]) -> list[Prompt]:
    """Prompts of unequal lengths."""
    return [make_prompt(0), make_prompt(1, "geometry"), make_prompt(2)]


def _tokens(groups: list[Group]) -> list[list[list[int]]]:
    return [[completion.token_ids.tolist() for completion in group.completions] for group in groups]


def test_greedy_equals_transformers_generate(tiny: VLM, prompts: list[Prompt]) -> None:
    for prompt, completion in zip(prompts, LocalEngine(tiny).greedy(prompts, 20), strict=True):
        encoded = tiny.processor(text=[prompt.text], images=list(prompt.sample.images), return_tensors="pt")
        written = tiny.model.generate(**encoded, max_new_tokens=20, do_sample=False)[0, len(prompt) :]
        assert completion.token_ids.tolist() == written.tolist()


def test_sampler_logprobs_are_the_scorers(tiny: VLM, prompts: list[Prompt]) -> None:
    settings = SETTINGS.model_copy(update={"temperature": 1.3})
    groups = LocalEngine(tiny).sample(prompts, settings, (0, 0))
    scored, _ = token_logprobs(tiny, packed_rows(groups, tiny.adapter), temperature=1.3)
    sampled = [completion.logprobs for group in groups for completion in group.completions]
    assert all(logprobs is not None for logprobs in sampled)
    torch.testing.assert_close(torch.cat([x for x in sampled if x is not None]), scored, atol=1e-4, rtol=0)


def test_what_is_sampled_does_not_depend_on_what_else_is_in_the_batch(tiny: VLM, prompts: list[Prompt]) -> None:
    engine = LocalEngine(tiny)
    together = _tokens(engine.sample(prompts, SETTINGS, (0, 5)))
    assert together == _tokens(engine.sample(prompts, SETTINGS, (0, 5)))
    assert together == [_tokens(engine.sample([prompt], SETTINGS, (0, 5)))[0] for prompt in prompts]
    assert together != _tokens(engine.sample(prompts, SETTINGS, (0, 6)))
    assert together != _tokens(engine.sample(prompts, SETTINGS, (1, 5)))
    larger = SETTINGS.model_copy(update={"group_size": 5})
    assert together == [group[:3] for group in _tokens(engine.sample(prompts, larger, (0, 5)))]


def test_rows_that_cant_be_padded_are_decoded_beside_those_of_their_length(
    tiny: VLM, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [prompts[0], prompts[0], *prompts]
    engine = LocalEngine(tiny)
    padded, decoded = _tokens(engine.sample(prompts, SETTINGS, (0, 5))), list[list[int]]()
    decoder = engine.decoder

    def watched(batch: Sequence[Prompt], copies: int, length: int) -> Decoder:
        decoded.append([*map(len, batch)])
        return decoder(batch, copies, length)

    monkeypatch.setattr(type(tiny.adapter), "pads", False)
    monkeypatch.setattr(engine, "decoder", watched)
    assert _tokens(engine.sample(prompts, SETTINGS, (0, 5))) == padded
    assert [len({*lengths}) for lengths in decoded] == [1, 1, 1]
    assert [*map(len, decoded)] == [3, 1, 1]


def test_completions_end_at_a_stop_token_or_at_the_limit(tiny: VLM, prompts: list[Prompt]) -> None:
    stops = tiny.stop_tokens()
    settings = SETTINGS.model_copy(update={"max_new_tokens": 40, "group_size": 8})
    completions = [c for group in LocalEngine(tiny).sample(prompts, settings, (0, 0)) for c in group.completions]
    for completion in completions:
        ids = completion.token_ids.tolist()
        assert not any(token in stops for token in ids[:-1])
        assert (ids[-1] in stops) == (completion.finish_reason == "stop")
        assert len(ids) == 40 or completion.finish_reason == "stop"
        assert "<|im_end|>" not in completion.text
    assert {completion.finish_reason for completion in completions} == {"stop", "length"}


def test_vision_and_padding_tokens_are_never_sampled(tiny: VLM, prompts: list[Prompt]) -> None:
    forbidden = {
        tiny.tokenizer.convert_tokens_to_ids(token)
        for token in ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|endoftext|>")
    }
    assert set(torch.isinf(tiny.token_bias()).nonzero()[:, 0].tolist()) == forbidden
    # At this temperature all tokens are about equally likely, so each would be met many times.
    settings = Rollout(group_size=32, max_new_tokens=40, temperature=1000.0)
    tokens = torch.cat(
        [c.token_ids for g in LocalEngine(tiny).sample(prompts, settings, (0, 0)) for c in g.completions]
    )
    assert len(tokens) > 2 * tiny.adapter.vocabulary()
    assert forbidden.isdisjoint(tokens.tolist())


def test_each_image_passes_the_vision_tower_once(tiny: VLM, prompts: list[Prompt]) -> None:
    patches: list[int] = []
    hook = tiny.adapter.vision_tower().register_forward_hook(lambda _m, args, _o: patches.append(len(args[0])))
    expected = sum(len(prompt.vision["pixel_values"]) for prompt in prompts)
    try:
        groups = LocalEngine(tiny).sample(prompts, SETTINGS, (0, 0))
        assert sum(patches) == expected
        patches.clear()
        token_logprobs(tiny, packed_rows(groups, tiny.adapter), temperature=1.0)[0].sum().backward()
        assert sum(patches) == expected
    finally:
        hook.remove()
        tiny.model.zero_grad()
