"""What was measured, as JSON, tables and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.judge.measure import Result
from mr1.judge.verdict import Verdict

FOOLED = 1e-4
"""Wrong answers that may be called right, of all wrong ones."""
PLAIN, ALGEBRA = 10_000, 50
"""Verdicts a second: those made in the caller, of its core, and those that a worker is asked for, by the clock."""
REFUSED = 1e-2
"""Right answers that may be called wrong or not be decided, of all right ones."""


def summary(result: Result, seed: int) -> dict[str, Any]:
    """The result as JSON."""
    total = result.total().row()
    pair = result.slowest_pair
    return {
        "pairs": total["right"] + total["wrong"],
        "seed": seed,
        "seconds": round(result.plain.seconds + result.algebra.seconds, 1),
        "plain": {
            "verdicts": result.plain.verdicts,
            "a_second": round(result.plain.rate),
            "a_second_of_a_core": round(result.plain.rate_of_a_core),
        },
        "algebra": {"verdicts": result.algebra.verdicts, "a_second": round(result.algebra.rate)},
        "slowest_seconds": round(result.slowest, 3),
        "slowest": [pair.answer, pair.truth.accepted[0]] if pair else [],
        "slower_than_a_second": result.slow,
        "families": {name: tally.row() for name, tally in result.tallies.items()},
        "all": total,
        "wrong_by_change": {
            change: {"wrong": verdicts.total(), "called right": verdicts[Verdict.RIGHT]}
            for change, verdicts in sorted(result.changes.items())
        },
    }


def share(row: dict[str, int], label: str) -> float:
    """Of a row's right answers those that are not called right; of its wrong ones those that are."""
    missed = row["right"] - row["right called right"] if label == "right" else row["wrong called right"]
    return missed / max(row[label], 1)


def targets(found: dict[str, Any]) -> dict[str, bool]:
    """What was to be reached, and whether it was."""
    row = found["all"]
    return {
        f"wrong called right at most 1 in 10,000 ({row['wrong called right']} of {row['wrong']:,})": (
            share(row, "wrong") <= FOOLED
        ),
        f"right called wrong or undecided at most 1 % ({100 * share(row, 'right'):.2f} %)": (
            share(row, "right") <= REFUSED
        ),
        f"at least {PLAIN:,} plain verdicts a second of a core ({found['plain']['a_second_of_a_core']:,}; by the clock "
        f"{found['plain']['a_second']:,})": found["plain"]["a_second_of_a_core"] >= PLAIN,
        f"at least {ALGEBRA} verdicts a second that need algebra ({found['algebra']['a_second']})": (
            not found["algebra"]["verdicts"] or found["algebra"]["a_second"] >= ALGEBRA
        ),
        f"every verdict within a second (slowest {found['slowest_seconds']} s)": not found["slower_than_a_second"],
    }


_COLUMNS = ("right", "right called wrong", "right undecided", "wrong", "wrong called right", "wrong undecided")


def show(found: dict[str, Any]) -> None:
    """Print the table by family, and the targets."""
    table = Table("family", *_COLUMNS, title=f"{found['pairs']:,} pairs in {found['seconds']} s")
    for name, row in [*found["families"].items(), ("all", found["all"])]:
        table.add_row(name, *(f"{row[column]:,}" for column in _COLUMNS))
    Console(width=130).print(table)
    print(f"slowest verdict: {found['slowest_seconds']} s, {found['slowest']}")
    for target, reached in targets(found).items():
        print(f"{'reached' if reached else 'NOT REACHED'}: {target}")


def markdown(found: dict[str, Any]) -> str:
    """The table by family in Markdown: the two mistakes and what is not decided, as counts."""
    lines = [
        "| family | right | called wrong | undecided | wrong | called right | undecided |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in [*found["families"].items(), ("all", found["all"])]:
        lines.append(f"| {name} | " + " | ".join(f"{row[column]:,}" for column in _COLUMNS) + " |")
    return "\n".join(lines)


def side_by_side(found: dict[str, dict[str, Any]]) -> str:
    """A table in Markdown: for each judge and family, wrong called right and right not called right, in percent."""
    names = sorted(found, key=lambda name: name != "strict")
    lines = ["| family | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    families = [*found[names[0]]["families"], "all"]
    for family in families:
        cells = []
        for name in names:
            row = found[name]["all"] if family == "all" else found[name]["families"][family]
            cells.append(f"{100 * share(row, 'wrong'):.1f} / {100 * share(row, 'right'):.1f}")
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(found: dict[str, Any], file: Path) -> None:
    """Of each family what became of its right and of its wrong answers, as bars."""
    from matplotlib.figure import Figure

    families = list(found["families"])
    figure = Figure(figsize=(9, 0.2 * len(families) + 1.4), layout="constrained")
    colours = {"right": "#2f7d4f", "wrong": "#b3403a", "undecided": "#b9b9b9"}
    for place, label in enumerate(("right", "wrong")):
        axes = figure.add_subplot(1, 2, place + 1)
        start = [0.0] * len(families)
        for verdict in (label, "undecided", "wrong" if label == "right" else "right"):
            column = f"{label} undecided" if verdict == "undecided" else f"{label} called {verdict}"
            rows = found["families"].values()
            widths = [100 * row[column] / max(row[label], 1) for row in rows]
            axes.barh(
                families,
                widths,
                left=start,
                color=colours[verdict],
                label=verdict if verdict == "undecided" else f"called {verdict}",
            )
            start = [one + other for one, other in zip(start, widths, strict=True)]
        axes.set_title(f"{label} answers: {found['all'][label]:,}", fontsize=10)
        axes.set_xlim(0, 100)
        axes.set_ylim(-0.6, len(families) + 1.2)
        axes.set_xlabel("%")
        axes.invert_yaxis()
        axes.tick_params(labelsize=8, labelleft=place == 0)
        axes.legend(fontsize=7, loc="lower left")
    figure.savefig(file, dpi=120)
