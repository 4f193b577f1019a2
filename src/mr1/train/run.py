"""The run's folder: everything that a run leaves behind.

    config.yaml         the resolved settings, a recipe that can be run again
    judge.json          where a language model gives rewards: which, and what it is asked
    metrics.jsonl       an object for each optimiser step
    unusable.jsonl      where rows of the sources can't be used: an object for each, with the reason
    changes.jsonl       where settings were changed on a resume: an object for each time
    evaluation.json     held-out accuracy before and after, with intervals
    samples/            Parquet: every completion of a step with its image, rewards and advantage; and the evaluations'
    not_finite/         batches of steps that were skipped, as loss or gradient was not finite
    checkpoints/        Hugging Face folders, each with what a resumed run needs beside it
    report.html         the page that shows it all
    cell.json           of a run that is part of a study: what the study's results are made of

A folder that exists is never touched unless the user said so, and one process at a time writes into it. Whatever is
read again later appears whole or not at all.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import pyarrow as pa
from torch import Tensor

from mr1.config import Config, dump_config
from mr1.config.versions import VERSION, file_version
from mr1.data.unusable import BadRow, write_unusable
from mr1.evaluate.outcome import Evaluation
from mr1.folders import Mode, OutputFolder, Recording
from mr1.judge import strict
from mr1.judge.tags import turn
from mr1.models.vlm import VLM
from mr1.report.reading import Reader
from mr1.rewards.judged import describe
from mr1.tables import encode_images, make_table, numbered, parquet_file
from mr1.train.batches import FOLDER
from mr1.train.checkpoint import Checkpoint, Checkpoints
from mr1.train.resume import Change, compare_settings, read_saved
from mr1.types import Completion, Group
from mr1.writing import append_line, sync, write_text, writing

When = Literal["before", "after"]

SETTINGS, JUDGE, EVALUATION, CELL = "config.yaml", "judge.json", "evaluation.json", "cell.json"
CONTENTS = (
    SETTINGS,
    JUDGE,
    "metrics.jsonl",
    "unusable.jsonl",
    "changes.jsonl",
    EVALUATION,
    "samples",
    FOLDER,
    "checkpoints",
    "report.html",
    CELL,
)


class Run(Recording):
    """A run's folder, which this process alone writes into until `close`."""

    def __init__(self, config: Config, mode: Mode = "new") -> None:
        """Claim the folder. Nothing in it is changed before `open`. A `resume` where nothing was saved begins anew.

        Raises:
            UserError: it exists and `mode` is `new`; it can't be written, or is written by another process; the
                settings are those of another run.
        """
        self.config, self.mode, self.folder = config, mode, config.folder
        keep = config.checkpoint
        self.checkpoints = Checkpoints(self.folder / "checkpoints", keep.keep, keep.keep_every)
        self.checkpoint: Checkpoint | None = None
        """What the run goes on from; None where it begins."""
        self.changes: list[Change] = []
        """The settings that are changed by this resume."""
        self._claimed = OutputFolder(self.folder, "run", CONTENTS, key="name")
        # Without a checkpoint there may be what a run left behind that was killed early; it is replaced.
        self._claimed.claim("overwrite" if mode == "resume" and not self.checkpoints.steps() else mode)
        try:
            if mode == "resume" and self.checkpoints.steps():
                self._claimed.taken_up = True
                self.checkpoint = self.checkpoints.latest(self._compare)
        except BaseException:
            self.close()
            raise

    def open(self) -> list[str]:
        """Make the folder ready to be recorded into; with `overwrite`, empty it first.

        Returns:
            What there is to say: checkpoints that could not be used, lines that were lost, settings that changed.
        """
        if self.checkpoint is not None:
            return self._take_up(self.checkpoint)
        said = [f"{self.folder} has no checkpoint to go on from: the run begins"] if self.mode == "resume" else []
        left = self._claimed.empty()
        with writing(self.folder):
            (self.folder / "samples").mkdir()
            (self.folder / "checkpoints").mkdir()
            (self.folder / "metrics.jsonl").touch()
        write_text(self.folder / SETTINGS, dump_config(self.config))
        self._describe_judge()
        return said + ([f"{self.folder} keeps what MR1 did not write: {', '.join(left)}"] if left else [])

    def how_to_go_on(self) -> str:
        steps = self.checkpoints.steps()
        if steps:
            command = f"mr1 train {shlex.quote(str(self.folder / SETTINGS))} --resume"
            return f"saved up to step {steps[-1]} of {self.config.steps}; go on with: {command}"
        if (self.folder / SETTINGS).is_file():
            return "no checkpoint was saved yet; the same command with --resume begins again"
        return ""

    def record(self, step: int, groups: Sequence[Group] | None, metrics: dict[str, Any]) -> None:
        """Add a step's metrics, and its samples where they are given. One that is not finite is null, and named."""
        if odd := [key for key, value in metrics.items() if isinstance(value, float) and not math.isfinite(value)]:
            metrics = metrics | dict.fromkeys(odd) | {"not_finite": odd}
        append_line(self.folder / "metrics.jsonl", json.dumps(metrics, allow_nan=False))
        if groups is not None:
            with parquet_file(self.folder / "samples" / f"step-{step:06d}.parquet") as write:
                write(_sample_rows(step, groups))

    def outcomes(self, when: When) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """Takes the outcomes of an evaluation, table by table, into `samples/<when>.parquet`."""
        return parquet_file(self.folder / "samples" / f"{when}.parquet")

    def record_evaluation(self, when: When, evaluations: Sequence[Evaluation]) -> None:
        """Write the figures to `evaluation.json`."""
        held = self.evaluations()
        held[when] = {evaluation.task: evaluation.summary() for evaluation in evaluations}
        write_text(self.folder / EVALUATION, json.dumps(held, indent=2) + "\n")

    def record_unusable(self, rows: Sequence[BadRow]) -> None:
        """Write down all of the sources' rows that are left out."""
        write_unusable(self.folder, rows)

    def save_checkpoint(
        self, step: int, policy: VLM, state: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Save the policy, the settings and the trainer's state; see `Checkpoints.save`."""
        sync(self.folder / "metrics.jsonl")
        self.checkpoints.save(step, policy, state, dump_config(self.config), weights)

    def _compare(self, checkpoint: Checkpoint) -> None:
        """Find what has changed since a checkpoint. Raises UserError where that may not."""
        saved = checkpoint.settings
        was, where = read_saved(saved, self.config), str(saved)
        if (version := file_version(saved)) < VERSION:
            where += f", of settings version {version}; this MR1 has version {VERSION}"
        self.changes = compare_settings(was, self.config, checkpoint.step, where)

    def _take_up(self, checkpoint: Checkpoint) -> list[str]:
        """Take back what was recorded after a checkpoint: the resumed run records it again."""
        said = [f"{reason}; going on from {checkpoint.path.name}" for reason in checkpoint.damaged]
        self.checkpoints.tidy(checkpoint.step)
        path = self.folder / "metrics.jsonl"
        lines = self.kept()
        write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
        if lost := checkpoint.step - len(lines):
            said.append(f"{path}: {lost} of {checkpoint.step} lines can't be read, and are left out")
        reader = Reader(self.folder)
        reader.json(EVALUATION)
        said += [f"{self.folder / name}: {'; '.join(notes)}, and is lost" for name, notes in reader.damage.items()]
        for recorded, sample in numbered(self.folder / "samples", "step-").items():
            if recorded >= checkpoint.step:
                sample.unlink()
        if self.changes:
            write_text(self.folder / SETTINGS, dump_config(self.config))
            self._describe_judge()
            changes = {change.key: [change.was, change.now] for change in self.changes}
            line = {"step": checkpoint.step, "changes": changes}
            append_line(self.folder / "changes.jsonl", json.dumps(line, ensure_ascii=False))
            said += [f"from step {checkpoint.step} on, {change}" for change in self.changes]
        return said

    def _describe_judge(self) -> None:
        if self.config.endpoint.base_url:
            write_text(self.folder / JUDGE, json.dumps(describe(self.config.endpoint), indent=2) + "\n")

    def kept(self) -> list[dict[str, Any]]:
        """What was recorded of the steps before the checkpoint that the run goes on from, in order."""
        done = self.checkpoint.step if self.checkpoint else 0
        lines = {line["step"]: line for line in self.metrics() if line.get("step") in range(done)}
        return [lines[step] for step in sorted(lines)]

    def metrics(self) -> list[dict[str, Any]]:
        """All that has been recorded so far; a line that can't be read, such as a torn last one, is left out."""
        return Reader(self.folder).lines("metrics.jsonl")

    def evaluations(self) -> dict[When, dict[str, dict[str, Any]]]:
        """What `evaluation.json` holds; empty where nothing was evaluated, or it can't be read."""
        held: dict[Any, Any] = Reader(self.folder).json(EVALUATION)
        return held


def _one(completion: Completion) -> float:
    """The advantage that all tokens share, or their mean; NaN where there is no token."""
    advantages = completion.advantages
    assert advantages is not None, "recorded after the advantages"
    if not len(advantages):
        return math.nan
    return float(advantages[0] if (advantages == advantages[0]).all() else advantages[completion.mask].mean())


def _sample_rows(step: int, groups: Sequence[Group]) -> pa.Table:
    """A row for each completion."""
    rows = []
    for group in groups:
        sample, images = group.prompt.sample, encode_images(group.prompt.sample.images)
        assert group.rewards is not None, "recorded after the rewards"
        for index, completion in enumerate(group.completions):
            row = {
                "step": step,
                "id": sample.id,
                "images": images,
                "question": sample.question,
                "answer": sample.answer,
                "completion": turn(group.prompt, completion),
                "tokens": len(completion),
                "finish_reason": completion.finish_reason,
                "origin": completion.origin,
                "judged": strict.told(turn(group.prompt, completion), sample.truth),
            }
            row |= {f"reward/{name}": score[index].item() for name, score in group.scores.items()}
            row |= {"reward/total": group.rewards[index].item(), "advantage": _one(completion)}
            rows.append(row)
    return make_table(rows)
