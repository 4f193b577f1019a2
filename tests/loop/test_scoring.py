"""Packed scoring against the plain forward, and both against transformers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mr1.models.vlm import VLM
from mr1.train.packing import Rows, completion_rows, flat_rows, packed_rows, plain_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Group

pytestmark = pytest.mark.loop


def _score(vlm: VLM, rows: Rows, chunk: int = 2048) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probs, entropies, and the gradient of a sum in which every token has another weight."""
    vlm.model.zero_grad()
    logprobs, entropy = token_logprobs(vlm, rows, temperature=0.7, chunk=chunk, entropies="learned")
    weights = torch.linspace(-1, 1, len(logprobs))
    (logprobs * weights + entropy * weights.flip(0)).sum().backward()
    gradient = {name: p.grad.clone() for name, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad()
    return logprobs.detach(), entropy.detach(), gradient


def _assert_equal_gradients(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert (gradient - other[name]).norm() <= 1e-5 * max(float(other[name].norm()), 1.0), name


def test_packed_equals_plain(tiny: VLM, make_groups: Callable[[int], list[Group]]) -> None:
    groups = make_groups(4)
    packed = _score(tiny, packed_rows(groups, tiny.adapter))
    plain = _score(tiny, plain_rows(groups, tiny.adapter))
    torch.testing.assert_close(packed[0], plain[0], atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(packed[1], plain[1], atol=1e-5, rtol=0)
    _assert_equal_gradients(packed[2], plain[2])
    assert any("visual" in name and gradient.abs().max() > 0 for name, gradient in packed[2].items())


def test_flat_equals_packed(tiny: VLM, make_groups: Callable[[int], list[Group]]) -> None:
    groups = make_groups(4)
    assert tiny.adapter.shares
    flat = _score(tiny, flat_rows(groups))
    packed = _score(tiny, packed_rows(groups, tiny.adapter))
    torch.testing.assert_close(flat[0], packed[0], atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(flat[1], packed[1], atol=1e-5, rtol=0)
    _assert_equal_gradients(flat[2], packed[2])


def test_completions_behind_prompts_that_were_run_ahead_equal_flat(
    tiny: VLM, make_groups: Callable[[int], list[Group]]
) -> None:
    groups = make_groups(4)
    flat = _score(tiny, flat_rows(groups))
    prompts = tiny.run_ahead([group.prompt for group in groups], prefixes=True)
    assert [group.prompt.ahead for group in groups] == [None] * 4  # those that were given stay as they were
    assert tiny.frozen_copy().known_prefixes(prompts) == []  # another model's are none
    behind = _score(tiny, completion_rows(groups, tiny.known_prefixes(prompts)))
    torch.testing.assert_close(behind[0], flat[0], atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(behind[1], flat[1], atol=1e-5, rtol=0)
    _assert_equal_gradients(behind[2], flat[2])


def test_chunks_change_nothing(tiny: VLM, make_groups: Callable[[int], list[Group]]) -> None:
    rows = packed_rows(make_groups(2), tiny.adapter)
    small, large = _score(tiny, rows, chunk=7), _score(tiny, rows)
    torch.testing.assert_close(small[0], large[0], atol=1e-5, rtol=1e-6)
    _assert_equal_gradients(small[2], large[2])


def test_logits_never_exist_for_the_whole_batch(tiny: VLM, make_groups: Callable[[int], list[Group]]) -> None:
    rows = packed_rows(make_groups(3), tiny.adapter)
    count = len(rows.targets)
    seen: list[int] = []
    hook = tiny.adapter.head().register_forward_hook(lambda _m, _i, output: seen.append(output.shape[0]))
    try:
        for chunk in (16, count):
            seen.clear()
            _score(tiny, rows, chunk=chunk)
            assert max(seen) <= chunk
            # Once forward, all but the last chunk's once again for backward.
            assert sum(seen) == 2 * count - (count % chunk or chunk)
    finally:
        hook.remove()
    assert count > 16


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_logprobs_are_those_of_transformers_own_forward(
    tiny: VLM, make_groups: Callable[[int], list[Group]], temperature: float
) -> None:
    group = make_groups(1)[0]
    prompt, completion = group.prompt, group.completions[1]
    with torch.no_grad():
        logits = tiny.model(
            input_ids=torch.cat([prompt.input_ids, completion.token_ids])[None],
            mm_token_type_ids=torch.cat(
                [(prompt.input_ids == tiny.model.config.image_token_id).long(), torch.zeros(len(completion)).long()]
            )[None],
            **prompt.vision,
        ).logits[0, len(prompt) - 1 : -1]
        drawn_from = torch.log_softmax(logits / temperature + tiny.token_bias(), -1)
        expected = drawn_from.gather(-1, completion.token_ids[:, None])[:, 0]
        got, entropy = token_logprobs(tiny, packed_rows([group], tiny.adapter), temperature)
    first = len(group.completions[0])
    torch.testing.assert_close(got[first : first + len(completion)], expected, atol=1e-5, rtol=0)
    assert (entropy > 0).all()
    assert (entropy < torch.log(torch.tensor(float(tiny.adapter.vocabulary())))).all()
