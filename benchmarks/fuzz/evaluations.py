"""The folder of `mr1 eval`, damaged: it is gone on with, or refused by name; its page names what is lost, and runs
nothing."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.fuzz.folders import WORDS, Page, spoken
from benchmarks.fuzz.kinds import mutated, said
from mr1.data.unusable import read_unusable
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol
from mr1.evaluate.folder import EvaluationFolder, measured_tasks
from mr1.models import load_vlm
from mr1.report.write import write_page
from mr1.rollout.local import LocalEngine
from mr1.study.order import read_stages
from mr1.tasks import load_task

TASK = "counting"
SETTINGS = {"model": "tiny", "tasks": {TASK: {"split": "test", "attempts": 2}}}
SAMPLES = 4
PROTOCOL = Protocol("{question}", 4, attempts=2, batch_size=2)


class Evaluations:
    """A folder of two batches, of which some files are changed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.engine, self.task = folder / "evaluation", LocalEngine(load_vlm("tiny")), load_task(TASK)
        with EvaluationFolder(self.folder, "new") as made:
            made.open(SETTINGS)
            self._measure(made)
        write_page(self.folder)
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
        self.whole = {str(path.relative_to(self.folder)): path.read_bytes() for path in sorted(files)}
        self.changed = [name for name in self.whole if name[0] != "." and name != "report.html"]

    def draw(self, rng: random.Random, _number: int) -> dict[str, bytes]:
        """New contents of one or two files; now and then rows that were left out."""
        drawn = {}
        for name in rng.sample([*self.changed, "unusable.jsonl"], rng.choice((1, 1, 2))):
            content = self.whole.get(name, b'{"source": "a", "split": "test", "id": "0", "where": "", "reason": "x"}\n')
            if name.endswith(".parquet") and rng.random() < 0.7:
                content = spoken(content, rng)
            drawn[name] = content if rng.random() < 0.2 else mutated(rng, [content], WORDS)
        return drawn

    def kept(self, file: Path) -> dict[str, bytes]:
        """A file named `NAME@WHAT` stands in the place of NAME, in which `+` is a folder's `/`."""
        return {file.name.partition("@")[0].replace("+", "/"): file.read_bytes()}

    def read(self, value: dict[str, bytes]) -> str:
        for name, content in value.items():
            (self.folder / name).write_bytes(content)
        try:
            became = [self._page(), self._compared(), self._resumed()]
        finally:
            for name in value.keys() - self.whole.keys():
                (self.folder / name).unlink(missing_ok=True)
            for name, content in self.whole.items():
                (self.folder / name).write_bytes(content)
        return "refused by name" if "named" in became else "a page that names damage" if became[0] else "as it was"

    def _page(self) -> str:
        try:
            written = write_page(self.folder)
            Page().feed(written.path.read_text(encoding="utf-8"))
        except UserError as error:
            return said(error)
        return "damage" if written.damage else ""

    def _compared(self) -> str:
        try:
            read_stages([(TASK, self.folder)])
        except UserError as error:
            return said(error)
        return ""

    def _resumed(self) -> str:
        try:
            read_unusable(self.folder)
            with EvaluationFolder(self.folder, "resume") as again:
                again.open(SETTINGS)
                figures = self._measure(again)
        except UserError as error:
            return said(error)
        assert figures["n"] == SAMPLES, "each sample is there once"
        assert measured_tasks(self.folder) == [TASK]
        return ""

    def _measure(self, made: EvaluationFolder) -> dict[str, object]:
        made.measure(self.engine, self.task, "test", SAMPLES, PROTOCOL, lambda _: None)
        return made.summarise()[TASK]
