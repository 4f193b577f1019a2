"""`mr1.train`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr1.folders import Mode, as_mode, read_mark
from mr1.library.results import RunResult

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.report.console import Console
    from mr1.rewards.handed import Rewards

DATA = "data"
"""The name of the source that rows become where the recipe has none for them."""


def train(
    recipe: str | Path | Mapping[str, Any] | Config,
    settings: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    rewards: Rewards | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    grace: float | None = None,
) -> RunResult:
    """Train a model by a recipe, as `mr1 train` does; everything that it leaves behind is in `OUTPUT/NAME`.

    Args:
        recipe: the name of one that comes with MR1, the path of a YAML file, settings as a mapping, or a `Config`.
        settings: put over the recipe's, by key, with dots for nested keys: `{"steps": 20, "rollout.group_size": 4}`.
        data: what to train on, in place of the rows of files: a `datasets.Dataset` or a list of dictionaries; a
            `DatasetDict` or a mapping from `train`, `validation` and `test` to such; or a mapping from the names of
            several sources to any of these. Columns are found, or named by `sources.NAME.columns`, as those of a file
            are. Rows without a name are the source that the recipe trains on, else a new source `data`, which is then
            what is trained on and evaluated.
        rewards: in place of the recipe's: a list of functions of TRL's signature and of names (`"accuracy"`), each with
            weight 1, or a mapping from them to weights.
        resume: go on from the run folder's latest checkpoint: the same call again, with the same data and rewards.
            Where nothing was saved yet, the run begins.
        overwrite: replace the run folder if it exists.
        quiet: print nothing.
        grace: seconds that the step under way may go on after a signal (SIGINT, SIGTERM, SIGUSR1) before it is cut
            off; None for as long as it takes.

    Returns:
        The run.

    Raises:
        UserError: a mistake in the recipe, the settings, the data or a reward; one line names it and the way out.
        GuardError: a guard of `guards.stop` has ended the run, which is saved and goes on by `resume`.
        KeyboardInterrupt: a signal has; the same.
    """
    from mr1.config.reading import load_rewards, make_config, read_settings
    from mr1.data import memory
    from mr1.data.source import forget_sources
    from mr1.report.console import Console
    from mr1.rewards import handed

    mode = as_mode(resume, overwrite)
    written = read_settings(recipe, settings)
    with ExitStack() as stack:
        stack.callback(forget_sources)
        forget_sources()
        if data is not None:
            sources = _name_sources(written, memory.as_sources(data), settings or {})
            stack.enter_context(memory.held(sources))
        if rewards is not None:
            written["rewards"], functions = handed.as_weights(rewards)
            stack.enter_context(handed.held(functions))
        config = make_config(written)
        load_rewards(config)
        return run(config, mode, Console(quiet=quiet), _file(recipe), grace)


def run(
    config: Config, mode: Mode, console: Console, file: Path | None = None, grace: float | None = None
) -> RunResult:
    """Train by a tree of settings, the reward functions of which can be loaded.

    Args:
        config: the settings.
        mode: what to do where the run's folder exists.
        console: shows the progress.
        file: where the settings were read from; a run that goes on by its own `config.yaml` is where that is now.

    Raises:
        UserError: the folder, the data, the model or the endpoint can't be had.
    """
    from mr1.parallel import ranks
    from mr1.parallel.following import open_run
    from mr1.report.console import Console
    from mr1.rewards.functions import called
    from mr1.rewards.judged import opened
    from mr1.train.loop import Trainer

    if mode == "resume" and file and read_mark(file.parent).get("kind") == "run":
        moved = {"output": str(file.parent.parent), "name": file.parent.resolve().name}
        config = config.model_copy(update=moved)
    with ranks.joined(config.parallel.timeout), ExitStack() as stack:
        recording = stack.enter_context(open_run(config, mode))
        stack.enter_context(opened(config.endpoint))
        stack.enter_context(called(config.reward_functions, console.say))
        Trainer(config, recording, console if ranks.is_first() else Console(quiet=True), grace).train()
    return RunResult(config.folder)


def _file(recipe: object) -> Path | None:
    """The file that a recipe is in."""
    from mr1.recipes import find_recipe

    return find_recipe(recipe) if isinstance(recipe, str | Path) else None


def _name_sources(
    written: dict[str, Any], handed: Mapping[str | None, dict[str, Any]], settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Put sources that are in memory into the settings, in place; returns their rows by the sources' names."""
    from mr1.config.flat import flat

    task, sources = written.get("task"), written.setdefault("sources", {})
    named: dict[str, dict[str, Any]] = {}
    for given, splits in handed.items():
        trained = [task] if isinstance(task, str) else task or []
        name = given or (trained[0] if len(trained) == 1 and trained[0] in sources else DATA)
        named[name] = splits
        sources[name] = {**sources.get(name, {}), "path": name, "format": "memory"}
        said = {key.partition(".")[0] for key in flat(settings)} | {*flat(settings)}
        if given is None and name not in trained and "task" not in said:
            written["task"] = name
            if "evaluation.tasks" not in said:
                written.setdefault("evaluation", {})["tasks"] = [name]
    return named
