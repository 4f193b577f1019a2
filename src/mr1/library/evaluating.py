"""`mr1.evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from mr1.errors import UserError
from mr1.folders import as_mode
from mr1.library.results import EvaluationResult, RunResult

if TYPE_CHECKING:
    from mr1.tasks.base import Task

Split = Literal["train", "validation", "test", "shifted"]


def evaluate(
    model: str | Path | RunResult,
    tasks: Sequence[str] = (),
    *,
    data: Any = None,
    source: Mapping[str, Any] | None = None,
    split: Split | None = None,
    samples: int | None = None,
    attempts: int = 1,
    temperature: float = 1.0,
    max_new_tokens: int | None = None,
    prompt: str | None = None,
    scorer: Literal["strict", "r1v"] = "strict",
    preset: str | None = None,
    loading: Mapping[str, Any] | None = None,
    max_unusable: float = 0.01,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> EvaluationResult:
    """Measure a model's accuracy on held-out samples, with 95 % intervals, as `mr1 eval` does.

    Args:
        model: a bundled model (`tiny`), a Hugging Face folder, a hub id, or a run, whose latest checkpoint it is.
        tasks: names of procedural tasks.
        data: rows in memory, as `mr1.train` takes them; or what `mr1 eval --data` takes: a file, a folder, a hub id, a
            preset, `PRESET=PATH`, or a recipe with sources.
        source: settings of rows in memory, as below `sources.NAME` in a recipe: `{"columns.answer": "solution"}`.
        split: which; `test` where it is left out and there are several.
        samples: the first so many; 512 of a procedural task and all of `data` where it is left out.
        attempts: completions of each sample; 1 is greedy.
        temperature: of several attempts.
        max_new_tokens: longest completion; 256.
        prompt: the user's turn, with `{question}` in it.
        scorer: the judge's rules.
        preset: `superclevr-200` or `geoqa-test`: R1-V's prompt and limit, and its rule for `r1v`.
        loading: how the model is loaded, as below `loading` in a recipe: `{"dtype": "bfloat16"}`. What is left out is
            as a checkpoint was trained.
        max_unusable: the share of a split's rows that may be unusable and left out.
        out: folder for outcomes, figures and a page; a passing one where it is left out.
        resume: go on with the folder; what is done stays.
        overwrite: replace the folder if it exists.
        quiet: print nothing.

    Returns:
        The evaluation.

    Raises:
        UserError: nothing to measure, or a mistake in what was given; one line names it and the way out.
    """
    from mr1.config import Loading
    from mr1.config.overrides import put_values
    from mr1.data import memory
    from mr1.data.source import forget_sources
    from mr1.evaluate.run import run_evaluation
    from mr1.evaluate.select import Choice, measurements
    from mr1.models.saved import own_loading
    from mr1.report.console import Console

    mode, load = as_mode(resume, overwrite), dict[str, Any]()
    put_values(load, loading or {}, Loading, "loading.")
    if resume and out is None:
        raise UserError("--resume: which folder? give out")
    choice = Choice(split, samples, attempts, temperature, max_new_tokens, prompt, scorer, preset)
    paths = [str(data)] if isinstance(data, str | Path) else []
    if source is not None and (paths or data is None):
        raise UserError("source: it is for rows in memory; name a recipe with sources as data for those of files")
    with ExitStack() as stack:
        stack.callback(forget_sources)
        forget_sources()
        handed: list[Task] = []
        if data is not None and not paths:
            sources = {name or "data": splits for name, splits in memory.as_sources(data).items()}
            stack.enter_context(memory.held(sources))
            handed = [_task(name, source or {}) for name in sources]
        chosen = measurements(tasks, paths, choice, handed)
        folder = TemporaryDirectory(prefix="mr1-evaluation-") if out is None else Path(out)
        path, name = Path(folder.name) if isinstance(folder, TemporaryDirectory) else folder, _model(model)
        run_evaluation(name, own_loading(name, **load), chosen, path, mode, Console(quiet=quiet), max_unusable)
    return EvaluationResult(folder)


def _model(model: str | Path | RunResult) -> str:
    if not isinstance(model, RunResult):
        return str(model)
    if model.checkpoint is None:
        raise UserError(f"model: {model.folder} has no checkpoint")
    return str(model.checkpoint)


def _task(name: str, source: Mapping[str, Any]) -> Task:
    from mr1.config.reading import make_source
    from mr1.tasks import load_task

    return load_task(name, {name: make_source(name, {**source, "path": name, "format": "memory"})})
