"""Folders with damaged files: checkpoints, evaluations and kept batches are refused by name, and pages run nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from benchmarks.fuzz.batches import Batches
from benchmarks.fuzz.checkpoints import Checkpoints, spread
from benchmarks.fuzz.evaluations import Evaluations
from benchmarks.fuzz.folders import Folders, Page, spoken
from benchmarks.fuzz.kinds import WrongError, corpus

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run is that both kinds damage, and bring back as it was."""
    return tmp_path_factory.mktemp("runs")


def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_is_taken(folder: Path) -> None:
    kind = Checkpoints(folder)
    for file in corpus("checkpoints"):
        assert kind.read(kind.kept(file)) == "refused", file.name
    for number in range(40):  # the command changes each byte
        assert kind.read(kind.draw(random.Random(f"0/{number}"), 13 * number)), number
    assert kind.saved.latest().step == 2


def test_a_page_runs_nothing_whatever_its_folder_holds(folder: Path) -> None:
    kind = Folders(folder)
    for ending in ("@html", "@mathtext-html"):  # the command reads the others, each by itself
        files = [kind.kept(file) for file in corpus("folders") if file.name.endswith(ending)]
        assert kind.read({name: content for changed in files for name, content in changed.items()})
    assert kind.read({name: spoken(whole, random.Random(0)) for name, whole in kind.whole.items() if "samples" in name})
    page = (kind.folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(WrongError, match="<script"):
        Page().feed(page.replace("<h2", "<script>alert(1)</script><h2", 1))


def test_a_damaged_evaluation_is_gone_on_with_or_refused(tmp_path: Path) -> None:
    kind = Evaluations(tmp_path)
    assert kind.read({}) == "as it was"
    for file in corpus("evaluations"):
        damaged = "a page that names damage" if ".parquet" in file.name else "refused by name"
        assert kind.read(kind.kept(file)) == ("as it was" if file.name == "summary.json@html" else damaged), file.name
    for number in range(10):
        assert kind.read(kind.draw(random.Random(f"0/{number}"), number)), number


def test_a_damaged_batch_is_refused_by_its_name(tmp_path: Path) -> None:
    kind = Batches(tmp_path)
    assert kind.read(kind.whole) == "run again"
    for file in corpus("batches"):
        assert kind.read(kind.kept(file)) == "named", file.name
    for number in range(20):
        assert kind.read(kind.draw(random.Random(f"0/{number}"), number)), number


def test_ranges_cover_each_byte_once() -> None:
    sizes = {"small": 3, "middle": 1000, "large": 1_000_000}
    ranges = spread(sizes, 50)
    for name, size in sizes.items():
        edges = [(start, end) for each, start, end in ranges if each == name]
        assert [start for start, _ in edges] == [0, *(end for _, end in edges[:-1])]
        assert edges[-1][1] == size
    assert 45 < len(ranges) < 60
