"""The run's page: `report.html`, one file that needs nothing else, neither the run's folder nor the network.

Completions are text that nobody vouches for. They pass through the template's escaping alone, and the page's own
security policy forbids scripts and foreign content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from mr1.config import Config, load_config
from mr1.report.html import Result, read_result, render_page, signed
from mr1.report.plots import Evaluations, Metrics, run_plots
from mr1.report.samples import Flips, flips, sample_pairs, training_groups
from mr1.tables import write_text

SHOWN = 12
"""Test samples of each task on the page."""


@dataclass(frozen=True)
class Row:
    """A task's line in the table of results."""

    task: str
    trained: bool
    before: Result | None
    after: Result | None
    change: str | None
    samples: int
    flips: Flips | None


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run's folder; a page that is there is replaced at once, when the new one is whole.

    Args:
        folder: a run's folder (see `mr1.train.run`). What it lacks, the page says or leaves out.

    Returns:
        The page's path.

    Raises:
        UserError: the folder has no `config.yaml`, or one that can't be read.
    """
    path = folder / "report.html"
    write_text(path, render(folder))
    return path


def render(folder: Path) -> str:
    """The page as HTML."""
    config = load_config(folder / "config.yaml")
    metrics, evaluations = _metrics(folder / "metrics.jsonl"), _evaluations(folder / "evaluation.json")
    pairs = sample_pairs(folder, SHOWN)
    return render_page(
        "page.html.jinja",
        config=config,
        facts=_facts(config, metrics),
        rows=_rows(config, evaluations, flips(folder)),
        plots=[(plot, Markup(plot.svg)) for plot in run_plots(config, metrics, evaluations)],
        pairs=pairs,
        trained=config.tasks,
        shown=SHOWN,
        groups=training_groups(folder),
        settings=(folder / "config.yaml").read_text(encoding="utf-8"),
    )


def duration(seconds: float) -> str:
    """Seconds as a reader would say them."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _metrics(path: Path) -> Metrics:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _evaluations(path: Path) -> Evaluations:
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return json.loads(text) if text else {}


def _facts(config: Config, metrics: Metrics) -> dict[str, str]:
    """What the head of the page says of the run."""
    done = len(metrics)
    facts = {
        "Method": config.method,
        "Model": config.model,
        "Trained on": ", ".join(config.tasks),
        "Steps": f"{done:,}" if done == config.steps else f"{done:,} of {config.steps:,}",
        "Batch": f"{config.prompts_per_step} prompts",
        "Seed": str(config.seed),
    }
    if any(line.get("reward/total") is not None for line in metrics):
        facts["Batch"] += f" × {config.rollout.group_size} completions"
    seconds = sum(value for line in metrics for key, value in line.items() if key.startswith("time/"))
    return facts | ({"Training time": duration(seconds)} if seconds else {})


def _rows(config: Config, evaluations: Evaluations, changed: Mapping[str, Flips]) -> list[Row]:
    """The table's lines: the trained tasks first, then the others."""
    before, after = evaluations.get("before", {}), evaluations.get("after", {})
    tasks = sorted(dict.fromkeys([*before, *after]), key=lambda task: task not in config.tasks)
    rows = []
    for task in tasks:
        results = [stage[task] for stage in (before, after) if task in stage]
        points = 100 * (results[1]["accuracy"] - results[0]["accuracy"]) if len(results) == 2 else None
        rows.append(
            Row(
                task=task,
                trained=task in config.tasks,
                before=read_result(before.get(task)),
                after=read_result(after.get(task)),
                change=None if points is None else signed(points, 1),
                samples=results[-1]["n"],
                flips=changed.get(task),
            )
        )
    return rows
