"""Completions that go on from a part that is there: written in parts or at once, they are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mr1.config import Rollout
from mr1.models.vlm import VLM
from mr1.rollout.engine import Begun, nothing, put_in
from mr1.rollout.local import LocalEngine
from mr1.train.packing import make_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group, Prompt

pytestmark = pytest.mark.loop

SETTINGS = Rollout(group_size=3, max_new_tokens=24)
KEY = (0, 3)


@pytest.fixture
def prompts(make_prompt: Callable[..., Prompt]) -> list[Prompt]:
    """Prompts of unequal lengths, one of which is drawn for the second time."""
    return [make_prompt(0), make_prompt(1, "geometry"), replace(make_prompt(1, "geometry"), attempt=1)]


@pytest.fixture(params=[True, False], ids=["shared", "repeated"])
def engine(request: pytest.FixtureRequest, tiny: VLM, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """With each of the ways in which prompts are decoded."""
    if not request.param:
        monkeypatch.setattr("mr1.rollout.local.can_share", lambda _: False)
    return LocalEngine(tiny)


def first(completion: Completion, tokens: int) -> Completion:
    assert completion.logprobs is not None
    return replace(
        completion,
        token_ids=completion.token_ids[:tokens],
        logprobs=completion.logprobs[:tokens],
        mask=completion.mask[:tokens],
    )


def assert_same(one: Completion, other: Completion) -> None:
    assert one.token_ids.tolist() == other.token_ids.tolist()
    assert (one.text, one.finish_reason) == (other.text, other.finish_reason)
    assert one.mask.tolist() == other.mask.tolist()
    assert one.logprobs is not None
    assert other.logprobs is not None
    torch.testing.assert_close(one.logprobs, other.logprobs, atol=1e-4, rtol=0)


@pytest.mark.invariant
def test_what_is_written_in_parts_is_what_is_written_at_once(engine: LocalEngine, prompts: list[Prompt]) -> None:
    groups = engine.sample(prompts, SETTINGS, KEY)
    begun, whole = [], []
    for group in groups:
        for number, completion in enumerate(group.completions):
            part = first(completion, min(5 * number, len(completion) - 1)) if number else nothing()
            begun.append(Begun(group.prompt, part, number, SETTINGS.max_new_tokens - len(part)))
            whole.append(completion)
    assert {completion.finish_reason for completion in whole} == {"stop", "length"}
    for batch_size in (256, 4):
        settings = SETTINGS.model_copy(update={"batch_size": batch_size})
        for one, other in zip(engine.extend(begun, settings, KEY), whole, strict=True):
            assert_same(one, other)


def test_the_likeliest_completion_goes_on_as_it_would(engine: LocalEngine, prompts: list[Prompt]) -> None:
    whole = engine.greedy(prompts[:2], 24)
    begun = [Begun(prompt, first(each, 7), 0, 17) for prompt, each in zip(prompts, whole, strict=False)]
    for one, other in zip(engine.extend(begun, SETTINGS, None), whole, strict=True):
        assert_same(one, other)


def test_a_sample_that_is_drawn_again_is_sampled_differently(engine: LocalEngine, prompts: list[Prompt]) -> None:
    _, once, again = (
        [each.token_ids.tolist() for each in group.completions] for group in engine.sample(prompts, SETTINGS, KEY)
    )
    assert once != again


def test_each_row_has_its_own_budget(engine: LocalEngine, prompts: list[Prompt]) -> None:
    budgets = (1, 9, 4)
    begun = [Begun(prompts[0], nothing(), number, budget) for number, budget in enumerate(budgets)]
    (group,) = engine.sample(prompts[:1], SETTINGS, KEY)
    for completion, whole, budget in zip(engine.extend(begun, SETTINGS, KEY), group.completions, budgets, strict=True):
        assert completion.token_ids.tolist() == whole.token_ids.tolist()[:budget]
        assert completion.finish_reason == "length"


def test_a_string_ends_a_completion_with_the_token_that_completes_it(
    engine: LocalEngine, prompts: list[Prompt]
) -> None:
    """What was there before the call does not count, and a row that meets no string goes on to its own end."""
    (whole,) = engine.greedy(prompts[:1], 72)
    assert whole.text.count("<think>") == whole.text.count("</think>") == 1
    begun = [Begun(prompts[0], first(whole, 6), 0, 66), Begun(prompts[1], nothing(), 0, 3)]
    for stop in (["</think>"], ["no such words", "</think>"]):
        ended, short = engine.extend(begun, SETTINGS, None, stop)
        assert (ended.finish_reason, short.finish_reason) == ("string", "length")
        assert "</think>" in ended.text
        assert "</think>" not in engine.vlm.tokenizer.decode(ended.token_ids[:-1])
        assert ended.token_ids.tolist() == whole.token_ids.tolist()[: len(ended)]
        assert len(short) == 3
    ended, _ = engine.extend(begun, SETTINGS, None, ["<think>"])
    assert_same(ended, whole)


def test_tokens_that_were_put_in_are_seen_and_do_not_count(engine: LocalEngine, prompts: list[Prompt]) -> None:
    vlm = engine.vlm
    (there,) = engine.extend([Begun(prompts[0], nothing(), 2, 4)], SETTINGS, KEY)
    forced = torch.tensor(vlm.tokenizer("<answer>7</answer>", add_special_tokens=False)["input_ids"])
    with_it = put_in(vlm, there, forced)
    assert there.mask.all()  # it stays as it was
    (completion,) = engine.extend([Begun(prompts[0], with_it, 2, 6)], SETTINGS, KEY)
    added = len(completion) - 4 - len(forced)
    assert 1 <= added <= 6
    assert completion.mask.tolist() == [True] * 4 + [False] * len(forced) + [True] * added
    assert "<answer>7</answer>" in completion.text
    assert completion.logprobs is not None
    scored, _ = token_logprobs(vlm, make_rows([Group(prompts[0], [completion])], vlm.adapter), SETTINGS.temperature)
    torch.testing.assert_close(completion.logprobs[completion.mask], scored.detach(), atol=1e-4, rtol=0)


def test_a_part_that_a_teacher_wrote_has_no_logprobs_to_go_on_from(engine: LocalEngine, prompts: list[Prompt]) -> None:
    part = engine.vlm.written("<think>")
    part = replace(part, token_ids=part.token_ids[:-1], mask=part.mask[:-1])
    (completion,) = engine.extend([Begun(prompts[0], part, 0, 3)], SETTINGS, KEY)
    assert completion.logprobs is None
    assert completion.text.startswith("<think>")
