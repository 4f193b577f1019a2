"""Checkpoints on the disk: whole ones, damaged ones, and how many."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from mr1.errors import UserError
from mr1.models.vlm import VLM
from mr1.train.checkpoint import Checkpoints, read_state, size_of


class Policy:
    """Saves two files in the place of a model's."""

    sharded = None

    def weights(self) -> dict[str, object]:
        return {}

    def save(self, folder: Path, weights: object) -> None:  # noqa: ARG002
        (folder / "below").mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "below" / "weights").write_bytes(bytes(range(200)))


POLICY = cast("VLM", Policy())


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def save(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.save(step, POLICY, {"moments": torch.full((3,), float(step))}, "name: x\n")


def test_the_latest_is_read_as_it_was_saved_and_older_ones_go(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1, 2, 3)
    assert checkpoints.steps() == [2, 3]
    assert [path.name for path in checkpoints.folder.iterdir() if path.name.startswith(".")] == []
    latest = checkpoints.latest()
    assert (latest.step, latest.damaged) == (3, ())
    assert torch.equal(latest.state["moments"], torch.full((3,), 3.0))
    assert latest.settings.read_text() == "name: x\n"


def test_nothing_of_a_save_that_was_killed_is_in_the_next_one(checkpoints: Checkpoints) -> None:
    draft = checkpoints.folder / ".step-000001"
    draft.mkdir(parents=True)
    (draft / "stale").write_text("half")
    save(checkpoints, 1)
    files = {str(path.relative_to(checkpoints.path(1))) for path in checkpoints.path(1).rglob("*") if path.is_file()}
    assert files == {"below/weights", "config.json", "manifest.json", "run.yaml", "trainer.pt"}
    text = (checkpoints.path(1) / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
    assert json.loads(text)["files"].keys() == files - {"manifest.json"}
    half_removed = checkpoints.folder / ".step-000001.old"
    half_removed.mkdir()
    (half_removed / "stale").write_text("half")
    save(checkpoints, 1)
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-000001"]


def test_steps_of_any_length_are_in_their_order(checkpoints: Checkpoints) -> None:
    save(checkpoints, 999_999, 1_000_000)
    assert checkpoints.steps() == [999_999, 1_000_000]
    assert checkpoints.latest().path.name == "step-1000000"


def test_only_exact_names_are_checkpoints(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    for name in ("step-000002-best", "step-2", "step-000003.damaged", ".step-000004", "step-000005x"):
        (checkpoints.folder / name).mkdir()
    (checkpoints.folder / "notes").write_text("")
    assert checkpoints.steps() == [1]
    assert checkpoints.latest().step == 1
    save(checkpoints, 6, 7)
    assert (checkpoints.folder / "step-000002-best").is_dir()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by(path: Path, text: str) -> None:
    path.write_text(text)


def agree(folder: Path) -> None:
    """Write a manifest that agrees with what is there."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".json"}
    files |= {name: (folder / name).read_bytes() for name in ("config.json", "below/weights")}
    facts = {name: {"bytes": len(it), "sha256": hashlib.sha256(it).hexdigest()} for name, it in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": facts}))


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "cut state": ("trainer.pt", cut, r"trainer\.pt has \d+ of \d+ bytes"),
    "no state": ("trainer.pt", Path.unlink, r"trainer\.pt is missing"),
    "one bit": ("below/weights", flip, r"below/weights is not what was written"),
    "cut manifest": ("manifest.json", cut, r"manifest\.json is damaged"),
    "no manifest": ("manifest.json", Path.unlink, r"it has no manifest\.json"),
    "empty manifest": ("manifest.json", lambda path: replace_by(path, "[]"), r"manifest\.json is damaged"),
    "deep manifest": ("manifest.json", lambda path: replace_by(path, "[" * 100_000), r"manifest\.json is damaged"),
    "a file more": ("adapter_config.json", lambda path: replace_by(path, "{}"), r"adapter_config\.json is not in man"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_the_one_before_it_is_used(checkpoints: Checkpoints, damage: str) -> None:
    name, spoil, message = DAMAGES[damage]
    save(checkpoints, 1, 2)
    spoil(checkpoints.path(2) / name)
    latest = checkpoints.latest()
    assert latest.step == 1
    with pytest.raises(UserError, match=message):
        read_state(checkpoints.path(2))
    (reason,) = latest.damaged
    assert "step-000002" in reason
    checkpoints.tidy(1)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-000001", "step-000002.damaged"]
    save(checkpoints, 2)  # the resumed run comes there again
    assert checkpoints.latest().step == 2

    spoil(checkpoints.path(1) / name)
    spoil(checkpoints.path(2) / name)
    with pytest.raises(UserError, match=r"no checkpoint in .* is whole: .*step-000002: .*step-000001: "):
        checkpoints.latest()


def test_state_that_no_longer_can_be_read_is_named(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    folder = checkpoints.path(1)

    def replace(state: Any) -> None:
        torch.save(state, folder / "trainer.pt")
        agree(folder)

    for state, of in (({"version": 99, "mr1": "7.1"}, r"99, .*up to 2; .* \(7\.1\)"), ([1], "None, .*unknown")):
        replace(state)
        with pytest.raises(UserError, match=rf"trainer\.pt has version {of}"):
            read_state(folder)
    replace({"version": 1, "step": 4})
    with pytest.raises(UserError, match=r"step-000001: trainer\.pt is of step 4"):
        read_state(folder)
    replace({"step": Path("code that unpickling would run")})
    with pytest.raises(UserError, match=r"trainer\.pt can't be read"):
        read_state(folder)


def test_why_one_cannot_be_read_is_told_on_one_short_line(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(checkpoints, 1, 2)
    folder = checkpoints.path(2)
    with monkeypatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a\n  b" + "x" * 300)

        patch.setattr(torch, "load", fail)
        with pytest.raises(UserError) as caught:
            read_state(folder)
        assert str(caught.value) == f"{folder}: trainer.pt can't be read (a b{'x' * 197})"
    (folder / "manifest.json").write_text("[]")
    (checkpoints.path(1) / "trainer.pt").unlink()
    with pytest.raises(UserError) as caught:
        checkpoints.latest()
    assert str(caught.value) == (
        f"--resume: no checkpoint in {checkpoints.folder} is whole: {folder}: manifest.json is damaged; "
        f"{checkpoints.path(1)}: trainer.pt is missing"
    )

    def unreadable(_: Path) -> None:
        raise PermissionError("not yours")

    save(checkpoints, 3)
    monkeypatch.setattr("mr1.train.checkpoint._facts", unreadable)
    with pytest.raises(UserError, match=r"step-000003: it can't be read \(not yours\)$"):
        read_state(checkpoints.path(3))


def test_a_kill_while_one_is_written_or_removed_leaves_no_half(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    for leftover in (".step-000002", ".step-000001.old"):
        (checkpoints.folder / leftover).mkdir()
        (checkpoints.folder / leftover / "config.json").write_text("{")
    assert checkpoints.latest().step == 1
    checkpoints.tidy(1)
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-000001"]


def test_the_best_stays_until_there_is_a_better_one(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    checkpoints.name_best(1, 0.5)
    save(checkpoints, 2, 3, 4)
    assert checkpoints.steps() == [1, 3, 4]
    checkpoints.name_best(3, 0.6)
    assert checkpoints.steps() == [3, 4]
    save(checkpoints, 5, 6)
    assert checkpoints.steps() == [3, 5, 6]
    assert checkpoints.best() == (3, 0.6)
    checkpoints.name_best(4, 0.7)  # it is gone
    assert checkpoints.best() is None
    (checkpoints.folder / "best.json").write_text("{")
    assert checkpoints.best() is None


def test_every_so_many_stay_for_good(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1, keep_every=4)
    save(checkpoints, 2, 4, 6, 8, 10)
    assert checkpoints.steps() == [4, 8, 10]


def test_the_size_that_is_told_is_the_size_on_the_disk(tiny: VLM, checkpoints: Checkpoints) -> None:
    adamw = torch.optim.AdamW(tiny.model.parameters(), lr=0.0)
    for parameter in tiny.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adamw.step()
    adamw.zero_grad()
    checkpoints.save(1, tiny, {"adamw": adamw.state_dict()}, "")
    on_disk = sum(path.stat().st_size for path in checkpoints.path(1).rglob("*") if path.is_file())
    assert size_of(tiny) == pytest.approx(on_disk, rel=0.05)
