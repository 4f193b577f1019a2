"""Choosing the next token."""

from __future__ import annotations

import torch
from torch import Tensor

from mr1.tasks.base import generator


def uniform_numbers(key: tuple[int, int], sample_id: str, completion: int, length: int, attempt: int = 0) -> Tensor:
    """The (length,) random numbers in [0, 1) that one completion is sampled with, float64.

    They depend on the run's seed and step (`key`), the sample, how often it has been drawn before for the same step,
    and the completion alone. What else is in the batch, or when a completion leaves it, never changes them.
    """
    again = [attempt] if attempt else []
    return torch.from_numpy(generator("rollout", *key, sample_id, completion, *again).random(length))


def sample_tokens(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw one token for each row by the inverse of the distribution's cumulative sum.

    Args:
        logits: (R, V) float32, forbidden tokens at -inf.
        uniform: (R,) random numbers in [0, 1).
        temperature: above 0; logits are divided by it.
        top_p: only the smallest set of tokens whose probability reaches this is drawn from.

    Returns:
        (R,) token ids; (R,) float32 log-probs under the distribution drawn from, top-p's cut included.
    """
    logprobs = torch.log_softmax(logits / temperature, dim=-1)
    if top_p < 1:
        logprobs = torch.log_softmax(_nucleus(logprobs, top_p), dim=-1)
    cumulative = _sums(logprobs.exp())
    total = cumulative[:, -1:]
    # The first token whose cumulative probability is above the threshold; its own probability is therefore not 0.
    threshold = torch.minimum(uniform[:, None].to(total) * total, torch.nextafter(total, torch.zeros_like(total)))
    tokens = torch.searchsorted(cumulative, threshold, right=True)
    return tokens[:, 0], logprobs.gather(-1, tokens)[:, 0]


def greedy_tokens(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest token of each row, (R,), and its log-prob at temperature 1, (R,)."""
    logprobs, tokens = torch.log_softmax(logits, dim=-1).max(dim=-1)
    return tokens, logprobs


def _sums(probabilities: Tensor) -> Tensor:
    """(R, V) cumulative sums along the last axis, the same each time.

    A GPU adds floating-point numbers up in parts that can differ from run to run; whole numbers add up to the same.
    """
    return _sums_in_whole_numbers(probabilities) if probabilities.is_cuda else probabilities.cumsum(dim=-1)


def _sums_in_whole_numbers(probabilities: Tensor) -> Tensor:
    """In float64, exact but for each probability's part below 2^-52."""
    return (probabilities.double() * 2.0**52).long().cumsum(dim=-1).double() / 2.0**52


def _nucleus(logprobs: Tensor, top_p: float) -> Tensor:
    """Log-probs with -inf outside the nucleus. The likeliest token is always inside."""
    ordered, order = logprobs.sort(dim=-1, descending=True)
    probabilities = ordered.exp()
    before = _sums(probabilities) - probabilities
    kept = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.empty_like(logprobs).scatter(-1, order, kept)
