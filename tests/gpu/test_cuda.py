"""The same loop on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from rich.console import Console as RichConsole

from mr1.config import Config
from mr1.models.vlm import VLM
from mr1.report.console import Console
from mr1.rollout.sampling import sample_tokens
from mr1.train.loop import Trainer
from mr1.train.packing import flat_rows, packed_rows, plain_rows
from mr1.train.run import Run
from mr1.train.scoring import token_logprobs
from mr1.types import Group

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def test_flat_and_packed_equal_plain(tiny: VLM, make_groups: Callable[[int], list[Group]]) -> None:
    assert tiny.device.type == "cuda"
    groups = make_groups(4)
    with torch.no_grad():
        packed, _ = token_logprobs(tiny, packed_rows(groups, tiny.adapter), temperature=1.0)
        plain, _ = token_logprobs(tiny, plain_rows(groups, tiny.adapter), temperature=1.0)
        flat, _ = token_logprobs(tiny, flat_rows(groups), temperature=1.0)
    torch.testing.assert_close(packed, plain, atol=1e-4, rtol=0)
    torch.testing.assert_close(flat, plain, atol=1e-4, rtol=0)


@pytest.mark.invariant
def test_the_same_seed_twice_is_the_same_run(make_config: Callable[..., Config]) -> None:
    lines = []
    for name in ("one", "two"):
        config = make_config(name=name)
        run = Run(config)
        Trainer(config, run, Console(RichConsole(quiet=True))).train()
        lines.append([{k: v for k, v in line.items() if not k.startswith("time/")} for line in run.metrics()])
    assert lines[0] == lines[1]


def test_sampling_needs_nothing_that_cant_be_repeated() -> None:
    logits = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0)).cuda()
    uniform = torch.tensor([0.1, 0.5, 0.999999], dtype=torch.float64).cuda()
    torch.use_deterministic_algorithms(True)
    try:
        tokens, _ = sample_tokens(logits, uniform, 1.0, 0.9)
    finally:
        torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.equal(tokens.cpu(), sample_tokens(logits.cpu(), uniform.cpu(), 1.0, 0.9)[0])


def test_a_run_trains(make_config: Callable[..., Config]) -> None:
    config = make_config()
    run = Run(config)
    Trainer(config, run, Console(RichConsole(quiet=True))).train()
    assert len(run.metrics()) == 3
    assert all(line["sampler/logprob_gap"] < 1e-3 for line in run.metrics())
