"""The method of the page on writing one: its code, its recipe and its tests, as they stand there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mr1
from mr1.types import Group

pytestmark = pytest.mark.loop

PAGE = Path(__file__).parents[2] / "docs" / "own-method.md"


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's blocks of Python, in a folder with the files that it names."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "steady.py").write_text(found[0])
    (tmp_path / "steady.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    return found


def test_it_has_forty_lines(blocks: list[str]) -> None:
    assert len(blocks[0].strip().splitlines()) <= 42


def test_the_tests_of_the_page_pass(
    blocks: list[str], make_groups: Callable[[int], list[Group]], tmp_path: Path
) -> None:
    known: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), known)
    known["test_half_the_baseline_is_what_was_usual"](make_groups)
    known["test_a_resumed_run_is_the_whole_one"](tmp_path / "runs")


@pytest.mark.invariant
def test_without_its_state_the_second_fails(blocks: list[str], tmp_path: Path) -> None:
    code = blocks[0].partition("    def state_dict")[0]
    (tmp_path / "steady.py").write_text(code)
    known: dict[str, Any] = {"mr1": mr1, "shutil": shutil}
    exec(compile(blocks[2], str(PAGE), "exec"), known)
    with pytest.raises(AssertionError):
        known["test_a_resumed_run_is_the_whole_one"](tmp_path / "runs")
