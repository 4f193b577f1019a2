"""What `mutmut run` found, as a page: python -m benchmarks.mutants [--write docs/mutants.md].

For each module: the faults that were put into it, and how many of them the tests noticed. Each one that they did not
notice must be explained in mutants.yaml beside this file, and each explanation must fit one. Exits with 1 where that is
not so, where some were not tried, or where fewer than SHARE of all were noticed.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import yaml
from mutmut.mutation.diff_apply import get_diff_for_mutant

from benchmarks.speed.machine import describe

SHARE = 0.95
"""Of all faults, those that must be noticed."""
FOLDER = Path("mutants/src")
FAILED, HUNG = (1, 2, 3, -15), (-24, 24, 36, 152, 255)
"""Exit statuses of the tests under a fault, as mutmut records them: failed or stopped; ended at the time limit."""
UNEXPLAINED = "Not explained."
INTRODUCTION = """# Faults that were put in

mutmut {mutmut} puts one small fault after another into the code that decides what is learned, and runs the tests that
pass through the place: `<` for `<=`, `+` for `-`, another number, an argument left out, a text in capitals. A fault
that no test notices is either a test that is missing or a line that does nothing.

    make mutants

runs it and writes this page; what is not noticed must be explained in `benchmarks/mutants.yaml`. It is no part of
`make test`. The modules, and the tests that take part, stand in `pyproject.toml`: all unit tests that can pass through
these modules, and the shortest of the whole loop. Tests that make up their cases make up the same ones for each fault.
Two things are not tried. Lines that begin with `assert` decide nothing. What stands outside of functions, and functions
under a decorator, is out of the tool's reach.

Of {all} faults {tried} were tried, and {noticed} were noticed: {share:.1f} % of all, on {cores} cores ({processor}),
{day}. Where fewer were tried than there are, the run was stopped before it came there. The times of {timed} are known:
{hours:.1f} hours in all, one after the other.
"""
REASONS = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Survivor:
    """A fault that no test noticed."""

    function: str
    change: str
    """`was -> became`, each on one line."""

    def entry(self, known: list[dict[str, str]]) -> dict[str, str] | None:
        """The first entry whose `where` and `change` fit; its `why` says why the fault is harmless."""
        for entry in known:
            if fnmatch.fnmatch(self.function, entry["where"]) and re.search(entry["change"], self.change):
                return entry
        return None


def survivor(mutant: str) -> Survivor:
    """By mutmut's name of it: `package.module.xǁClassǁmethod__mutmut_7`, or `x_function__mutmut_7`."""
    module, _, name = mutant.rpartition(".")
    parts = name.rpartition("__mutmut_")[0].removeprefix("x").strip("ǁ").split("ǁ")
    function = parts[0][1:] if len(parts) == 1 else ".".join(parts)
    lines = [line for line in get_diff_for_mutant(mutant).splitlines() if not line.startswith(("---", "+++"))]
    was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Survivor(f"{module}.{function}", f"{was} -> {became}")


def read() -> tuple[dict[str, Counter[str]], list[Survivor]]:
    """Each module's counts (all, tried, noticed, hung, and those whose seconds are known), and the survivors.

    Raises:
        SystemExit: there are no results.
    """
    modules: dict[str, Counter[str]] = {}
    survivors: list[Survivor] = []
    for file in sorted(FOLDER.rglob("*.meta")):
        results = json.loads(file.read_text(encoding="utf-8"))
        found: dict[str, int | None] = results["exit_code_by_key"]
        tried = {name: status for name, status in found.items() if status is not None}
        missed = [name for name, status in tried.items() if status not in FAILED + HUNG]
        survivors += map(survivor, missed)
        seconds = [results["durations_by_key"][name] for name in tried if name in results["durations_by_key"]]
        if found:
            modules[str(file.relative_to(FOLDER)).removesuffix(".py.meta")] = Counter(
                all=len(found),
                tried=len(tried),
                noticed=len(tried) - len(missed),
                hung=sum(status in HUNG for status in tried.values()),
                timed=len(seconds),
                seconds=round(sum(seconds)),
            )
    if not modules:
        sys.exit(f"{FOLDER} holds no results; `mutmut run` makes them")
    return modules, survivors


def page(modules: dict[str, Counter[str]], survivors: list[Survivor], known: list[dict[str, str]]) -> str:
    """The page in Markdown."""
    total: Counter[str] = sum(modules.values(), Counter())
    machine = describe()
    lines = [
        INTRODUCTION.format(
            **{key: total[key] for key in ("all", "tried", "noticed", "timed")},
            hours=total["seconds"] / 3600,
            share=100 * total["noticed"] / max(total["all"], 1),
            mutmut=version("mutmut"),
            day=date.today(),
            processor=machine["processor"],
            cores=machine["cores"],
        ),
        "| module | faults | tried | noticed | of these at the time limit | not noticed |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in [*modules.items(), ("all", total)]:
        figures = (*(counts[key] for key in ("all", "tried", "noticed", "hung")), counts["tried"] - counts["noticed"])
        lines.append(f"| {name} | {' | '.join(map(str, figures))} |")
    lines += ["", "## Not noticed, and why that is harmless", ""]
    by_reason: defaultdict[str, list[Survivor]] = defaultdict(list)
    for each in survivors:
        entry = each.entry(known)
        by_reason[entry["why"] if entry else UNEXPLAINED].append(each)
    for reason, group in by_reason.items():
        lines += [reason, "", *(f"- `{each.function}`: `{each.change}`" for each in group), ""]
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="write the page there instead of printing it")
    path = parser.parse_args().write
    modules, survivors = read()
    known: list[dict[str, str]] = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    text = page(modules, survivors, known)
    if path is None:
        print(text)
    else:
        path.write_text(text, encoding="utf-8")
    total: Counter[str] = sum(modules.values(), Counter())
    entries = [each.entry(known) for each in survivors]
    unexplained, idle = entries.count(None), [entry for entry in known if entry not in entries]
    print(
        f"{total['all']} faults, {total['tried']} tried, {total['noticed']} noticed; {unexplained} not explained",
        *(f"explains nothing: {entry['where']}: {entry['change']}" for entry in idle),
        sep="\n",
        file=sys.stderr,
    )
    missed = total["tried"] < total["all"] or total["noticed"] < SHARE * total["all"]
    sys.exit(int(missed or unexplained > 0 or len(idle) > 0))


if __name__ == "__main__":
    main()
