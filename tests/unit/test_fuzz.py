"""Hostile input: the corpus, some inputs that are drawn, and what the harness says of a process that dies or hangs."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.fuzz import harness
from benchmarks.fuzz.kinds import CORPUS, KINDS, Kind, corpus, make_kind
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = {"answers": 20, "chats": 30, "images": 60, "recipes": 20, "rows": 25}
"""Of each kind that needs no run; the others are in tests/loop/test_damaged_runs.py."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """The kinds, each made once."""
    return {name: make_kind(name, tmp_path_factory.mktemp(name)) for name in EXAMPLES}


@pytest.mark.parametrize("file", [file for name in EXAMPLES for file in corpus(name)], ids=lambda file: file.name)
def test_the_corpus_is_read_or_refused(kinds: dict[str, Kind], file: Path) -> None:
    kind = kinds[file.parent.name]
    assert kind.read(kind.kept(file))


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_drawn_is_read_or_refused(kinds: dict[str, Kind], name: str) -> None:
    @settings(max_examples=EXAMPLES[name], deadline=None, database=None)
    @given(st.integers(0, 2**32))
    def read(seed: int) -> None:
        assert kinds[name].read(kinds[name].draw(random.Random(seed), 0))

    read()


def test_every_kind_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {*KINDS}


def test_the_command() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "recipes", "--inputs", "15"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    result = json.loads(ran.stdout)
    assert sum(result["outcomes"].values()) == 15
    assert (result["crashes"], result["hangs"]) == ({}, [])
    assert 50 < result["largest_memory_mb"] < 1000


ENDINGS = {
    "death": ("kill -9 $$", {8: "the process ended with -9"}, []),
    "hang": ("exec sleep 60", {}, [8]),
    "crash": ("echo '[\"crash: x\", 0.0]'", {8: "x"}, []),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_who_dies_or_hangs_is_counted_and_the_next_goes_on(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose inputs are read but for number 8; it is told -m, module, kind, seed, first and count."""
    does, crashes, hangs = ENDINGS[ending]
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho '\"ready\"'\n"
        f"for number in $(seq $5 $(($5 + $6 - 1))); do [ $number = 8 ] && {{ {does}; continue; }}\n"
        "echo '[\"read\", 0.5]'; done\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(harness, "INPUT", 0.5)
    result = harness.fuzz("rows", inputs=5, seed=0, first=6)
    assert result["outcomes"] == {"read": 4}
    assert (result["crashes"], result["hangs"]) == (crashes, hangs)
    assert result["longest_seconds"] == 0.5
