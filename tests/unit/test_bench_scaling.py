"""The model of a step's time against processes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from benchmarks.scaling import Cluster, fit, table


def test_a_fit_finds_what_made_the_times() -> None:
    found = fit({count: 3.0 + 0.5 * count for count in (1, 2, 4)})
    assert found.divided == pytest.approx(3.0)
    assert found.own == pytest.approx(0.5)
    assert found.step(3) == pytest.approx(4.5)
    faster = fit({1: 4.0, 2: 3.0})
    assert (faster.own, faster.divided) == (0.0, 3.5)


def test_a_step_by_hand() -> None:
    cluster = Cluster(
        parameters=1e9,
        prompts=1,
        completions=1,
        prompt_tokens=10**6,
        new_tokens=0,
        row_tokens=10**6,
        rate=1e14,
        memory_rate=1e12,
        own=0.5,
    )
    alone = {"rollout": 0, "score": 20, "update": 80, "exchange": 0, "own": 0.5, "images": 0}
    assert cluster.step(1) == pytest.approx(alone)
    # The prompt can't be divided. Weights and gradients of a micro-batch, 3 * 2 + 4 GB, and the copy's 4: half is here.
    assert cluster.step(2) == pytest.approx(alone | {"exchange": 7e9 / 300e9})
    two = Cluster(parameters=1e9, prompts=2, completions=1, prompt_tokens=10**6, new_tokens=0, rate=1e14)
    assert two.step(2)["update"] == pytest.approx(two.step(1)["update"] / 2)


def test_more_gpus_are_never_slower_at_what_is_divided() -> None:
    steps = [Cluster().step(count) for count in (8, 16, 64, 512)]
    for before, after in pairwise(steps):
        assert after["update"] < before["update"]
        assert after["rollout"] <= before["rollout"]
    waiting = Cluster(image=0.1).step(512)
    assert sum(waiting.values()) == pytest.approx(0.1 * 512), "for images"
    # 512 groups of unequal length are not divided evenly among 512 processes.
    assert steps[-1]["update"] > steps[0]["update"] / 64
    assert table(Cluster(), [1, 8]).splitlines()[2].endswith("| 100 % |")
