"""The command line's verb for batches that were kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def replay(
    batch: Annotated[Path, typer.Argument(help="A batch that a run has kept: runs/NAME/not_finite/step-000012.pt.")],
    model: Annotated[
        str | None, typer.Option(help="Whose weights; the run's checkpoint that is nearest to the step.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run again, alone, an update whose loss or gradient was not finite: each completion's part of the loss, and the
    first tensor that is not finite.

    Example: mr1 replay runs/demo/not_finite/step-000012.pt
    """
    from mr1.train.replay import replay as run

    found = run(batch, model)
    if as_json:
        strict = json.loads(json.dumps(asdict(found)), parse_constant=str)  # JSON has no NaN and no Infinity
        typer.echo(json.dumps(strict, indent=2))
        return
    from mr1.report.console import Console, words_table

    console = Console()
    head = ("sample", "completion", "tokens", "reward", "advantage", "loss", "grad_norm")
    rows = [
        [
            "all" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
            for value in asdict(part).values()
        ]
        for part in found.parts
    ]
    console.show(words_table(f"step {found.step}", head, rows), whole=True)
    apart = "steps apart unknown" if found.apart is None else f"{found.apart} steps apart"
    console.say(f"weights: {found.model} ({apart})")
    console.say(f"loss {found.loss:.6g}, " + ", ".join(f"{name} {norm:.6g}" for name, norm in found.norms.items()))
    console.say(f"first that is not finite: {found.first}" if found.first else "all is finite with these weights")
