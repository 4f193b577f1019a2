"""The command; see the package."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.judge.measure import Result, measure
from benchmarks.judge.pairs import pairs
from benchmarks.judge.values import DRAWS
from mr1.judge import strict


def _pairs(arguments: argparse.Namespace) -> None:
    strict.judge_answer("2√3", "\\sqrt{12}")  # starts the pool
    result = measure(strict.judge_answer, pairs(arguments.pairs, arguments.seed, arguments.kind))
    found = summary(result, arguments.seed)
    show(found)
    for pair, verdict in result.failures[: arguments.show]:
        said = "right" if pair.right else "wrong"
        truth = repr(pair.truth.accepted[0]) + (f" ({pair.truth.kind})" if pair.truth.kind else "")
        print(f"{pair.family}: {pair.answer!r} for {truth} is {said}, called {verdict} [{pair.how}]")
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def summary(result: Result, seed: int) -> dict[str, Any]:
    """The result as JSON."""
    total = result.total().row()
    pair = result.slowest_pair
    return {
        "pairs": total["right"] + total["wrong"],
        "seed": seed,
        "seconds": round(result.seconds, 1),
        "slowest_seconds": round(result.slowest, 3),
        "slowest": [pair.answer, pair.truth.accepted[0]] if pair else [],
        "slower_than_a_second": result.slow,
        "families": {name: tally.row() for name, tally in sorted(result.tallies.items())},
        "all": total,
    }


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    columns = [name for name in found["all"] if name not in ("wrong called wrong", "right called right")]
    table = Table("family", *columns, title=f"{found['pairs']:,} pairs in {found['seconds']} s")
    for name, row in [*found["families"].items(), ("all", found["all"])]:
        table.add_row(name, *(f"{row[column]:,}" for column in columns))
    Console(width=120).print(table)
    print(f"slowest verdict: {found['slowest_seconds']} s, {found['slowest']}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description="How often the judge is wrong.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pairs", help="on pairs whose label is right by construction")
    command.add_argument("--pairs", type=int, default=100_000, help="how many (default: 100000)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--kind", action="append", choices=list(DRAWS), help="only this family; may be repeated")
    command.add_argument("--show", type=int, default=0, help="print so many pairs on which the judge is wrong")
    command.add_argument("--write", type=Path, help="write the result there as JSON")
    command.set_defaults(run=_pairs)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
