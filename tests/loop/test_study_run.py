"""A study that is killed, stopped and started again comes to the same records as runs that nobody disturbed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import mr1
from mr1.config import dump_config
from mr1.config.text import write_yaml
from mr1.errors import UserError
from mr1.report.console import Console
from mr1.study import reach
from mr1.study.grid import study_cells
from mr1.study.record import Record, make_record, read_record
from mr1.study.run import run_study
from mr1.study.settings import Study, load_study

pytestmark = [pytest.mark.loop, pytest.mark.invariant]

STEPS = 8
SETTINGS: dict[str, Any] = {
    "name": "killed",
    "settings": {
        "model": "tiny",
        "steps": str(STEPS),
        "prompts_per_step": "2",
        "rollout": {"group_size": "2", "max_new_tokens": "8"},
        "evaluation": {"tasks": ["counting"], "every": "3", "samples": "4", "final_samples": "4"},
        "checkpoint.every": "1",
    },
    "tasks": ["counting"],
    "seeds": ["0"],
    "methods": {
        "grpo-d": {
            "settings": {"method": "grpo-d", "kl": {"minimum": "0.0", "maximum": "0.1", "exploration": "0.5"}},
        },
    },
}


def compared(record: Record) -> dict[str, Any]:
    """What doesn't depend on the machine's speed."""
    held = asdict(replace(record, curves={key: curve for key, curve in record.curves.items() if key != "time"}))
    return held | {"cost": {key: held["cost"][key] for key in ("samples", "updates", "tokens")}}


def started(file: Path, jobs: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mr1", "compare", str(file), "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def steps_done(study: Study) -> int:
    files = study.cells.glob("*/metrics.jsonl")
    return sum(len(file.read_text().splitlines()) for file in files)


def wait_for(study: Study, steps: int, process: subprocess.Popen[bytes]) -> None:
    """Until the runs have done so many steps in all."""
    deadline = time.monotonic() + 120
    while steps_done(study) < steps and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process and in those that it starts: sums are rounded otherwise with another number."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_killed_and_stopped_and_started_again_it_comes_to_the_same(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(write_yaml(SETTINGS | {"output": str(tmp_path / "studies")}))
    study = load_study(file)
    process = started(file, jobs=1)
    wait_for(study, 2, process)
    process.kill()
    process.wait()
    process = started(file, jobs=1)
    wait_for(study, steps_done(study) + 1, process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0].decode()
    assert process.returncode == 143, said
    assert "started again, the study goes on with them" in said
    run_study(study, 1, Console(quiet=True))

    for cell in study_cells(study, {}):
        undisturbed = cell.config.model_copy(update={"output": str(tmp_path / "undisturbed")})
        (tmp_path / "run.yaml").write_text(dump_config(undisturbed))
        mr1.train(tmp_path / "run.yaml", quiet=True)
        assert compared(read_record(cell.config.folder)) == compared(make_record(undisturbed.folder))

    before = {path: path.stat().st_mtime_ns for path in study.cells.rglob("*")}
    assert [cell for cell, _ in run_study(study, 2, Console(quiet=True))[0]] == study_cells(study, {})
    assert {path: path.stat().st_mtime_ns for path in study.cells.rglob("*")} == before, "nothing is left to run"


def test_a_run_that_fails_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    odd = {"settings": {"method": "grpo", "kl.weight": "0", "rewards": {f"{tmp_path / 'mine.py'}:fails": "1"}}}
    (tmp_path / "mine.py").write_text("def fails(completions, **_):\n    raise ValueError('no score today')\n")
    methods = {"sft": {"settings": {"method": "sft"}}, "fails": odd}
    file = tmp_path / "study.yaml"
    settings = SETTINGS["settings"] | {"steps": "1", "evaluation": {"tasks": ["counting"], "final_samples": "4"}}
    settings["rollout"] = {"group_size": "2", "max_new_tokens": "40"}
    file.write_text(write_yaml(SETTINGS | {"settings": settings, "methods": methods, "output": str(tmp_path / "out")}))
    study = load_study(file)
    with pytest.raises(UserError, match=r"1 of 2 runs failed.*\n  fails · counting · seed 0: "):
        run_study(study, 2, Console(quiet=True))
    log = next((study.folder / "logs").glob("fails-*.log")).read_text()
    assert "no score today" in log
    assert [json.loads(each.read_text())["settings"]["method"] for each in study.cells.glob("*/cell.json")] == ["sft"]

    counts = reach.measure(study, "counting", ["sft"], samples=8, attempts=4)
    told = reach.measure(study, "counting", ["sft"], samples=8, attempts=4)  # again, from what is there
    (run,) = (cell for cell in study_cells(study, {}) if cell.method == "sft")
    again = mr1.evaluate(
        mr1.RunResult(run.config.folder), ["counting"], samples=8, attempts=4, max_new_tokens=40, quiet=True
    )
    assert 0 < counts["sft"].sum() < 32
    for k in (1, 2, 4):
        rates = reach.pass_rates(counts["sft"], 4, k)
        assert rates.shape == (1, 8)
        assert rates.mean() == pytest.approx(again.summary["counting"][f"pass@{k}"])
    assert all((counts[name] == told[name]).all() for name in ("untrained", "sft"))
    with pytest.raises(UserError, match="no run of fails on counting is done yet"):
        reach.measure(study, "counting", ["sft", "fails"], samples=8, attempts=4)
