"""A hundred steps, watched from outside; `python -m benchmarks.soak` watches three thousand."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.soak.verdict import FEWEST, judge
from benchmarks.soak.watch import read, watch

pytestmark = pytest.mark.loop

SETTINGS = (
    *("prompts_per_step=1", "rollout.group_size=2", "rollout.max_new_tokens=8", "optimizer.learning_rate=1e-9"),
    *("evaluation.every=20", "evaluation.samples=2", "evaluation.final_samples=0", "checkpoint.every=20"),
    "image_cache=0",
)
WARM_UP = 30
"""Steps: the first evaluation and the first checkpoint beside the steps take memory, too."""


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    """Of a small run whose reward keeps a megabyte of each step where the file `leak` is beside it."""
    reward = tmp_path / "keeps.py"
    reward.write_text(
        "from pathlib import Path\n"
        "kept = []\n"
        "def keeps(completions, **_):\n"
        "    if Path(__file__).with_name('leak').exists():\n"
        "        kept.append(bytearray(b'x') * 1_000_000)\n"
        "    return [0.0] * len(completions)\n"
    )
    return [*SETTINGS, f"rewards={{{reward}:keeps: 1}}"]


def test_a_hundred_steps_are_flat(tmp_path: Path, settings: list[str]) -> None:
    assert watch(tmp_path, 100, settings=settings)
    rows = read(tmp_path)
    (flat,) = judge(rows, WARM_UP)
    assert [row.step for row in rows] == list(range(100))
    assert [each for each in flat.broken() if "slower" not in each] == []  # how long a step takes is the machine's, too


def test_a_megabyte_more_at_each_step_is_found(tmp_path: Path, settings: list[str]) -> None:
    (tmp_path / "leak").touch()
    assert watch(tmp_path, WARM_UP + FEWEST, settings=settings)
    (leaking,) = judge(read(tmp_path), WARM_UP)
    assert any("memory has grown" in each for each in leaking.broken())
    assert 700 < leaking.slope.value < 1300  # MB in 1,000 steps
