"""What an external token counts, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mr1.algo.external import exploration, mixture_ratio


def logs(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities).log()


@pytest.mark.parametrize(
    ("uniform", "expected"),
    [
        # U = 1: 1 / (0.5 + 0.75), 0.5 / (0.25 + 0.625), 2 / (1 + 1), 0.4 / (0 + 0.5)
        (1.0, [0.8, 4 / 7, 1.0, 0.8]),
        # U = 1/4: 1 / (0.5 + 0.375), 0.5 / (0.25 + 0.25), 2 / (1 + 0.625), 0.4 / (0 + 0.125)
        (0.25, [8 / 7, 1.0, 16 / 13, 3.2]),
    ],
)
def test_the_ratio_to_the_mixture_of_writers(uniform: float, expected: list[float]) -> None:
    now = logs(0.5, 0.25, 1.0, 0.2).requires_grad_()
    ratio = mixture_ratio(now, logs(0.5, 0.25, 1.0, 0.0), uniform)
    assert ratio.tolist() == pytest.approx(expected)
    ratio.sum().backward()
    assert now.grad is not None
    assert now.grad.tolist() == pytest.approx(expected), "its derivative by log pi is the ratio itself"


def test_what_the_policy_knows_counts_less() -> None:
    now = logs(0.75, 0.19, 1.0, 0.0).requires_grad_()
    factor = exploration(now, 0.5)
    assert factor.tolist() == pytest.approx([0.5, 0.9, 0.0, 1.0])
    assert not factor.requires_grad
    assert exploration(logs(0.75), 2).item() == pytest.approx(0.0625)
    assert exploration(logs(0.75, 1.0), 0).tolist() == [1.0, 1.0]
    assert exploration(torch.tensor([1e-7]), 0.5).item() == 0.0, "rounding may take a log-prob above 0"
    assert math.isfinite(exploration(torch.tensor([-200.0]), 0.5).item())
