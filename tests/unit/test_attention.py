"""Attention without a mask over the row, against attention with one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from mr1.models.sharing import FlatRow, Span

SPANS = [Span(0, 5, (3, 1, 4)), Span(13, 2, (2, 2)), Span(19, 3)]
LENGTH, WIDTH, SCALE = 22, 8, 0.3


def _segments() -> Tensor:
    """(S,) the group, and (S,) the completion in it, 0 for the prompt."""
    pairs = [
        (group, part)
        for group, span in enumerate(SPANS)
        for part, length in enumerate((span.prompt, *span.lengths))
        for _ in range(length)
    ]
    return torch.tensor(pairs).T


def _dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    group, part = _segments()
    same = (part[:, None] == part) | (part == 0)
    mask = torch.ones(LENGTH, LENGTH).tril().bool() & (group[:, None] == group) & same
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=SCALE).transpose(1, 2)


def _states(heads: int, shared: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(1, count, LENGTH, WIDTH, requires_grad=True) for count in (heads, shared, shared)]


def _flat(states: list[Tensor]) -> Tensor:
    query, key, value = states
    return FlatRow(SPANS).attend(0, query, key, value, SCALE)


def test_flat_attention_is_masked_attention() -> None:
    """Unequal lengths, a prompt alone, heads that share keys; values and gradients."""
    for heads, shared in ((4, 4), (6, 2), (3, 1)):
        states = _states(heads, shared)
        flat, dense = _flat(states), _dense(*states)
        assert flat.shape == (1, LENGTH, heads, WIDTH)
        torch.testing.assert_close(flat, dense, atol=1e-6, rtol=0)
        weights = torch.randn_like(dense)
        for one, other in zip(
            torch.autograd.grad((flat * weights).sum(), states),
            torch.autograd.grad((dense * weights).sum(), states),
            strict=True,
        ):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_what_lies_outside_a_group_changes_nothing_in_it() -> None:
    states = _states(4, 2)
    before = _flat(states)
    with torch.no_grad():
        for each in states:
            each[:, :, 13:] = torch.nan
    after = _flat(states)
    assert torch.equal(before[:, :13], after[:, :13])
    assert after[:, 13:].isnan().all()
