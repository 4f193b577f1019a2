"""A reward function's module: where its neighbours are looked for, and what stays of it in the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mr1.errors import UserError
from mr1.own import loading
from mr1.rewards.functions import load_function


@pytest.fixture(autouse=True)
def modules_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test's files bring into the process goes with it."""
    before = {*sys.modules}
    monkeypatch.setattr(loading, "_FOLDERS", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in {*sys.modules} - before:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_neighbour_comes_before_all_else_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(write(tmp_path / "first/neighbour.py", "WORTH = 1\n").parent)
    write(tmp_path / "mine/neighbour.py", "WORTH = 2\n")
    file = write(tmp_path / "mine/uses.py", "from neighbour import WORTH\ndef reward(**_):\n    return [WORTH]\n")
    assert load_function(f"{file}:reward")() == [2]
    assert sys.path[-1] == str(tmp_path / "mine")
    assert sys.path.count(str(tmp_path / "mine")) == 1


def test_a_module_may_take_its_folder_off_the_path(tmp_path: Path) -> None:
    file = write(tmp_path / "a:b/odd.py", "import sys\nsys.path.pop(0)\ndef reward(**_):\n    return [3]\n")
    assert load_function(f"{file}:reward")() == [3]
    assert sys.path[-1] == str(tmp_path / "a:b")


def test_packages_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "twins/__init__.py", "")
        write(tmp_path / folder / f"uses_{folder}.py", "import twins\ndef reward(**_):\n    return [1]\n")
    load_function(f"{tmp_path}/one/uses_one.py:reward")
    with pytest.raises(UserError) as caught:
        load_function(f"{tmp_path}/two/uses_two.py:reward")
    assert str(caught.value) == (
        f"rewards: {tmp_path}/one/twins/__init__.py and {tmp_path}/two/twins/__init__.py are both imported as 'twins'; "
        "rename one of them"
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        load_function("gone.py:reward")
    assert str(caught.value) == (
        f"rewards: there is no file gone.py; it is looked for from {tmp_path}: go to the folder where the recipe was "
        "first run, or name the file by its whole path"
    )


def test_a_neighbour_may_have_the_name_of_a_module_that_others_imported(tmp_path: Path) -> None:
    write(tmp_path / "mine/json.py", "WORTH = 1\n")
    file = write(tmp_path / "mine/own.py", "import json\ndef reward(**_):\n    return [len(json.dumps(0))]\n")
    assert load_function(f"{file}:reward")() == [1]


def test_a_module_without_functions_has_none_to_name(tmp_path: Path) -> None:
    file = write(tmp_path / "empty.py", "X = 1\n")
    with pytest.raises(UserError) as caught:
        load_function(f"{file}:reward")
    assert str(caught.value) == f"rewards: {file} has no function 'reward'"
