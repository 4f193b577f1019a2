"""`mr1 eval`: a model on several tasks, into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mr1.config import Loading
from mr1.data.source import SourceTask
from mr1.data.unusable import BadRow, LeftOut, read_unusable, refuse_many, write_unusable
from mr1.evaluate.evaluate import Protocol
from mr1.evaluate.folder import EvaluationFolder
from mr1.folders import Mode
from mr1.models import load_vlm
from mr1.models.fingerprint import weights_fingerprint
from mr1.report.console import Console
from mr1.report.write import write_page
from mr1.rollout.local import LocalEngine
from mr1.tasks.base import Task

SHARE = "--max-unusable"


@dataclass(frozen=True)
class Measurement:
    """What to measure on a task."""

    task: Task
    split: str
    samples: int
    protocol: Protocol
    scorer: str
    """The name of the protocol's rule."""

    def settings(self) -> dict[str, Any]:
        """All that its outcomes depend on beside the model, as JSON."""
        protocol = self.protocol
        names = ("prompt", "max_new_tokens", "attempts", "temperature", "top_p", "seed")
        rule = f"{protocol.rule.__module__}.{protocol.rule.__qualname__}"
        kept = {"split": self.split, "samples": self.samples, "scorer": self.scorer, "rule": rule}
        if isinstance(self.task, SourceTask):
            source = self.task.source.model_dump(mode="json", exclude_defaults=True)
            kept |= {"source": source, "rows": self.task.identity().get(self.split)}
        return kept | {name: getattr(protocol, name) for name in names}


def run_evaluation(
    model: str,
    loading: Loading,
    measurements: Sequence[Measurement],
    out: Path | None,
    mode: Mode,
    console: Console,
    max_unusable: float = 0.0,
) -> Mapping[str, dict[str, Any]]:
    """Measure a model, and give the figures of each task.

    Args:
        model: what `load_vlm` takes.
        loading: how it is loaded.
        measurements: one for each task.
        out: the folder to write; None for a passing one.
        mode: what to do where the folder exists.
        console: shows the progress, and says where the page is.
        max_unusable: the share of a split's rows that may be unusable (see `refuse_many`); they are left out.

    Raises:
        UserError: the folder or the model can't be had; too many rows can't be used.
    """
    with EvaluationFolder(out, mode) as folder:
        vlm = load_vlm(model, loading)
        settings = {"model": model, "weights": weights_fingerprint(vlm), "loading": loading.model_dump(mode="json")}
        settings["tasks"] = {each.task.name: each.settings() for each in measurements}
        folder.open(settings)
        engine = LocalEngine(vlm)
        left_out = _left_out(measurements, folder.folder, mode, console, max_unusable)
        for each in measurements:
            if isinstance(each.task, SourceTask):
                expected = [row for row in left_out.met.values() if row.source == each.task.name]
                console.say(each.task.describe(expected))
            with console.counting(each.task.name, each.samples) as done:
                folder.measure(engine, each.task, each.split, each.samples, each.protocol, done, left_out)
        summary = folder.summarise(left_out)
        if out:
            console.say(f"report: {write_page(out).path}")
    return summary


def _left_out(measurements: Sequence[Measurement], folder: Path, mode: Mode, console: Console, share: float) -> LeftOut:
    """The rows that are not measured: those that the sources' scan has found, those whose answers the judge can't
    compare with, and those that a stopped evaluation met.

    Each that is met from now on is written down and said.
    """
    found, expected = [], []
    for each in measurements:
        if isinstance(each.task, SourceTask):
            rows = each.task.parts[each.split].unusable
            uncompared = each.task.unreadable(each.split, each.samples) if each.scorer == "strict" else []
            refuse_many([*rows, *uncompared], each.task.looked_at(each.split), share, SHARE)
            found += rows
            expected += uncompared

    def tell(row: BadRow) -> None:
        write_unusable(folder, left_out.rows)
        console.say(f"left out: {row}")

    left_out = LeftOut(share, found, tell, SHARE)
    left_out.expect(expected)
    if mode == "resume":
        left_out.load_state_dict(read_unusable(folder))
    write_unusable(folder, left_out.rows)
    return left_out
