"""Where a kept batch's replay looks for what is not finite, and whose weights it takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mr1.config import Config, Stage
from mr1.train.batches import Batch
from mr1.train.replay import _nearest, _odd, _watched


class Root(nn.Module):
    """NaN below 0; its gradient is infinite at 0."""

    def forward(self, given: Tensor) -> Tensor:
        return given.sqrt()


@pytest.mark.parametrize(
    ("bias", "first"),
    [(1.0, ""), (-1.0, "what comes out of 1"), (0.0, "the gradient of 0.weight"), (torch.nan, "what comes out of 0")],
)
def test_the_first_that_is_not_finite_is_named(bias: float, first: str) -> None:
    model = nn.Sequential(nn.Linear(2, 3), Root(), nn.Linear(3, 1))
    with torch.no_grad():
        for parameter in model[0].parameters():
            parameter.zero_()
        model.get_parameter("0.bias").fill_(bias)
    seen: list[str] = []
    with _watched(model, seen):
        model(torch.ones(1, 2)).sum().backward()
    assert next(iter(seen), "") in (first, first.replace("weight", "bias"))
    count = len(seen)
    model(torch.full((1, 2), torch.nan))
    assert len(seen) == count, "it is watched no longer"
    assert [*_odd("the weight ", model.named_parameters())] == (["the weight 0.bias"] if bias != bias else [])
    assert [*_odd("", [("ids", torch.tensor([1])), ("none", None), ("inf", torch.tensor([torch.inf]))])] == ["inf"]


@pytest.mark.parametrize(
    ("skipped", "step", "checkpoints", "expected"),
    [
        ([4], 4, [], ("tiny", 4)),
        ([4], 4, [2, 8], ("step-000002", 2)),
        ([4], 4, [2, 5], ("step-000005", 0)),
        ([4, 5, 6], 4, [2, 7], ("step-000007", 0)),
        ([0, 1, 2], 2, [], ("tiny", 0)),
        ([0, 1, 2], 2, [3], ("step-000003", 0)),
    ],
)
def test_the_weights_are_those_with_the_fewest_steps_between(
    tmp_path: Path,
    make_config: Callable[..., Config],
    skipped: list[int],
    step: int,
    checkpoints: list[int],
    expected: tuple[str, int],
) -> None:
    lines = [json.dumps({"step": at, "update/skipped": int(at in skipped)}) for at in range(9)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    for at in checkpoints:
        (tmp_path / "checkpoints" / f"step-{at:06d}").mkdir(parents=True)
    name, apart = _nearest(tmp_path, Batch(step, Stage("", 0, make_config()), []))
    assert (Path(name).name, apart) == expected
