"""The command; see the package."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.judge.measure import measure
from benchmarks.judge.pairs import pairs
from benchmarks.judge.report import markdown, picture, show, side_by_side, summary
from benchmarks.judge.rows import EXPECTED, labelled
from benchmarks.judge.values import DRAWS
from benchmarks.judge.written import written
from mr1.judge import r1v, strict
from mr1.judge.verdict import Verdict


def run_pairs(arguments: argparse.Namespace) -> None:
    """The judge on pairs."""
    strict.judge_answer("2√3 cm", "\\sqrt{12} m")  # starts the pool, and makes pint's units
    result = measure(strict.judge_answer, pairs(arguments.pairs, arguments.seed, arguments.kind))
    found = summary(result, arguments.seed)
    if arguments.markdown:
        print(markdown(found))
    else:
        show(found)
    for pair, verdict in result.failures[: arguments.show]:
        truth = repr(pair.truth.accepted[0]) + (f" ({pair.truth.kind})" if pair.truth.kind else "")
        label = "right" if pair.right else f"wrong, {pair.change}"
        print(f"{pair.family}, {pair.author}: {pair.answer!r} for {truth} is {label}; called {verdict}")
    _write(found, arguments.write)
    if arguments.picture:
        picture(found, arguments.picture)


def run_compare(arguments: argparse.Namespace) -> None:
    """The judge and others on the same pairs; those that are not asked for keep the figures that the file has."""
    from benchmarks.judge.others import OTHERS

    settings = {"pairs": arguments.pairs, "seed": arguments.seed}
    known = json.loads(arguments.write.read_text()) if arguments.write and arguments.write.exists() else {}
    found = known.get("judges", {}) if {name: known.get(name) for name in settings} == settings else {}
    for name, judge in {"strict": strict.judge_answer, **OTHERS}.items():
        if not arguments.judge or name in arguments.judge:
            tried = pairs(arguments.pairs, arguments.seed)
            found[name] = summary(measure(judge, tried), arguments.seed)
    print(side_by_side(found))
    _write(settings | {"judges": found}, arguments.write)


def run_rows(arguments: argparse.Namespace) -> None:
    """The judge, and R1-V's rule, on rows labelled by hand."""
    try:
        rows = labelled(arguments.data)
    except FileNotFoundError as error:
        print(f"{error.filename} is not there; skipped: R1-V's published outputs are no part of this repository")
        return
    found: dict[str, dict[str, int]] = {}
    for name, judge in {"strict": strict.judge, "r1v": r1v.whole_output}.items():
        verdicts = [judge(row.output, row.truth) for row in rows]
        found[name] = dict(Counter(f"{row.label}: {verdict}" for row, verdict in zip(rows, verdicts, strict=True)))
        print(f"{name}: {found[name]}")
        for row, verdict in zip(rows, verdicts, strict=True):
            if name == "strict" and verdict is not EXPECTED[row.label]:
                print(f"  {row.file} {row.number}: labelled {row.label} ({row.why}), called {verdict}")
    _write(found, arguments.write)


def run_written(arguments: argparse.Namespace) -> None:
    """The judge on pairs written by hand."""
    counts: Counter[str] = Counter()
    for pair in written():
        verdict = strict.judge_answer(pair.answer, pair.truth)
        agrees = (verdict is Verdict.RIGHT) is pair.right
        counts[f"{pair.author}, {'right' if pair.right else 'wrong'}: {'as labelled' if agrees else verdict}"] += 1
        if not agrees:
            print(f"{pair.family}: {pair.answer!r} for {pair.truth.accepted[0]!r}; called {verdict}")
    print("\n".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    _write(dict(counts), arguments.write)


def _write(found: dict[str, Any], file: Path | None) -> None:
    if file:
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description="How often the judge is wrong.")
    commands = parser.add_subparsers(required=True)
    for name, run, count, about in (
        ("pairs", run_pairs, 100_000, "on pairs whose label is right by construction"),
        ("compare", run_compare, 5_200, "beside other rules, on the same pairs"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--pairs", type=int, default=count, help=f"how many (default: {count})")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--write", type=Path, help="write the result there as JSON")
        if run is run_compare:
            command.add_argument("--judge", action="append", help="measure only this one anew; may be repeated")
        command.set_defaults(run=run)
        if run is run_pairs:
            command.add_argument("--kind", action="append", choices=list(DRAWS), help="only this family; repeatable")
            command.add_argument("--show", type=int, default=0, help="print so many pairs on which the judge is wrong")
            command.add_argument("--markdown", action="store_true", help="print the table in Markdown")
            command.add_argument("--picture", type=Path, help="draw the table there")
    command = commands.add_parser("written", help="on pairs written by hand")
    command.add_argument("--write", type=Path, help="write the result there as JSON")
    command.set_defaults(run=run_written)
    command = commands.add_parser("rows", help="on real outputs labelled by hand")
    command.add_argument("--data", type=Path, required=True, help="the folder of R1-V's published outputs")
    command.add_argument("--write", type=Path, help="write the result there as JSON")
    command.set_defaults(run=run_rows)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
