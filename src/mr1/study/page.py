"""A study's page: `index.html`, one file that needs nothing else, neither the runs' folders nor the network."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mr1.report.html import render_page
from mr1.study.canvas import Drawing
from mr1.study.examples import EACH, Disagreements
from mr1.study.results import Results
from mr1.study.tables import Table


def study_page(
    results: Results,
    tables: Sequence[Table],
    drawings: Sequence[Drawing],
    examples: Sequence[Disagreements],
    settings: str,
) -> str:
    """The page as HTML.

    Args:
        results: what the study comes to.
        tables: the first of them stands on top.
        drawings: its plots.
        examples: questions that two methods answered differently.
        settings: the study's, as YAML.
    """
    return render_page(
        "study.html.jinja",
        results=results,
        facts=facts(results),
        tables=tables,
        plots=[(drawing.plot, Markup(drawing.plot.svg)) for drawing in drawings],  # nosec B704
        examples=examples,
        each=EACH,
        settings=settings,
    )


def facts(results: Results) -> dict[str, str]:
    """What the head of the page says of the study."""
    done = f"{results.done}" if results.done == results.asked else f"{results.done} of {results.asked}"
    return {
        "Methods": ", ".join(results.methods),
        "Trained on": ", ".join(results.trained),
        "Tested on": ", ".join(results.tested),
        "Seeds": ", ".join(map(str, results.seeds)),
        "Results": done,
        "MR1": ", ".join(results.versions),
    }
