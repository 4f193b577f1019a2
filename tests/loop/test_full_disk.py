"""A disk that is full, or a folder that is gone, in the middle of a run: a clear end, and it goes on afterwards."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mr1
from conftest import SmallDisk
from mr1.errors import UserError

pytestmark = pytest.mark.loop

SHORT: dict[str, Any] = {
    "name": "run",
    "method": "grpo",
    "task": "counting",
    "steps": 2,
    "prompts_per_step": 1,
    "rollout": {"group_size": 2, "max_new_tokens": 4},
    "kl": {"weight": 0.01},
    "checkpoint": {"every": 1},
    "evaluation": {"every": 0, "final_samples": 0},
}


def train(output: Path, at: int, fault: Callable[[], None], **options: Any) -> list[dict[str, Any]]:
    """A run in which something happens in the middle of a step; its metrics without the times."""
    calls: list[int] = []

    def reward(completions: list[Any], **_: Any) -> list[float]:
        calls.append(1)
        if len(calls) == at:
            for thread in threading.enumerate():
                if thread.name == "checkpoint":  # what is still being written of the one before
                    thread.join()
            fault()
        return [float(number) for number in range(len(completions))]

    result = mr1.train(SHORT | {"output": str(output)}, rewards=[reward], quiet=True, **options)
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert all(value >= 0 for line in lines for key, value in line.items() if key.startswith("time/"))
    return [{key: value for key, value in line.items() if not key.startswith("time/")} for line in lines]


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The metrics of the run that nothing happens to."""
    return train(tmp_path_factory.mktemp("unbroken"), 0, nothing)


@pytest.mark.parametrize(
    ("free", "what"), [(0, r"metrics\.jsonl|samples/step-000001\.parquet"), (20_000_000, "checkpoints/step-000002")]
)
def test_a_full_disk_ends_a_run_which_goes_on_once_there_is_room(
    small_disk: SmallDisk, unbroken: list[dict[str, Any]], free: int, what: str
) -> None:
    folder = small_disk.path / "run"
    with pytest.raises(UserError) as caught:
        train(small_disk.path, 2, lambda: small_disk.fill(free))
    said = rf"{folder}/({what}) can't be written: {small_disk.full} \(.* are needed"
    assert re.match(said, str(caught.value)), caught.value
    assert caught.value.__notes__ == [f"saved up to step 1 of 2; go on with: mr1 train {folder}/config.yaml --resume"]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-000001"]
    small_disk.empty()
    assert train(small_disk.path, 0, nothing, resume=True) == unbroken


def test_a_checkpoint_folder_that_is_no_folder_ends_a_run(tmp_path: Path) -> None:
    checkpoints, kept = tmp_path / "run" / "checkpoints", tmp_path / "kept"

    def fault() -> None:
        checkpoints.rename(kept)
        checkpoints.write_text("")

    with pytest.raises(UserError, match=r"checkpoints/step-000002 can't be written: .*; bring the folder back"):
        train(tmp_path, 2, fault)
    checkpoints.unlink()
    kept.rename(checkpoints)
    assert [line["step"] for line in train(tmp_path, 0, nothing, resume=True)] == [0, 1]


def test_what_is_gone_is_made_again_or_named_and_no_clock_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        shutil.rmtree(tmp_path / "run" / "checkpoints")
        monkeypatch.setattr(time, "time", lambda: 0.0)

    assert len(train(tmp_path, 2, fault)) == 2
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000002"]
    with pytest.raises(UserError, match=r"run/metrics\.jsonl can't be written: .*; bring the folder back"):
        train(tmp_path, 2, lambda: shutil.rmtree(tmp_path / "run"), overwrite=True)
