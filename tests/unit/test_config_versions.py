"""Settings that an earlier version wrote down, read again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mr1.config import Config, dump_config, load_config
from mr1.config.reading import make_config as make_tree
from mr1.config.reading import read_settings
from mr1.config.versions import HISTORY, VERSION, Version, file_version, migrated
from mr1.errors import UserError
from mr1.train.resume import compare_settings


@pytest.fixture
def old_file(make_config: Callable[..., Config], tmp_path: Path) -> Path:
    """What a run of version 1 wrote: every setting that there was then, and no version."""
    text = dump_config(make_config()).replace("clip: {}", "clip: {low: 0.2, high: 0.2}")
    path = tmp_path / "runs" / "run" / "checkpoints" / "step-000001" / "run.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(re.sub(r"^loss:\n(  .*\n)+|^version: .*\n", "", text, flags=re.MULTILINE))
    (tmp_path / "runs" / "run" / ".mr1.json").write_text('{"kind": "run"}')
    return path


def test_a_default_that_is_said_otherwise_by_now_is_the_same_run(
    make_config: Callable[..., Config], old_file: Path
) -> None:
    assert file_version(old_file) == 1
    old = load_config(old_file)
    assert compare_settings(old, make_config(), 1, "run.yaml") == []
    old_file.write_text(old_file.read_text().replace("low: 0.2", "low: 0.1"))
    with pytest.raises(UserError, match=r"clip\.low was 0\.1, now it is null"):
        compare_settings(load_config(old_file), make_config(), 1, "run.yaml")
    # What somebody wrote by hand means what it says now.
    recipe = old_file.parents[4] / "mine.yaml"
    recipe.write_text(old_file.read_text())
    assert load_config(recipe).clip.high == 0.2


def test_what_is_written_has_its_version(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config, path = make_config(clip__low=0.2), tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert path.read_text().startswith(f"version: {VERSION}\n")
    assert load_config(path) == config
    for odd in (VERSION + 1, "x", 0):
        path.write_text(dump_config(config).replace(f"version: {VERSION}", f"version: {odd}"))
        with pytest.raises(UserError, match=rf"config\.yaml has settings of version '?{odd}'?, and this MR1 knows 1"):
            load_config(path)


def test_renamed_settings_move_version_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, names in ((3, {"kl.price": "kl.cost"}), (4, {"kl.cost": "kl.weight", "runs": "output"})):
        monkeypatch.setitem(HISTORY, number, Version(renamed=names))
    monkeypatch.setattr("mr1.config.versions.VERSION", 4)
    stages = {"one": {"settings": {"kl.price": 1, "seed": 3}}, "two": {}}
    old = {"version": "2", "runs": "there", "kl": {"price": 2, "target": 5}, "stages": stages}
    assert migrated(old) == {
        "output": "there",
        "kl": {"weight": 2, "target": 5},
        "stages": {"one": {"settings": {"kl": {"weight": 1}, "seed": 3}}, "two": {}},
    }
    assert old["runs"] == "there"
    assert stages["one"]["settings"] == {"kl.price": 1, "seed": 3}
    assert migrated({"kl": {"cost": 2}}) == {"kl": {"cost": 2}}  # of this version


def test_a_mapping_may_say_its_version(make_config: Callable[..., Config]) -> None:
    settings = read_settings({"version": 1, "clip": {"low": 0.2}, "clip.high": 0.28}, {})
    assert "version" not in settings
    assert settings["clip"] == {"low": None, "high": 0.28}
    config = make_config()
    assert make_tree(read_settings(config)) == config
