"""Batches whose loss or gradient was not finite, kept to be looked at: see `replay.py`.

A file is what torch loads without running code: the run's settings, the step, and all of the batch that an update
reads. Images are there as the model takes them, not as pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from pickle import UnpicklingError  # nosec B403
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from mr1.config import Config, Stage, divide, dump_config
from mr1.config.reading import make_config
from mr1.config.text import read_yaml
from mr1.config.versions import migrated
from mr1.errors import UserError
from mr1.types import Completion, Group, Prompt, Routes, Sample
from mr1.writing import publish, writing

FOLDER = "not_finite"
"""In the run's."""
KEPT = 10
"""Files of a run: a batch may be large, and the first ones tell what there is to tell."""
VERSION = 1
PROMPT = ("text", "input_ids", "vision", "position_ids", "next_position", "opened", "attempt")
"""Fields of a prompt that are kept; what is made of them is made again."""


@dataclass(frozen=True)
class Batch:
    """What an update was given."""

    step: int
    """The run's, counted from 0."""
    stage: Stage
    """That it belongs to, with the settings of then."""
    groups: list[Group]


def keep_batch(run: Path, config: Config, step: int, stage: Stage, groups: Sequence[Group]) -> Path | None:
    """Write a batch into a run's folder; None where there are `KEPT` already.

    Args:
        run: the run's folder.
        config: the run's settings.
        step: the run's, counted from 0.
        stage: that it belongs to.
        groups: the batch as it is after the update that was skipped.

    Raises:
        DiskError: it can't be written.
    """
    path = run / FOLDER / f"step-{step:06d}.pt"
    if len([*path.parent.glob("step-*.pt")]) >= KEPT and not path.exists():
        return None
    # Old log-probs that this update has filled in are part of what went wrong: a replay makes them again.
    fresh = (step - stage.first) % stage.config.updates_per_rollout == 0
    draft = path.with_name(f".{path.name}")
    written = {"version": VERSION, "step": step, "stage": stage.name, "settings": dump_config(config)}
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with draft.open("wb") as file:  # by its name, torch would not say what the system says
            torch.save(written | {"groups": [_packed(group, fresh) for group in groups]}, file)
        publish(draft, path)
    return path


def load_batch(path: Path) -> Batch:
    """Read what `keep_batch` wrote.

    Raises:
        UserError: there is no such file, or it is none of these.
    """
    try:
        read = torch.load(path, map_location="cpu", weights_only=True)
        for each in tree_leaves(read):
            if isinstance(each, torch.Tensor) and each.nbytes > path.stat().st_size:
                raise ValueError("a tensor claims to be larger than the file")
        if read["version"] != VERSION:
            raise UserError(f"{path} has version {read['version']}, this MR1 reads version {VERSION}")
        config = make_config(migrated(read_yaml(read["settings"])))
        stage = next(stage for stage in divide(config) if stage.name == read["stage"])
        return Batch(int(read["step"]), stage, [_unpacked(group) for group in read["groups"]])
    except UserError:
        raise
    except UnpicklingError as error:  # torch's words advise to run what the file holds
        raise UserError(
            f"{path} is no batch that a run has kept in its {FOLDER}/: it is damaged, or holds code"
        ) from error
    except Exception as error:  # torch raises whatever damaged bytes lead it to
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is no batch that a run has kept in its {FOLDER}/: {reason}") from error


def _packed(group: Group, fresh: bool) -> dict[str, Any]:
    sample = group.prompt.sample
    return {
        "sample": {"id": sample.id, "question": sample.question, "answer": sample.answer},
        "prompt": {name: getattr(group.prompt, name) for name in PROMPT},
        "completions": [_packed_completion(each, fresh) for each in group.completions],
        "scores": group.scores,
        "not_finite": group.not_finite,
        "rewards": group.rewards,
    }


def _packed_completion(completion: Completion, fresh: bool) -> dict[str, Any]:
    kept = {each.name: getattr(completion, each.name) for each in fields(completion)}
    routes = completion.routes
    kept["routes"] = None if routes is None else {"prompt": routes.prompt, "own": routes.own}
    return kept | ({"old_logprobs": None} if fresh else {})


def _unpacked(kept: dict[str, Any]) -> Group:
    completions = [
        Completion(**each | {"routes": None if each["routes"] is None else Routes(**each["routes"])})
        for each in kept["completions"]
    ]
    prompt = Prompt(sample=Sample(images=(), **kept["sample"]), **kept["prompt"])
    return Group(prompt, completions, kept["scores"], kept["not_finite"], kept["rewards"])
