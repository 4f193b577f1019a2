"""What a run and an evaluation leave behind, read from their folders: as tables, and in a notebook as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mr1.errors import UserError
from mr1.whole import read_text

if TYPE_CHECKING:
    from pandas import DataFrame

    from mr1.config import Config

FIGURES = ("accuracy", "low", "high", "n")
"""Of a task, that a summary shows."""


class RunResult:
    """A run, read from its folder, which may be that of a run that still goes on, was stopped, or is long done."""

    def __init__(self, folder: str | Path) -> None:
        """Open a run's folder, such as `runs/demo`.

        Raises:
            UserError: there is no run in it.
        """
        self.folder = Path(folder)
        if not (self.folder / "config.yaml").is_file():
            raise UserError(f"there is no run in {folder}; name the folder that mr1.train wrote, such as runs/NAME")

    @property
    def config(self) -> Config:
        """The settings that it ran with."""
        from mr1.config import read_config

        return read_config(self.folder / "config.yaml")

    @property
    def metrics(self) -> DataFrame:
        """A row for each optimiser step, by `step`; the columns are those of `metrics.jsonl`."""
        from pandas import DataFrame

        from mr1.report.reading import Reader, read_metrics

        lines = read_metrics(Reader(self.folder))
        return DataFrame(lines).set_index("step") if lines else DataFrame()

    @property
    def samples(self) -> DataFrame:
        """A row for each completion of the steps that were kept, without its images; see `samples/step-*.parquet`."""
        from mr1.tables import numbered

        return _read_tables(numbered(self.folder / "samples", "step-").values())

    @property
    def evaluations(self) -> DataFrame:
        """Held-out accuracy before and after the run: a row for each `stage` and `task`, with its 95 % interval."""
        rows = [{"stage": stage, **row} for stage, tasks in self._figures().items() for row in _rows(tasks) if tasks]
        return _table(rows, ["stage", "task"])

    @property
    def checkpoint(self) -> Path | None:
        """The latest checkpoint: a Hugging Face folder. None where none was saved."""
        from mr1.train.checkpoint import Checkpoints

        saved = Checkpoints(self.folder / "checkpoints", keep=1)
        steps = saved.steps()
        return saved.path(steps[-1]) if steps else None

    @property
    def report(self) -> Path:
        """The page with curves and samples."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        config, done = self.config, len(self.metrics)
        stages = [f"{task} {_percent(accuracies)}" for task, accuracies in self._accuracies().items()]
        about = [f"{config.method.name} on {', '.join(config.tasks)}", f"{done} of {config.steps} steps", *stages]
        return f"RunResult({str(self.folder)!r}: {'; '.join(about)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: what was run, its accuracy before and after, and its first curve."""
        config, metrics = self.config, self.metrics
        facts = f"{config.method.name} on {', '.join(config.tasks)}, {len(metrics)} of {config.steps} steps"
        figures = self._figures()
        rows = [[task, *(_cell(figures[stage].get(task)) for stage in figures)] for task in self._accuracies()]
        return _page(config.name, facts, ["task", *figures], rows, self.report) + self._curve()

    def _curve(self) -> str:
        """The first plot of the report, or nothing."""
        from mr1.report.outline import outline
        from mr1.report.plots import run_plots
        from mr1.report.reading import Reader, read_metrics

        figures = self._figures()
        metrics = read_metrics(Reader(self.folder))
        plots = run_plots(outline(self.config, metrics, figures), metrics, figures)
        return f'<div style="max-width:640px">{plots[0].svg}</div>' if plots else ""

    def _figures(self) -> dict[str, dict[str, dict[str, Any]]]:
        path = self.folder / "evaluation.json"
        return json.loads(read_text(path)) if path.is_file() else {}

    def _accuracies(self) -> dict[str, list[float]]:
        """Each task's accuracy in the stages that measured it."""
        found: dict[str, list[float]] = {}
        for tasks in self._figures().values():
            for task, figures in tasks.items():
                found.setdefault(task, []).append(figures["accuracy"])
        return found


class EvaluationResult:
    """An evaluation, read from its folder; of one without a folder of its own the files go with this object."""

    def __init__(self, folder: str | Path | TemporaryDirectory[str]) -> None:
        """Open an evaluation's folder, such as what `mr1 eval --out` wrote.

        Raises:
            UserError: there is no evaluation in it.
        """
        self._passing = folder if isinstance(folder, TemporaryDirectory) else None
        self.folder = Path(folder.name if isinstance(folder, TemporaryDirectory) else folder)
        if not (self.folder / "summary.json").is_file():
            raise UserError(f"there is no evaluation in {self.folder}; name the folder that mr1.evaluate wrote")

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """All figures of each task; see `docs/evaluation.md`."""
        return json.loads(read_text(self.folder / "summary.json"))

    @property
    def figures(self) -> DataFrame:
        """A row for each task: accuracy with its 95 % interval, samples, and, of several attempts, pass@k."""
        return _table(_rows(self.summary), ["task"])

    @property
    def outcomes(self) -> DataFrame:
        """A row for each completion with its verdict, without its images; see `outcomes/TASK/*.parquet`."""
        from mr1.evaluate.folder import measured_tasks
        from mr1.tables import numbered

        folders = [self.folder / "outcomes" / task for task in measured_tasks(self.folder)]
        return _read_tables(file for folder in folders for file in numbered(folder).values())

    @property
    def report(self) -> Path:
        """The page with figures and samples."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        about = [f"{task} {_percent([figures['accuracy']])}" for task, figures in self.summary.items()]
        return f"EvaluationResult({'; '.join(about)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a row for each task."""
        rows = [[task, _cell(figures), str(figures["n"])] for task, figures in self.summary.items()]
        return _page("evaluation", "", ["task", "accuracy", "samples"], rows, None if self._passing else self.report)


def _rows(tasks: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The figures of each task that are numbers, the ones that matter first."""
    rows = []
    for task, figures in tasks.items():
        plain = {key: value for key, value in figures.items() if isinstance(value, int | float)}
        rows.append({"task": task, **{key: plain[key] for key in FIGURES}, **plain})
    return rows


def _table(rows: list[dict[str, Any]], index: list[str]) -> DataFrame:
    from pandas import DataFrame

    return DataFrame(rows).set_index(index) if rows else DataFrame()


def _read_tables(files: Iterable[Path]) -> DataFrame:
    """Parquet files below each other, without their images."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pandas import DataFrame

    tables = []
    for file in files:
        with pq.ParquetFile(file) as opened:
            wanted = [name for name in opened.schema_arrow.names if name != "images"]
            tables.append(opened.read(columns=wanted))
    return pa.concat_tables(tables, promote_options="permissive").to_pandas() if tables else DataFrame()


def _percent(accuracies: Iterable[float]) -> str:
    return " -> ".join(f"{accuracy:.1%}" for accuracy in accuracies)


def _cell(figures: Mapping[str, Any] | None) -> str:
    return f"{figures['accuracy']:.1%} ({figures['low']:.1%} to {figures['high']:.1%})" if figures else ""


def _page(name: str, facts: str, head: list[str], rows: list[list[str]], report: Path | None) -> str:
    """A title, a table, and a link to the page on the disk; all of it escaped."""
    cells = "".join(f"<th>{escape(each)}</th>" for each in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>" if rows else ""
    there = report is not None and report.is_file()
    link = f'<a href="{escape(report.resolve().as_uri())}">{escape(str(report))}</a>' if report and there else ""
    return f"<div><b>{escape(name)}</b> {escape(facts)}{table}{link}</div>"
