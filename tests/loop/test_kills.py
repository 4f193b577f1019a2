"""A run that is killed comes to what it would have come to; `python -m benchmarks.kills` kills it fifty times."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.kills import differences, measure

pytestmark = pytest.mark.loop


def test_killed_while_a_checkpoint_is_written_it_is_the_same_run() -> None:
    result = measure(kills=1, seed=0, steps=2)
    assert result["by_phase"] == {"checkpoint": 1}
    assert (result["steps"], result["samples"], result["differences"]) == (2, 2, [])


def test_what_is_lost_doubled_or_changed_is_a_difference(tmp_path: Path) -> None:
    def run(name: str, steps: list[int], completion: str = "x", time: float = 1.0, weights: bytes = b"w") -> Path:
        folder = tmp_path / name
        (folder / "checkpoints" / "step-000002").mkdir(parents=True)
        (folder / "checkpoints" / "step-000002" / "model.safetensors").write_bytes(weights)
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps({"step": step, "time/x": time}) + "\n" for step in steps)
        )
        pq.write_table(pa.table({"completion": [completion]}), folder / "after.parquet")
        return folder

    whole = run("whole", [0, 1])
    assert differences(whole, run("same", [0, 1], time=2.0)) == []
    assert differences(whole, run("lost", [1])) == ["metrics.jsonl"]
    assert differences(whole, run("doubled", [0, 1, 1])) == ["metrics.jsonl"]
    assert differences(whole, run("said", [0, 1], "y")) == ["after.parquet"]
    assert differences(whole, run("taught", [0, 1], weights=b"v")) == ["checkpoints/step-000002/model.safetensors"]
    left = run("left", [0, 1])
    (left / ".metrics.jsonl").touch()
    assert differences(whole, left) == [".metrics.jsonl is there in one of them"]
