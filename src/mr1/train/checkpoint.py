"""Checkpoints: written so that one that is there is whole, checked before it is used, and kept so many.

    step-000900/
      model.safetensors, config.json, ...   the policy, a Hugging Face folder
      run.yaml                              the run's settings, as they were
      trainer.pt                            what else a resumed run needs
      manifest.json                         every file's size and SHA-256, written last

A checkpoint is written under another name, brought to the disk, and only then given its own. One that is damaged all
the same is told apart by its manifest, and the one before it is used. What is not weights is read with `weights_only`:
nothing in a checkpoint can run code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mr1.errors import DiskError, UserError
from mr1.models.saved import has_shards
from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.train.nested import size
from mr1.train.resume import AnotherRunError
from mr1.train.shards import PARTS, SAVED, names_of, write_shards
from mr1.version import __version__
from mr1.whole import read_text
from mr1.writing import publish, write_text, writing

NAME = re.compile(r"step-(\d{6,})")
MANIFEST, SETTINGS, STATE, BEST = "manifest.json", "run.yaml", "trainer.pt", "best.json"
VERSION = 2
"""Of what is in `trainer.pt`."""
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    # Nothing that came with MR1 drew from the process's generators then; counts of resets were left out without any.
    1: lambda state: {"resets": {"best": None, "stalled": 0}, "generators": {}} | state,
}
"""By version, what makes the next version's state of a state."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, and found whole."""

    path: Path
    """A Hugging Face folder."""
    state: dict[str, Any]
    """What `Checkpoints.save` was given, and `step`."""
    damaged: tuple[str, ...]
    """Later checkpoints that could not be used, each with the reason."""

    @property
    def settings(self) -> Path:
        """The run's settings as they were: a recipe."""
        return self.path / SETTINGS

    @property
    def step(self) -> int:
        """Optimiser steps done, and so the next step's number."""
        return int(self.state["step"])


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, keep: int, keep_every: int = 0) -> None:
        """The latest `keep` of them stay, beside the best and those of every `keep_every`-th step; 0 for none such."""
        self.folder, self.keep, self.keep_every = folder, keep, keep_every

    def save(
        self,
        step: int,
        policy: VLM,
        state: Mapping[str, Any],
        settings: str,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Path:
        """Save the policy and the trainer's state; then remove the oldest checkpoints beyond those that are kept.

        Args:
            step: optimiser steps done.
            policy: the model.
            state: what a resumed run needs beside the model; nothing but what torch loads without running code.
            settings: the run's, as YAML.
            weights: a copy of the policy's (`VLM.weights`); None for them as they are.

        Raises:
            DiskError: it can't be written; nothing of it is left, and those that are there stay.
        """
        folder = self.folder / f"step-{step:06d}"
        draft = self.folder / f".{folder.name}"
        weights = policy.weights() if weights is None else weights
        with writing(folder, lambda: size([weights, state])):
            try:
                if policy.sharded is None:
                    shutil.rmtree(draft, ignore_errors=True)
                    policy.save(draft, weights)
                    self._finish(draft, folder, step, state, settings)
                else:
                    self._save_shards(draft, folder, step, policy, state, settings, weights)
            except BaseException:
                if ranks.is_first():
                    shutil.rmtree(draft, ignore_errors=True)
                raise
        return folder

    def _save_shards(
        self,
        draft: Path,
        folder: Path,
        step: int,
        policy: VLM,
        state: Mapping[str, Any],
        settings: str,
        weights: Mapping[str, Tensor],
    ) -> None:
        """Save with the other processes, each of which calls this; see `train.shards`."""
        if ranks.is_first():
            shutil.rmtree(draft, ignore_errors=True)
        ranks.meet_to_save(None)
        write_shards(draft, weights, state)
        own = [file for file in _files(draft) if file.name.startswith(f"__{ranks.number()}_")]
        known = ranks.meet_to_save({str(file.relative_to(draft)): _facts(file) for file in own})
        error: Exception | None = None
        if ranks.is_first():
            try:
                policy.save_around(draft)
                undivided = {name: value for name, value in state.items() if name not in PARTS}
                facts = {name: each for part in known for name, each in part.items()}
                self._finish(draft, folder, step, undivided, settings, facts)
            except Exception as raised:
                error = raised
        (said, *_) = ranks.meet_to_save(None if error is None else str(error))
        if said is not None:
            raise error or DiskError(said)

    def _finish(
        self,
        draft: Path,
        folder: Path,
        step: int,
        state: Mapping[str, Any],
        settings: str,
        known: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write what stands beside the weights, and the manifest; `known` are the facts of files that it is told."""
        write_text(draft / SETTINGS, settings)
        with (draft / STATE).open("wb") as file:  # by its name, torch would not say what the system says
            torch.save({"version": VERSION, "mr1": __version__, "step": step, **state}, file)
        write_text(draft / MANIFEST, json.dumps(_manifest(draft, known or {}), indent=2) + "\n")
        _remove(folder)
        publish(draft, folder)
        self._prune()

    def steps(self) -> list[int]:
        """The steps of all checkpoints that are there, whole or not, ascending."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(found[1]) for name in names if (found := NAME.fullmatch(name)))

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return next(path for path in self.folder.iterdir() if (n := NAME.fullmatch(path.name)) and int(n[1]) == step)

    def latest(self, compare: Callable[[Checkpoint], object] = lambda _: None) -> Checkpoint:
        """The whole checkpoint that has come farthest.

        Args:
            compare: raises AnotherRunError for one of another run. Where one before it is of this run, that is taken.

        Raises:
            UserError: there is none, or none that is whole; or what `compare` raises.
        """
        damaged: list[str] = []
        foreign: AnotherRunError | None = None
        for step in reversed(self.steps()):
            path = self.path(step)
            try:
                found = Checkpoint(path, read_state(path), tuple(damaged))
            except UserError as error:
                damaged.append(str(error))
                continue
            try:
                compare(found)
            except AnotherRunError as error:
                foreign = foreign or error
                damaged.append(f"{path}: it is of another run ({error.change})")
            else:
                return found
        if foreign:
            raise foreign
        if damaged:
            raise UserError(f"--resume: no checkpoint in {self.folder} is whole: {'; '.join(damaged)}")
        raise UserError(f"--resume: {self.folder.parent} has no checkpoint")

    def tidy(self, step: int) -> None:
        """Make room for a run that goes on from a step.

        Later checkpoints, which could not be used, are renamed, and what was half written or half removed goes.
        """
        for leftover in self.folder.glob(".step-*"):
            shutil.rmtree(leftover)
        for later in self.steps():
            if later > step:
                path = self.path(later)
                _remove(path.with_name(f"{path.name}.damaged"))
                path.rename(path.with_name(f"{path.name}.damaged"))

    def best(self) -> tuple[int, float] | None:
        """The step and the accuracy of the best checkpoint that is kept; None where there is none."""
        try:
            read = json.loads(read_text(self.folder / BEST))
            step, accuracy = int(read["step"]), float(read["accuracy"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (step, accuracy) if step in self.steps() else None

    def name_best(self, step: int, accuracy: float) -> None:
        """Remember which checkpoint is the best, and let go of the one that was."""
        write_text(self.folder / BEST, json.dumps({"step": step, "accuracy": accuracy}) + "\n")
        self._prune()

    def _prune(self) -> None:
        best = self.best()
        for step in self.steps()[: -self.keep]:
            for_good = self.keep_every > 0 and step % self.keep_every == 0
            if not for_good and (best is None or step != best[0]):
                _remove(self.path(step))


def read_state(path: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint, every file of which has been compared with the manifest.

    Raises:
        UserError: it is not whole; names the file and what is wrong with it.
    """
    if reason := _damage(path):
        raise UserError(f"{path}: {reason}")
    return load_state(path)


def load_state(path: Path) -> dict[str, Any]:
    """The trainer's state of a checkpoint, the files of which have been compared with the manifest.

    Raises:
        UserError: it can't be read.
    """
    try:
        state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever damaged bytes lead it to
        raise UserError(f"{path}: {STATE} can't be read ({' '.join(str(error).split())[:200]})") from error
    state = _migrated(state, path)
    if not (named := NAME.fullmatch(path.name)) or int(named[1]) != state.get("step"):
        raise UserError(f"{path}: {STATE} is of step {state.get('step')}")
    if has_shards(path):
        state[SAVED] = str(path)
        if names_of(path, "reference"):
            state["reference"] = {}  # it is read from there
    return state


def _migrated(state: Any, path: Path) -> dict[str, Any]:
    """The state of a checkpoint as this version has it.

    Raises:
        UserError: it is none, or a later version's.
    """
    known = state if isinstance(state, dict) else {}
    version = known.get("version")
    if not isinstance(version, int) or version not in range(1, VERSION + 1):
        raise UserError(
            f"{path}: {STATE} has version {version}, and MR1 {__version__} reads versions up to {VERSION}; go on with "
            f"the MR1 that wrote it ({known.get('mr1', 'unknown')})"
        )
    for each in range(version, VERSION):
        known = MIGRATIONS[each](known)
    return known | {"version": VERSION}


def size_of(policy: VLM, modules: Iterable[nn.Module] = (), resets: bool = False) -> int:
    """Bytes that a checkpoint takes, nearly: a policy's weights, those of a method's own modules, and AdamW's state.

    With `resets` the reference's weights are among them, where they differ from those of the run's beginning.
    """
    parameters = [*policy.model.named_parameters()]
    owned = [parameter for module in modules for parameter in module.parameters()]
    saved = [p for name, p in parameters if policy.lora is None or "lora_" in name] + owned
    learning = [p for p in (*(p for _, p in parameters), *owned) if p.requires_grad]
    # Two moments in float32, and a float32 master of what isn't float32 itself.
    state = sum(p.numel() * (8 if p.dtype == torch.float32 else 12) for p in learning)
    reference = sum(p.nbytes for _, p in parameters if p.requires_grad) if resets else 0
    return sum(p.nbytes for p in saved) + state + reference


def copy_size_of(policy: VLM, modules: Iterable[nn.Module] = (), resets: bool = False) -> int:
    """Bytes of the host's memory that a copy takes while it is written: a checkpoint without what never learns."""
    frozen = [p for p in policy.model.parameters() if not p.requires_grad] if policy.lora is None else []
    return size_of(policy, modules, resets) - sum(p.nbytes for p in frozen)


def _manifest(folder: Path, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = {str(path.relative_to(folder)): path for path in _files(folder)}
    return {"files": {name: known.get(name) or _facts(path) for name, path in names.items()}}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MANIFEST)


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _damage(path: Path) -> str:
    """What is wrong with a checkpoint's files; empty where nothing is."""
    try:
        files = json.loads(read_text(path / MANIFEST))["files"]
        for name, facts in files.items():
            file = path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != facts["bytes"]:
                return f"{name} has {file.stat().st_size} of {facts['bytes']} bytes"
            if _facts(file)["sha256"] != facts["sha256"]:
                return f"{name} is not what was written (another SHA-256)"
        for file in _files(path):  # a model's loader may take one that it finds
            name = str(file.relative_to(path))
            if name not in files and not file.name.startswith("."):
                return f"{name} is not in {MANIFEST}"
    except OSError as error:
        return f"it can't be read ({error})" if (path / MANIFEST).is_file() else f"it has no {MANIFEST}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{MANIFEST} is damaged"
    return ""


def _remove(folder: Path) -> None:
    """Remove a checkpoint; its name goes first, so that half of one is never taken for one."""
    if folder.exists():
        going = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(going, ignore_errors=True)
        folder.rename(going)
        shutil.rmtree(going)
