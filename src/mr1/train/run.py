"""The run's folder: everything that a run leaves behind.

    config.yaml         the resolved settings, a recipe that can be run again
    metrics.jsonl       an object for each optimiser step
    unusable.jsonl      where rows of the sources can't be used: an object for each, with the reason
    evaluation.json     held-out accuracy before and after, with intervals
    samples/            Parquet: every completion of a step with its image, rewards and advantage; and the evaluations'
    checkpoints/        Hugging Face folders, each with what a resumed run needs beside it
    report.html         the page that shows it all

A folder that exists is never touched unless the user said so. Whatever is read again later appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import torch

from mr1.config import Config, dump_config, load_config
from mr1.data.unusable import BadRow, write_unusable
from mr1.errors import UserError
from mr1.evaluate.outcome import Evaluation
from mr1.judge.tags import turn
from mr1.models.vlm import VLM
from mr1.tables import encode_images, make_table, numbered, parquet_file, write_text
from mr1.types import Group

Mode = Literal["new", "overwrite", "resume"]
Stage = Literal["before", "after"]


class Run:
    """A run's folder, open for writing."""

    def __init__(self, config: Config, mode: Mode = "new") -> None:
        """Look whether the folder can be had; nothing is written before `open`.

        Raises:
            UserError: it exists and `mode` is `new`; it can't be written; there is nothing to resume.
        """
        self.config, self.mode, self.folder = config, mode, config.folder
        if mode == "resume":
            self._check_resumable()
        elif self.folder.exists() and mode == "new":
            raise UserError(
                f"name: the run folder {self.folder} exists; go on with it by --resume, replace it by --overwrite, "
                f"or choose another name, such as name={config.name}-2"
            )
        elif self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / "config.yaml").is_file():
            raise UserError(f"name: {self.folder} is no run folder (it has no config.yaml); it is not overwritten")
        _require_writable(self.folder)

    def open(self) -> None:
        """Make the folder; with `overwrite`, empty it first."""
        if self.mode == "resume":
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        (self.folder / "samples").mkdir(parents=True)
        (self.folder / "checkpoints").mkdir()
        (self.folder / "config.yaml").write_text(dump_config(self.config), encoding="utf-8")
        (self.folder / "metrics.jsonl").touch()

    def record(self, step: int, groups: Sequence[Group] | None, metrics: dict[str, Any]) -> None:
        """Add a step's metrics, and its samples where they are given."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics, allow_nan=False) + "\n")
        if groups is not None:
            with parquet_file(self.folder / "samples" / f"step-{step:06d}.parquet") as write:
                write(_sample_rows(step, groups))

    def outcomes(self, stage: Stage) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """Takes the outcomes of an evaluation, table by table, into `samples/<stage>.parquet`."""
        return parquet_file(self.folder / "samples" / f"{stage}.parquet")

    def record_evaluation(self, stage: Stage, evaluations: Sequence[Evaluation]) -> None:
        """Write the figures to `evaluation.json`."""
        path = self.folder / "evaluation.json"
        stages = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        stages[stage] = {evaluation.task: evaluation.summary() for evaluation in evaluations}
        write_text(path, json.dumps(stages, indent=2) + "\n")

    def record_unusable(self, rows: Sequence[BadRow]) -> None:
        """Write down all of the sources' rows that are left out."""
        write_unusable(self.folder, rows)

    def save_checkpoint(self, step: int, policy: VLM, state: dict[str, Any]) -> None:
        """Save the policy as a Hugging Face folder and the trainer's state beside it.

        Args:
            step: optimiser steps done, and so the next step's number.
            policy: the model.
            state: what `load_state` gives back.
        """
        folder = self.folder / "checkpoints" / f"step-{step:06d}"
        draft = folder.with_name(f".{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        policy.save(draft)
        torch.save({"step": step, **state}, draft / "trainer.pt")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)

    def latest_checkpoint(self) -> Path:
        """The checkpoint that has come farthest.

        Raises:
            UserError: there is none.
        """
        found = sorted((self.folder / "checkpoints").glob("step-*"))
        if not found:
            raise UserError(f"--resume: {self.folder} has no checkpoint; start it again with --overwrite")
        return found[-1]

    def rewind(self, step: int) -> None:
        """Take back what was recorded after a checkpoint: the resumed run records it again."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        write_text(path, "".join(f"{line}\n" for line in lines[:step]))
        for recorded, sample in numbered(self.folder / "samples", "step-").items():
            if recorded >= step:
                sample.unlink()

    def metrics(self) -> list[dict[str, Any]]:
        """All that has been recorded so far."""
        with (self.folder / "metrics.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def evaluations(self) -> dict[Stage, dict[str, dict[str, Any]]]:
        """What `evaluation.json` holds; empty where nothing was evaluated."""
        path = self.folder / "evaluation.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _check_resumable(self) -> None:
        saved = self.folder / "config.yaml"
        if not saved.is_file():
            raise UserError(f"--resume: there is no run in {self.folder}; start it without --resume")
        was, now = _flat(load_config(saved).model_dump()), _flat(self.config.model_dump())
        for key in was | now:
            if was.get(key) != now.get(key):
                raise UserError(
                    f"--resume: {key} was {was.get(key)} in {saved}, now it is {now.get(key)}; resume with that file"
                )
        self.latest_checkpoint()


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def load_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state beside a checkpoint: `step` and what `save_checkpoint` was given."""
    return torch.load(checkpoint / "trainer.pt", map_location="cpu", weights_only=True)


def _require_writable(folder: Path) -> None:
    """Raise for a folder that can't be made or written, by the nearest part of its path that exists."""
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise UserError(f"output: {folder} can't be made; {parent} is not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"output: {folder} can't be written; no permission in {parent}")


def _sample_rows(step: int, groups: Sequence[Group]) -> pa.Table:
    """A row for each completion."""
    rows = []
    for group in groups:
        sample, images = group.prompt.sample, encode_images(group.prompt.sample.images)
        assert group.rewards is not None, "recorded after the rewards"
        assert group.advantages is not None, "recorded after the advantages"
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
            }
            row |= {f"reward/{name}": score[index].item() for name, score in group.scores.items()}
            row |= {"reward/total": group.rewards[index].item(), "advantage": group.advantages[index].item()}
            rows.append(row)
    return make_table(rows)
