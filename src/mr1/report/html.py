"""What the pages share: the templates' environment, and a measured accuracy as text.

Completions are text that nobody vouches for. They pass through the templates' escaping alone, and each page's own
security policy forbids scripts and foreign content.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from mr1.report.reading import printable
from mr1.version import __version__


@dataclass(frozen=True)
class Result:
    """A measured accuracy, as text and as widths in per cent."""

    accuracy: str
    interval: str
    baseline: str
    """What is right without a look at the image; empty where it isn't known."""
    format_rate: str
    low: float
    middle: float
    high: float


def render_page(template: str, **values: Any) -> str:
    """A template of this package with its values, as HTML."""
    environment = Environment(
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    return printable(environment.get_template(template).render(version=__version__, **values))


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign, a real minus included; no sign for what rounds to 0. A dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def read_result(summary: Mapping[str, Any] | None) -> Result | None:
    """A summary's accuracy; its format rate is left empty where it has none."""
    if summary is None:
        return None
    baseline = summary.get("baseline")
    return Result(
        accuracy=f"{summary['accuracy']:.1%}",
        interval=f"{summary['low']:.1%} to {summary['high']:.1%}",
        baseline=f"{baseline['name']}: {baseline['share']:.1%}" if baseline else "",
        format_rate=f"{summary['format_rate']:.1%}" if "format_rate" in summary else "",
        low=100 * summary["low"],
        middle=100 * summary["accuracy"],
        high=100 * summary["high"],
    )
