"""The command line's verbs that judge."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mr1.errors import UserError, nearest


def judge(
    answer: Annotated[str, typer.Argument(help="What stands between the answer's tags.")],
    truth: Annotated[list[str], typer.Argument(help="The truth; several where any of them is right.")],
    explain: Annotated[bool, typer.Option("--explain", help="Say what both are read as, and what decided.")] = False,
    kind: Annotated[
        str | None, typer.Option(help="What the truth is, as a source's answer_kind says: number, date, text, ...")
    ] = None,
    choice: Annotated[list[str] | None, typer.Option(help="The text of each choice, A first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Judge one answer: does it state the truth? Exit code 0 where it does, 1 where it doesn't.

    Put -- in front of an answer that begins with a dash.

    Example: mr1 judge "10 to 20 cm" "10-20cm" --explain
    """
    from mr1.judge import strict
    from mr1.judge.truth import Kind, Truth
    from mr1.judge.verdict import Verdict

    if kind is not None and kind not in [*Kind]:
        raise UserError(f"--kind: unknown '{kind}'{nearest(kind, [*Kind])}")
    found = strict.explain(answer, Truth(tuple(truth), Kind(kind) if kind else None, choices=tuple(choice or ())))
    told = {"verdict": found.verdict.value} | {
        name: f"{reading.kind}: {reading}" if reading.kind else str(reading)
        for name, reading in (("answer", found.said), ("truth", found.gold))
    }
    told["rule"] = found.rule
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(f"{name:8}{text}" for name, text in told.items()) if explain else told["verdict"])
    raise typer.Exit(int(found.verdict is not Verdict.RIGHT))


def score(
    file: Annotated[Path, typer.Argument(help="JSONL with model_output and ground_truth on each line.")],
    preset: Annotated[str, typer.Option(help="superclevr-200 or geoqa-test: which of R1-V's rules r1v is.")],
    scorer: Annotated[str, typer.Option(help="r1v, for published numbers, or strict.")] = "strict",
    differences: Annotated[
        bool, typer.Option("--differences", help="List the rows that the two scorers judge differently instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Judge a file of model outputs: accuracy with its 95 % interval, and the rows that could not be judged.

    Example: mr1 score outputs.jsonl --preset geoqa-test --scorer r1v
    """
    from mr1.judge import score as judging

    rows = judging.read_rows(file)
    if differences:
        found = list(judging.differences(rows, preset))
        typer.echo(json.dumps([asdict(each) for each in found], indent=2) if as_json else judging.markdown(found))
        return
    summary = judging.summary(judging.score(rows, preset, scorer))
    if as_json:
        typer.echo(json.dumps({"file": str(file), "preset": preset, "scorer": scorer} | summary, indent=2))
    else:
        from mr1.report.console import Console

        Console().show(judging.table(summary, title=f"{file.name}, {scorer} on {preset}"))
