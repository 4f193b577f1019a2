"""The run's page: `report.html`, one file that needs nothing else, neither the run's folder nor the network.

Completions are text that nobody vouches for. They pass through the template's escaping alone, and the page's own
security policy forbids scripts and foreign content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from mr1.config import Config, divide, read_config
from mr1.errors import UserError
from mr1.report.guards import spoken
from mr1.report.html import Result, read_result, render_page, signed
from mr1.report.outline import Evaluations, Metrics, Outline, outline
from mr1.report.plots import run_plots
from mr1.report.reading import Reader, read_figures, read_metrics
from mr1.report.samples import Flips, flips, read_stages, sample_pairs, training_groups

SETTINGS, EVALUATION = "config.yaml", "evaluation.json"
SHOWN = 12
"""Test samples of each task on the page."""


@dataclass(frozen=True)
class Row:
    """A task's line in the table of results."""

    task: str
    role: str
    before: Result | None
    after: Result | None
    change: str | None
    samples: int
    flips: Flips | None


def run_page(reader: Reader) -> str:
    """The page of a run's folder (see `mr1.train.run`) as HTML. What the folder lacks, the page says or leaves out."""
    config, settings = _settings(reader)
    metrics = read_metrics(reader)
    evaluations, samples = _evaluations(reader), read_stages(reader)
    about = outline(config, metrics, evaluations)
    return render_page(
        "page.html.jinja",
        name=config.name if config else reader.folder.resolve().name,
        config=config,
        about=about,
        facts=_facts(config, metrics),
        spoken=spoken(metrics),
        rows=_rows(about, evaluations, flips(samples)),
        plots=[(plot, Markup(plot.svg)) for plot in run_plots(about, metrics, evaluations)],  # nosec B704
        pairs=sample_pairs(reader, samples, SHOWN),
        shown=SHOWN,
        groups=training_groups(reader),
        settings=settings,
        damage=reader.damage,
    )


def _settings(reader: Reader) -> tuple[Config | None, str]:
    """A run's settings, None where they can't be read; and the text of their file, whatever it is."""
    text = reader.text(SETTINGS, required=True)
    if not text.strip():
        return None, text
    try:
        return read_config(reader.folder / SETTINGS), text
    except UserError as error:
        reader.note(SETTINGS, f"holds no settings that can be read ({error})")
    return None, text


def _evaluations(reader: Reader) -> Evaluations:
    """The figures of each stage by task; stages without any are left out."""
    found = {}
    for stage, held in reader.json(EVALUATION).items():
        if stage not in ("before", "after") or not isinstance(held, dict):
            reader.note(EVALUATION, f"{stage} is no stage with its tasks, and is left out")
        elif figures := read_figures(reader, EVALUATION, held, f"{stage}, "):
            found[stage] = figures
    return found


def duration(seconds: float) -> str:
    """Seconds as a reader would say them."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _facts(config: Config | None, metrics: Metrics) -> dict[str, str]:
    """What the head of the page says of the run."""
    done = len(metrics)
    facts = {"Steps": f"{done:,}"}
    if config is not None:
        stages = divide(config, run_code=False)
        facts = {
            "Method": ", then ".join(dict.fromkeys(stage.config.method.name for stage in stages)),
            "Model": config.model,
            "Trained on": ", ".join(config.tasks),
            "Steps": f"{done:,}" if done == config.steps else f"{done:,} of {config.steps:,}",
            "Batch": f"{config.prompts_per_step} prompts",
            "Seed": str(config.seed),
        }
        if config.stages:
            facts["Stages"] = ", ".join(f"{stage.name} ({stage.config.steps:,} steps)" for stage in stages)
        if any(line.get("reward/total") is not None for line in metrics):
            facts["Batch"] += f" × {config.rollout.group_size} completions"
    seconds = sum(value or 0 for line in metrics for key, value in line.items() if key.startswith("time/"))
    return facts | ({"Training time": duration(seconds)} if seconds else {})


def _rows(about: Outline, evaluations: Evaluations, changed: Mapping[str, Flips]) -> list[Row]:
    """The table's lines: the trained tasks first, then the others."""
    before, after = evaluations.get("before", {}), evaluations.get("after", {})
    tasks = sorted(dict.fromkeys([*before, *after]), key=lambda task: about.role(task) == "transfer")
    rows = []
    for task in tasks:
        results = [stage[task] for stage in (before, after) if task in stage]
        points = 100 * (results[1]["accuracy"] - results[0]["accuracy"]) if len(results) == 2 else None
        rows.append(
            Row(
                task=task,
                role=about.role(task),
                before=read_result(before.get(task)),
                after=read_result(after.get(task)),
                change=None if points is None else signed(points, 1),
                samples=results[-1]["n"],
                flips=changed.get(task),
            )
        )
    return rows
