"""Recurrent layers whose state is handed from a prompt to its completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mr1.models import VLM, load_vlm
from mr1.models.check import example_groups
from mr1.models.recurrent import Carried
from mr1.models.small import build_small
from mr1.train.packing import Rows, completion_rows, flat_rows, plain_rows
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module", params=["qwen3_5", "qwen3_5_moe"])
def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VLM:
    folder: Path = tmp_path_factory.mktemp(request.param)
    build_small(request.param, folder)
    return load_vlm(str(folder))


def with_lengths(vlm: VLM, lengths: Sequence[int]) -> list[Group]:
    """Prompts with one image and with two, each with random completions of these lengths."""
    allowed = torch.isfinite(vlm.token_bias()).nonzero()[:, 0]
    drawn = torch.Generator().manual_seed(0)

    def written(length: int) -> Completion:
        tokens = allowed[torch.randint(len(allowed), (length,), generator=drawn)]
        return Completion(tokens, None, "", torch.ones(length, dtype=torch.bool), "length")

    return [Group(group.prompt, [written(length) for length in lengths]) for group in example_groups(vlm)[:2]]


def scored(vlm: VLM, make: Callable[[], Rows]) -> tuple[Tensor, Tensor]:
    """Log-probs, and the gradient of a sum in which every token has another weight, as one vector."""
    vlm.model.zero_grad()
    logprobs, _ = token_logprobs(vlm, make(), temperature=1.0)
    (logprobs * torch.linspace(-1, 1, len(logprobs))).sum().backward()
    gradient = torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])
    vlm.model.zero_grad()
    return logprobs.detach(), gradient


def assert_alike(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(one[0], other[0], atol=5e-6, rtol=0)
    assert float((one[1] - other[1]).norm() / other[1].norm()) < 5e-6


# The families' own functions treat a single token, and 64 at a time, in ways of their own.
@pytest.mark.parametrize("lengths", [(1,), (1, 1, 1), (1, 5), (63, 64, 65), (130, 2)])
def test_flat_rows_are_plain_rows(vlm: VLM, lengths: tuple[int, ...]) -> None:
    groups = with_lengths(vlm, lengths)
    assert_alike(scored(vlm, lambda: flat_rows(groups)), scored(vlm, lambda: plain_rows(groups, vlm.adapter)))


def test_completions_go_on_from_prompts_that_were_run_before(vlm: VLM) -> None:
    """With gradient through the states and the keys and values that the prompts have left."""
    groups = with_lengths(vlm, (5, 1, 9))

    def behind() -> Rows:
        return completion_rows(groups, vlm.prefixes([group.prompt for group in groups]))

    assert_alike(scored(vlm, behind), scored(vlm, lambda: flat_rows(groups)))


def test_layers_made_again_in_the_backward_pass_are_the_same(vlm: VLM) -> None:
    groups = with_lengths(vlm, (5, 9))
    kept = scored(vlm, lambda: flat_rows(groups))
    vlm.model.activation_checkpointing_enable()
    try:
        with vlm.training():
            again = scored(vlm, lambda: flat_rows(groups))
    finally:
        vlm.model.gradient_checkpointing_disable()
    assert_alike(again, kept)


def test_without_the_prompts_state_a_completion_is_another(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = with_lengths(vlm, (5, 9))
    right, gradient = scored(vlm, lambda: flat_rows(groups))
    monkeypatch.setattr(Carried, "for_each", lambda *_: Carried())
    wrong, other = scored(vlm, lambda: flat_rows(groups))
    assert float((right - wrong).abs().max()) > 1e-3
    assert float((gradient - other).norm() / gradient.norm()) > 1e-2


def test_a_prompts_state_carries_gradient(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = with_lengths(vlm, (5, 9))
    _, gradient = scored(vlm, lambda: flat_rows(groups))
    for_each = Carried.for_each
    monkeypatch.setattr(
        Carried, "for_each", lambda self, n: Carried(*(state.detach() for state in for_each(self, n).states()))
    )
    _, without = scored(vlm, lambda: flat_rows(groups))
    assert float((gradient - without).norm() / gradient.norm()) > 1e-3
