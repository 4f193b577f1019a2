"""The command: `python -m benchmarks.speed PART`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="How fast MR1 trains.", add_completion=False, no_args_is_help=True)
LOG_WIDTH = 150
RESULTS = Path(__file__).parents[1] / "results"


@app.command()
def targets(
    count: Annotated[int, typer.Option("--pairs", min=1, help="Steps of each side in the shorter works.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for latest.json and details.json.")] = RESULTS,
) -> None:
    """All targets: a table, latest.json, and details.json beside it."""
    from benchmarks.speed.machine import describe
    from benchmarks.speed.targets import Suite, results, targets_table

    console = _console()
    suite = Suite(count, console.print)
    outcomes = list(suite.outcomes())
    out.mkdir(parents=True, exist_ok=True)
    machine = describe()
    _write(out / "latest.json", machine | {"targets": results(outcomes)})
    _write(out / "details.json", machine | suite.details)
    console.print(targets_table(outcomes))


@app.command()
def growth(
    axis: Annotated[
        list[str] | None, typer.Option(help="group_size, pixels, new_tokens, prompts, hidden; all.")
    ] = None,
    count: Annotated[int, typer.Option("--pairs", min=1, help="Steps of each side at each point.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for growth.json.")] = RESULTS,
    picture: Annotated[Path, typer.Option(help="The plot to write.")] = RESULTS.parents[1] / "docs/growth.png",
) -> None:
    """How time and memory grow with each thing that can be larger: slopes, and a plot."""
    from benchmarks.speed.growth import AXES, growth_table, measure_growth, plot_growth
    from benchmarks.speed.machine import describe

    grown = measure_growth(axis or tuple(AXES), count)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "growth.json", describe() | {"growth": grown})
    plot_growth(grown, picture)
    _console().print(growth_table(grown))


@app.command()
def pairs(
    pixels: int = 224,
    group_size: int = 8,
    new_tokens: int = 32,
    hidden: int = 256,
    prompts: int = 2,
    family: Annotated[str, typer.Option(help="qwen2_vl, gemma3, qwen3_5 or qwen3_vl_moe.")] = "qwen2_vl",
    layers: Annotated[int, typer.Option(help="Of the language model.")] = 4,
    count: Annotated[int, typer.Option("--pairs", min=1, help="Steps of each side.")] = 3,
    trl: Annotated[str | None, typer.Option(help="TRL's settings as JSON.")] = None,
    mr1_only: Annotated[bool, typer.Option("--mr1-only", help="Without TRL.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """MR1 and TRL on one work, and MR1 beside the machine's limit."""
    from benchmarks.speed.pairs import SIDES, counts_table, measure_pairs, pairs_table
    from benchmarks.speed.rates import measure_rates
    from benchmarks.speed.shares import shares, shares_table
    from benchmarks.speed.work import Work

    work = Work(pixels, group_size, new_tokens, hidden, prompts, language_layers=layers, family=family)
    rates = measure_rates(work) if family == "qwen2_vl" else {}
    result = measure_pairs(work, count, json.loads(trl) if trl else None, sides=("mr1",) if mr1_only else SIDES)
    if as_json:
        print(json.dumps(result | {"rates": rates, "shares": shares(result, rates) if rates else {}}, indent=2))
        return
    console = _console()
    if not mr1_only:
        console.print(pairs_table(result), counts_table(result))
    if not rates:  # the limit is reckoned for Qwen2-VL
        return
    console.print(shares_table(result, rates))
    console.print({name: f"{rate / 1e9:.1f} G/s" for name, rate in rates.items()})


@app.command()
def rollout(
    pixels: int = 224,
    group_size: int = 8,
    new_tokens: int = 32,
    hidden: int = 256,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """MR1's rollout beside transformers' generate on one work."""
    from benchmarks.speed.rollout import measure_rollout
    from benchmarks.speed.work import Work

    work = Work(pixels=pixels, group_size=group_size, new_tokens=new_tokens, hidden=hidden)
    _console().print_json(data=measure_rollout(work, rounds))


@app.command()
def tune(rounds: Annotated[int, typer.Option(min=1, help="Steps of each candidate.")] = 2) -> None:
    """Find TRL's fastest settings on this machine, and keep them in trl_settings.json."""
    from benchmarks.speed.tune import tune

    _console().print_json(data=tune(rounds=rounds))


def _console() -> Console:
    """Wide enough for the tables where there is no terminal."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, LOG_WIDTH)
    return console


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
