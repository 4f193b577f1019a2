"""What a make leaves behind, and how it goes on after a stop.

    problems.jsonl   the rows: a source
    images/          their pictures
    dropped.jsonl    what was dropped, at which step and why
    make.json        settings, prompts, counts
    replies/         what models replied, by the SHA-256 of what they were asked

Everything follows from the settings, the pictures and the replies. So nothing else is kept of a make that was stopped:
it is gone through again, without a question that has its reply, and what it writes is what it would have written.
Files appear whole, once all pictures have been gone through.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mr1.errors import UserError, shown
from mr1.folders import Kind, OutputFolder, Recording, read_mark
from mr1.synthesis.pictures import Picture
from mr1.synthesis.row import Outcome
from mr1.synthesis.settings import Make
from mr1.version import __version__
from mr1.whole import read_text
from mr1.writing import publish, write_text, writing

PROBLEMS, DROPPED, ABOUT = "problems.jsonl", "dropped.jsonl", "make.json"
IMAGES, REPLIES = "images", "replies"
KIND: Kind = "data set"
FREE = ("base_url", "concurrency", "timeout", "retries", "cache", "limit", "count")
"""Last parts of keys that may be otherwise when a make goes on: who answers, not what; and how many pictures."""


class Folder(Recording):
    """The folder of a make, into which this process alone writes until `close`."""

    def __init__(self, make: Make, prompts: Mapping[str, Any], overwrite: bool) -> None:
        """Make the folder, or take up the one that is there.

        Args:
            make: the settings.
            prompts: all that models are asked; rows by others are another make's.
            overwrite: whether another make's rows are removed; replies stay, as they are known by their content.

        Raises:
            UserError: it is no make's folder, holds what other settings made, or can't be written.
        """
        self.path, self.counts, self.waiting = make.folder, Counter[str](), list[str]()
        self._about = {"mr1": __version__, "settings": make.model_dump(), "prompts": prompts}
        self._claimed = OutputFolder(self.path, KIND, (PROBLEMS, DROPPED, ABOUT, IMAGES), key="name")
        self._refuse_others()
        self._claimed.claim("overwrite" if overwrite else "resume")
        try:
            with writing(self.path):
                if overwrite:
                    self._claimed.empty()
                self._refuse_other_settings()
                (self.path / IMAGES).mkdir(exist_ok=True)
            self._claimed.taken_up = True
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        with writing(self.path):
            self._rows = self._draft(PROBLEMS).open("w", encoding="utf-8")
            self._dropped = self._draft(DROPPED).open("w", encoding="utf-8")
        return self

    def close(self) -> None:
        for name in ("_rows", "_dropped"):
            if file := getattr(self, name, None):
                file.close()
        super().close()

    @property
    def finished(self) -> bool:
        """Whether all of it was made already."""
        return not _read(self.path / ABOUT).get("waiting", ["it was never finished"])

    def add(self, pictures: Mapping[str, Picture], outcome: Outcome) -> None:
        """Write what came of some pictures, which are given by their ids. Raises DiskError where that can't be done."""
        with writing(self.path):
            for row in outcome.rows:
                self._keep(pictures[row["picture"]])
                self._rows.write(json.dumps(row, ensure_ascii=False) + "\n")
            for dropped in outcome.dropped:
                self._dropped.write(json.dumps(dropped.line(), ensure_ascii=False) + "\n")
        self.counts.update(f"rows/{row['reward']}" for row in outcome.rows)
        self.counts.update(f"dropped/{dropped.step}" for dropped in outcome.dropped)
        self.counts["pictures"] += len(pictures)
        self.counts["rows"] += len(outcome.rows)
        self.waiting += outcome.waiting

    def publish(self) -> None:
        """Give the files their names. Raises UserError where there is no row."""
        with writing(self.path):
            self._rows.close()
            self._dropped.close()
        if not self.counts["rows"]:
            publish(self._draft(DROPPED), self.path / DROPPED)
            raise UserError(f"no question was kept; {self.path / DROPPED} says why{self._waits()}")
        for name in (PROBLEMS, DROPPED):
            publish(self._draft(name), self.path / name)
        self._write_about({"counts": dict(sorted(self.counts.items())), "waiting": self.waiting})

    def how_to_go_on(self) -> str:
        """See `Recording`."""
        return "started again, it goes on; what was answered is not asked again"

    def _waits(self) -> str:
        return f", and {len(self.waiting)} questions got no reply" if self.waiting else ""

    def _draft(self, name: str) -> Path:
        return self.path / f".{name}"

    def _keep(self, picture: Picture) -> None:
        file = self.path / picture.file
        if not file.exists():
            draft = file.with_name(f".{file.name}")
            draft.write_bytes(picture.data)
            draft.replace(file)

    def _write_about(self, result: Mapping[str, Any]) -> None:
        write_text(self.path / ABOUT, json.dumps({**self._about, **result}, indent=2, ensure_ascii=False) + "\n")

    def _refuse_others(self) -> None:
        """Raise where the folder is not a make's."""
        held = [path for path in self.path.iterdir() if not path.name.startswith(".")] if self.path.is_dir() else []
        if held and read_mark(self.path).get("kind") != KIND:
            raise UserError(f"name: {self.path} holds what `mr1 data make` did not make; choose another name")

    def _refuse_other_settings(self) -> None:
        """Raise where the folder has rows of other settings; what else is there of them is removed."""
        before, now = _read(self.path / ABOUT), json.loads(json.dumps(self._about))
        was, given = _flat(before.get("settings", {})), _flat(now["settings"])
        changed = [key for key in given if was.get(key) != given[key] and key.rpartition(".")[2] not in FREE]
        said = [f"{key} was {shown(was.get(key))}, now {shown(given[key])}" for key in changed[:3]]
        if before.get("prompts") != now["prompts"]:
            said.append("another version of MR1 asked in other words")
        if not before:
            said = [f"its {ABOUT} can't be read"]
        if said and (self.path / PROBLEMS).exists():
            raise UserError(
                f"name: {self.path} holds what other settings made ({'; '.join(said)}); choose another name, or "
                "replace its rows by --overwrite, which keeps the replies"
            )
        if said:
            self._claimed.empty()
            self._write_about({})


def _read(file: Path) -> dict[str, Any]:
    try:
        about = json.loads(read_text(file))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
