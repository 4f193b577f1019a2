"""Choosing tokens."""

from __future__ import annotations

import pytest
import torch

from mr1.rollout.sampling import greedy_tokens, sample_tokens, uniform_numbers


def _uniform(count: int) -> torch.Tensor:
    """The middles of `count` equal parts of [0, 1): as good as infinitely many draws."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def _frequencies(logits: torch.Tensor, temperature: float, top_p: float, count: int = 10000) -> torch.Tensor:
    tokens, _ = sample_tokens(logits.expand(count, -1), _uniform(count), temperature, top_p)
    return torch.bincount(tokens, minlength=len(logits)) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_their_probability_says(temperature: float) -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])
    expected = torch.softmax(logits / temperature, dim=-1)
    torch.testing.assert_close(_frequencies(logits, temperature, 1.0), expected, atol=2e-4, rtol=0)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    # 0.5 + 0.25 reaches 0.7; the others are never drawn and these two share their probability.
    torch.testing.assert_close(
        _frequencies(logits, 1.0, 0.7), torch.tensor([0.0, 2 / 3, 0.0, 1 / 3]), atol=2e-4, rtol=0
    )


def test_top_p_leaves_out_what_comes_after_it_is_just_reached() -> None:
    for count, top_p in ((2, 0.5), (4, 0.25), (4, 0.5), (4, 0.75)):
        frequencies = _frequencies(torch.zeros(count), 1.0, top_p)
        assert sorted(frequencies.tolist(), reverse=True)[int(count * top_p) :] == [0.0] * int(count * (1 - top_p))


def test_top_p_of_each_row_is_its_own() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 0.9, 0.1]]).log()
    tokens, logprobs = sample_tokens(logits, torch.tensor([0.9, 0.1, 0.9], dtype=torch.float64), 1.0, 0.6)
    assert tokens.tolist() == [1, 2, 1]
    torch.testing.assert_close(logprobs.exp(), torch.tensor([0.375, 1.0, 1.0]))


def test_top_p_always_keeps_the_likeliest_token() -> None:
    assert _frequencies(torch.tensor([0.2, 0.5, 0.3]).log(), 1.0, 0.01).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-53])
def test_a_forbidden_token_is_never_drawn_even_at_the_ends(number: float) -> None:
    logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, 0.0, -torch.inf]])
    token, logprob = sample_tokens(logits, torch.tensor([number], dtype=torch.float64), 1.0, 1.0)
    assert token.item() in (1, 3)
    assert torch.isfinite(logprob).all()


def test_logprobs_are_those_of_the_distribution_drawn_from() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log().expand(2, -1)
    tokens, logprobs = sample_tokens(logits, torch.tensor([0.1, 0.9], dtype=torch.float64), 1.0, 0.7)
    expected = {1: 2 / 3, 3: 1 / 3}
    torch.testing.assert_close(logprobs.exp(), torch.tensor([expected[token] for token in tokens.tolist()]))


def test_greedy_takes_the_likeliest() -> None:
    tokens, logprobs = greedy_tokens(torch.tensor([[0.0, 1.0], [3.0, 1.0]]))
    assert tokens.tolist() == [1, 0]
    torch.testing.assert_close(logprobs[1], torch.log_softmax(torch.tensor([3.0, 1.0]), 0)[0])


def test_random_numbers_depend_on_run_step_sample_and_completion_alone() -> None:
    base = uniform_numbers((0, 3), "counting/train/0/5", 2, 16)
    assert torch.equal(base, uniform_numbers((0, 3), "counting/train/0/5", 2, 16))
    # A longer completion is drawn with the same numbers first.
    assert torch.equal(base, uniform_numbers((0, 3), "counting/train/0/5", 2, 32)[:16])
    others = [((1, 3), "counting/train/0/5", 2), ((0, 4), "counting/train/0/5", 2)]
    others += [((0, 3), "counting/train/0/6", 2), ((0, 3), "counting/train/0/5", 3)]
    for key, sample, completion in others:
        assert not torch.equal(base, uniform_numbers(key, sample, completion, 16))


def test_the_whole_distribution_is_drawn_from_as_it_is() -> None:
    logits = 3 * torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    tokens, logprobs = sample_tokens(logits, _uniform(4), 1.0, 1.0)
    assert torch.equal(logprobs, torch.log_softmax(logits, dim=-1).gather(-1, tokens[:, None])[:, 0])


def test_random_numbers_are_the_same_in_every_version() -> None:
    numbers = uniform_numbers((0, 3), "counting/train/0/5", 2, 3)
    assert numbers.dtype == torch.float64
    assert numbers.tolist() == [0.029419533988673696, 0.3497709989978941, 0.29944298836700123]
