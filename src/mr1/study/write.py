"""Writes what a study comes to into its folder.

results.md      every table, with the plots
results.json    every number
results.csv     a line for each run, tested task and stage
figures/        the plots, as SVG and PNG
index.html      one page that shows it all
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mr1.config.text import write_yaml
from mr1.errors import UserError
from mr1.study.canvas import Drawing
from mr1.study.examples import disagreements
from mr1.study.grid import Placed
from mr1.study.page import facts, study_page
from mr1.study.plots import all_drawings
from mr1.study.results import Results, collect
from mr1.study.settings import Study
from mr1.study.tables import Table, all_tables
from mr1.study.tuning import Tried
from mr1.writing import publish, write_text

FIGURES = "figures"
FILES = ("results.md", "results.json", "results.csv", "index.html", FIGURES)


def write_results(study: Study, placed: Sequence[Placed], tuning: Sequence[Tried] = ()) -> Results:
    """Write the results of the runs that are done into the study's folder; each file appears whole or not at all.

    Raises:
        UserError: nothing is done yet, runs that can't be compared, or a folder that can't be written.
    """
    results = collect(study, placed, tuning)
    tables, drawings = all_tables(results), all_drawings(results)
    settings = write_yaml(study.model_dump(mode="json", exclude_defaults=True))
    page = study_page(results, tables, drawings, disagreements(results, placed), settings)
    try:
        (study.folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for drawing in drawings:
            write_drawing(study.folder / FIGURES, drawing)
        write_text(study.folder / "results.json", json.dumps(results.plain(), indent=1, allow_nan=False) + "\n")
        write_text(study.folder / "results.csv", _csv(placed))
        write_text(study.folder / "results.md", markdown(results, tables, drawings))
        write_text(study.folder / "index.html", page)
    except OSError as error:
        raise UserError(f"{study.folder}: can't be written ({error.strerror})") from error
    return results


def write_drawing(folder: Path, drawing: Drawing) -> None:
    """Write a plot as SVG and PNG into a folder that is there; each file appears whole or not at all."""
    write_text(folder / f"{drawing.name}.svg", drawing.svg)
    draft = folder / f".{drawing.name}.png"
    draft.write_bytes(drawing.png)
    publish(draft, folder / f"{drawing.name}.png")


def markdown(results: Results, tables: Sequence[Table], drawings: Sequence[Drawing]) -> str:
    """The results as one document."""
    said = "\n".join(f"- {name}: {value}" for name, value in facts(results).items())
    notes = "".join(f"\n{note}\n" for note in results.notes)
    shown = [
        f"## {each.plot.title}\n\n![{each.plot.title}]({FIGURES}/{each.name}.svg)\n\n{each.plot.reading}\n"
        for each in drawings
    ]
    return "\n".join([f"# {results.name}\n\n{said}\n{notes}", *(table.markdown() for table in tables), *shown])


def _csv(placed: Sequence[Placed]) -> str:
    """A line for each run, tested task and stage."""
    buffer = io.StringIO()
    lines = [*_lines(placed)]
    writer = csv.DictWriter(buffer, [*lines[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def _lines(placed: Sequence[Placed]) -> Iterator[dict[str, Any]]:
    for cell, record in placed:
        for stage, tests in record.tests.items():
            for task, tested in tests.items():
                drift = record.drift.get(task) if stage == "after" else None
                yield {
                    "method": cell.method,
                    "trained": cell.task,
                    "seed": cell.seed,
                    "sweep": cell.sweep,
                    "value": cell.value,
                    "tested": task,
                    "stage": stage,
                    "accuracy": round(float(tested.bits.mean()), 6),
                    "well_formed": round(float(tested.forms.mean()), 6),
                    "test_samples": len(tested.bits),
                    "kl": drift.kl if drift else None,
                    "entropy": drift.entropy if drift else None,
                    "samples": record.cost.samples,
                    "updates": record.cost.updates,
                    "tokens": record.cost.tokens,
                    "training_seconds": record.cost.training,
                    "evaluation_seconds": record.cost.evaluation,
                    "run": cell.run,
                }
