"""What is concluded from what the processes of a run have, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import Config
from mr1.parallel import ranks
from mr1.parallel.cluster import Facts, check_cluster, findings

SAME = {"torch": "2.13.0", "transformers": "5.23.0", "CUDA": "None", "the model": "abc"}


def facts(number: int) -> Facts:
    """Of one of four processes, two on each of two hosts."""
    host = f"node-{number // 2}"
    return Facts(host, f"{host}: GPU {number % 2}", 80 * 10**9, 1000.0 + number / 10, shared=True, same=SAME)


EACH = [facts(number) for number in range(4)]


def wrong(config: Config, each: list[Facts], needed: int = 10**9) -> dict[str, str]:
    return {found.what: found.said for found in findings(config, each, needed) if not found.right}


def test_processes_that_have_all_alike_can_train(make_config: Callable[..., Config]) -> None:
    config = make_config(prompts_per_step=8)
    assert wrong(config, EACH) == {}
    said = {found.what: found.said for found in findings(config, EACH, 10**9)}
    assert said["processes"] == "4 on 2 hosts"
    assert said["memory"] == "each takes about 1.0 GB; process 0 has 80.0 GB, the least"
    assert said["alike"] == "torch 2.13.0, transformers 5.23.0, the model abc"
    uneven = findings(make_config(prompts_per_step=6), EACH, 10**9)[0]
    assert uneven.right
    assert "6 prompts a step are not equally many" in uneven.said


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        ({"host": "node-0"}, "processes", "not equally many on each: {'node-0': 3, 'node-1': 1}"),
        ({"device": "node-1: GPU 0"}, "devices", "several processes on node-1: GPU 0"),
        ({"free": 10**9}, "memory", "process 3 has 1.0 GB, the least"),
        ({"same": SAME | {"torch": "2.12.0"}}, "torch", "process 0 on node-0 has 2.13.0, process 3 on node-1 2.12.0"),
        ({"same": SAME | {"the model": "abd"}}, "the model", "has abc, process 3 on node-1 abd"),
        ({"shared": False}, "folder", "process 3 on node-1 can't see"),
        ({"clock": 1010.0}, "clocks", "10.0 s apart at most"),
    ],
)
def test_what_one_of_them_has_otherwise_is_named(
    make_config: Callable[..., Config], change: dict[str, object], what: str, said: str
) -> None:
    found = wrong(make_config(), [*EACH[:3], replace(EACH[3], **change)])  # type: ignore[arg-type]
    assert [*found] == [what]
    assert said in found[what]


def test_without_gpus_the_processes_of_a_host_share_its_memory(make_config: Callable[..., Config]) -> None:
    each = [replace(fact, device="cpu", free=3 * 10**9) for fact in EACH]
    assert wrong(make_config(), each) == {}
    assert "process 0 has 1.5 GB" in wrong(make_config(), each, 2 * 10**9)["memory"]
    assert wrong(make_config(), [replace(fact, free=None) for fact in each], 2 * 10**9) == {}


def test_too_few_completions_for_so_many_processes(make_config: Callable[..., Config]) -> None:
    config = make_config(prompts_per_step=1, rollout__group_size=3)
    assert "less than one for each" in wrong(config, EACH)["processes"]


def test_one_process_is_looked_at_in_the_same_way(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config(output=tmp_path / "new")
    assert not ranks.several()
    found = check_cluster(config)
    assert [each.what for each in found] == ["processes", "devices", "memory", "alike", "folder", "clocks"]
    assert all(each.right for each in found)
    assert [*(tmp_path / "new").iterdir()] == [], "what was written to be seen is gone"


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = CliRunner().invoke(app, ["check", "--cluster", "counting-grpo-d", f"output={tmp_path / 'file' / 'runs'}"])
    assert "can't be written to" in str(run.exception)
    assert "name the recipe" in str(CliRunner().invoke(app, ["check", "--cluster"]).exception)
