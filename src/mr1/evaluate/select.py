"""What `mr1 eval` is asked to measure: tasks, data and a protocol, from the words on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mr1.config import PROMPT, load_source_settings, read_config
from mr1.errors import UserError
from mr1.evaluate.evaluate import Protocol, available
from mr1.evaluate.presets import find_preset
from mr1.evaluate.run import Measurement
from mr1.judge import r1v, strict
from mr1.judge.presets import Rule, find_rule
from mr1.recipes import is_recipe
from mr1.tasks import load_task
from mr1.tasks.base import Task

PROCEDURAL_SAMPLES = 512
"""Of a task that has no end."""
MAX_NEW_TOKENS = 256


@dataclass(frozen=True)
class Choice:
    """The options of `mr1 eval` that say how to measure; None for what was not given."""

    split: str | None
    samples: int | None
    attempts: int
    temperature: float
    max_new_tokens: int | None
    prompt: str | None
    scorer: Literal["strict", "r1v"]
    preset: str | None


def measurements(
    names: Sequence[str], data: Sequence[str], choice: Choice, handed: Sequence[Task] = ()
) -> list[Measurement]:
    """A measurement for each task and each set of data.

    Args:
        names: of procedural tasks.
        data: files, folders, hub ids, presets, `preset=path`, or recipes with sources.
        choice: the options.
        handed: tasks of rows that a program handed over.

    Raises:
        UserError: nothing to measure; a task, data, a split or a preset that there isn't; data without answers.
    """
    if not names and not data and not handed:
        raise UserError("what to measure? give --task or --data")
    protocol = _protocol(choice)
    tasks: list[Task] = [*(load_task(name) for name in dict.fromkeys(names)), *handed]
    for each in data:
        tasks += _data_tasks(each, choice.preset)
    repeated = {task.name for task in tasks if [other.name for other in tasks].count(task.name) > 1}
    if repeated:
        raise UserError(f"--data: two are named {sorted(repeated)[0]}; give them names in a recipe's sources")
    return [_measurement(task, protocol, choice) for task in tasks]


def _data_tasks(what: str, preset: str | None) -> list[Task]:
    """The sources of a recipe, or one source by its preset, its path or hub id, or both (`preset=path`)."""
    if not what.strip():
        raise UserError("--data: it is empty; give a file, a folder, a hub id, a preset, PRESET=PATH or a recipe")
    if not Path(what).exists() and "=" in what:
        preset, _, what = what.partition("=")
    if is_recipe(what):
        sources = read_config(what).sources
        if not sources:
            raise UserError(f"--data: {what} has no sources")
        return [load_task(name, sources) for name in sources]
    if preset is not None and what != preset:
        name, source = preset, load_source_settings(preset, path=what)
    else:
        name, source = _name(what), load_source_settings(what)
    try:
        return [load_task(name, {name: source})]
    except UserError as error:
        raise UserError(f"--data {what}: {str(error).removeprefix(f'sources.{name}.')}") from error


def _name(what: str) -> str:
    """What data is called: as its file, its folder, or its set on the hub."""
    path = Path(what)
    return (path.resolve() if path.exists() else path).stem or "data"


def _protocol(choice: Choice) -> Protocol:
    preset = find_preset(choice.preset) if choice.preset else None
    prompt = choice.prompt or (preset.prompt if preset else PROMPT)
    if "{question}" not in prompt:
        raise UserError("--prompt: the template needs {question}, where the sample's question is put in")
    return Protocol(
        prompt=prompt,
        max_new_tokens=choice.max_new_tokens or (preset.max_new_tokens if preset else MAX_NEW_TOKENS),
        attempts=choice.attempts,
        temperature=choice.temperature,
        rule=_rule(choice),
    )


def _rule(choice: Choice) -> Rule:
    if choice.preset:
        return find_rule(choice.preset, choice.scorer)
    return strict.judge if choice.scorer == "strict" else r1v.training_reward


def _measurement(task: Task, protocol: Protocol, choice: Choice) -> Measurement:
    # A file by itself is one split, whatever it is called.
    split = choice.split or (task.splits[0] if len(task.splits) == 1 else "test")
    if split not in task.splits:
        raise UserError(f"--split: {task.name} has no split '{split}'; it has {', '.join(task.splits)}")
    wanted = choice.samples
    if wanted is None and task.size(split) is None:
        wanted = PROCEDURAL_SAMPLES
    return Measurement(task, split, available(task, split, wanted), protocol, choice.scorer)
