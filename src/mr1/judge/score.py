"""Judge a file of outputs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from mr1.data.files import opened
from mr1.errors import UserError
from mr1.evaluate.intervals import wilson
from mr1.judge.pool import side_by_side
from mr1.judge.presets import SCORERS, find_rule
from mr1.judge.tags import last_answer
from mr1.judge.verdict import Verdict
from mr1.whole import TooLargeError, read_stream

EXCERPT = 60
"""Characters of an answer in a list of differences."""
SHOWN = 20
"""Rows that are named on the terminal."""


@dataclass(frozen=True)
class Row:
    """A line of a file: what a model wrote, and the truth."""

    output: str
    truth: str


@dataclass(frozen=True)
class Difference:
    """A row on which the scorers differ."""

    row: int
    """Counted from 0."""
    truth: str
    answer: str
    """An excerpt: the last <answer> tag's text, or the output's end where there is none."""
    r1v: Verdict
    strict: Verdict


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL file, compressed or not, with `model_output` (text) and `ground_truth` (text or number).

    Raises:
        UserError: the file can't be read, has no rows, or a line lacks a field or holds something else in it.
    """
    try:
        with opened(path) as file:
            lines = read_stream(file).decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read as text in UTF-8: {error}") from error
    except TooLargeError as error:
        raise UserError(f"{path} is too large: {error}; split it into several") from error
    rows = [_row(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise UserError(f"{path}: no rows; each line is an object with model_output and ground_truth")
    return rows


def _row(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{where}: no JSON ({error}); give one object a line") from error
    except ValueError as error:  # a number of more digits than Python converts
        raise UserError(f"{where}: {error}; write it as text") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: not an object; give one with model_output and ground_truth")
    for field in ("model_output", "ground_truth"):
        if field not in row:
            known = ", ".join(row) or "none"
            raise UserError(f"{where}: no field {field}; rename the column that holds it (fields here: {known})")
    output, truth = row["model_output"], row["ground_truth"]
    if not isinstance(output, str):
        raise UserError(f"{where}: model_output is {_kind(output)}; give the model's text, empty where it wrote none")
    if isinstance(truth, bool) or not isinstance(truth, (str, int, float)):
        raise UserError(f"{where}: ground_truth is {_kind(truth)}; give text or a number")
    return Row(output, str(truth))


def _kind(value: object) -> str:
    kinds: dict[type, str] = {type(None): "null", bool: "a boolean", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def score(rows: Sequence[Row], preset: str, scorer: str) -> list[Verdict]:
    """A verdict for each row.

    Raises:
        UserError: an unknown preset or scorer.
    """
    rule = find_rule(preset, scorer)
    return side_by_side(lambda row: rule(row.output, row.truth), rows)


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts of verdicts, accuracy (every verdict but RIGHT is wrong) with its 95 % interval.

    `unreadable_truths` and `undecided` (by verdict) are the rows, counted from 0, that need a look.
    """
    counts = Counter(verdicts)
    low, high = wilson(counts[Verdict.RIGHT], len(verdicts))
    undecided = [verdict for verdict in Verdict if not verdict.decided and verdict is not Verdict.UNREADABLE_TRUTH]
    return {
        "rows": len(verdicts),
        "correct": counts[Verdict.RIGHT],
        "accuracy": counts[Verdict.RIGHT] / len(verdicts),
        "low": low,
        "high": high,
        "missing": counts[Verdict.MISSING],
        "unreadable_truths": _where(verdicts, Verdict.UNREADABLE_TRUTH),
        "undecided": {verdict.value: _where(verdicts, verdict) for verdict in undecided if counts[verdict]},
    }


def _where(verdicts: Sequence[Verdict], verdict: Verdict) -> list[int]:
    return [row for row, each in enumerate(verdicts) if each is verdict]


def table(result: Mapping[str, Any], title: str) -> Table:
    """A summary for the terminal."""
    undecided = result["undecided"]
    lines = {
        "rows": str(result["rows"]),
        "correct": str(result["correct"]),
        "accuracy (95 % interval)": f"{result['accuracy']:.2%} ({result['low']:.2%} to {result['high']:.2%})",
        "no answer where the rule looks": str(result["missing"]),
        "unreadable truths": _listed(result["unreadable_truths"]),
        "undecided": "; ".join(f"{why}: {_listed(rows)}" for why, rows in undecided.items()) or "0",
    }
    made = Table(title=title, show_header=False)
    for name, value in lines.items():
        made.add_row(name, value)
    return made


def _listed(rows: Sequence[int]) -> str:
    """A number of rows, and which they are: the first of them."""
    shown = ", ".join(map(str, rows[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
    return f"{len(rows)} (rows {shown})" if rows else "0"


def differences(rows: Sequence[Row], preset: str) -> Iterator[Difference]:
    """The rows that one scorer counts as correct and the other does not."""
    r1v, strict = (score(rows, preset, scorer) for scorer in SCORERS)
    for number, row in enumerate(rows):
        if (r1v[number] is Verdict.RIGHT) != (strict[number] is Verdict.RIGHT):
            yield Difference(number, row.truth, _excerpt(row.output), r1v[number], strict[number])


def markdown(found: Iterable[Difference]) -> str:
    """Differences as a table in Markdown."""
    lines = ["| row | truth | answer | r1v | strict |", "|---|---|---|---|---|"]
    for each in found:
        cells = (str(each.row), _code(each.truth), _code(each.answer), each.r1v, each.strict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def _excerpt(output: str) -> str:
    answer = last_answer(output)
    if answer is None:
        text = " ".join(output.split())
        return text if len(text) <= EXCERPT else "…" + text[1 - EXCERPT :]
    text = " ".join(answer.split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
