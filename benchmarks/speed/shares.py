"""MR1's measured phases beside their limits on this machine (see `limit`)."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from benchmarks.speed.limit import needs
from benchmarks.speed.pairs import typical
from benchmarks.speed.work import Work, on_gpu


def shares(result: dict[str, Any], rates: dict[str, float], side: str = "mr1") -> dict[str, dict[str, float]]:
    """For each phase that has a limit: `limit` in seconds, `of_limit` and `of_matmul`.

    Args:
        result: of `measure_pairs`.
        rates: of `measure_rates`.
        side: whose time it is; the need is the same for each.

    Returns:
        `of_limit`: the limit over the measured time. `of_matmul`: the needed operations over the measured time, over
        the machine's matrix-multiply rate. 1 is the best there could be.
    """
    work, facts = Work(**result["work"]), result["facts"]["mr1"]
    found = {}
    for phase, need in needs(work, facts["prompt_tokens"], facts["parameters"], 2 if on_gpu() else 4).items():
        seconds = typical(result["steps"][side], phase)
        limit = need.seconds(rates["matmul"], rates["bandwidth"])
        found[phase] = {
            "limit": limit,
            "of_limit": limit / seconds,
            "of_matmul": need.flops / seconds / rates["matmul"],
        }
    return found


def shares_table(result: dict[str, Any], rates: dict[str, float]) -> Table:
    """A row for each phase."""
    table = Table("phase", title=f"{Work(**result['work']).differs()}: MR1 beside the machine's limit")
    for header in ("limit", "measured", "share of limit", "share of matmul rate"):
        table.add_column(header, justify="right")
    for phase, share in shares(result, rates).items():
        seconds = typical(result["steps"]["mr1"], phase)
        cells = [f"{share['limit']:.3f} s", f"{seconds:.3f} s", f"{share['of_limit']:.0%}", f"{share['of_matmul']:.0%}"]
        table.add_row(phase, *cells)
    return table
