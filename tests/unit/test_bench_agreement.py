"""The agreement of a judge with the reader, where it is known."""

from __future__ import annotations

import re

import pytest
from benchmarks.judge_agreement import line, table
from benchmarks.judge_server import Messages, served

from mr1.endpoint.client import Client
from mr1.endpoint.settings import Endpoint

CELLS = re.compile(r" (\d+) of (\d+) ")


def perfect(messages: Messages, _: int) -> str:
    """Looks for the facts' very words."""
    asked = messages[1]["content"]
    facts = re.findall(r"^(\d+)\. (.*)$", asked, re.MULTILINE)
    stated = asked.partition("<text><think>")[2].partition(".<")[0].split(", ")
    return "".join(f"<info{number}>{int(fact in stated)}</info{number}>" for number, fact in facts)


def yes(messages: Messages, _: int) -> str:
    return messages[1]["content"].replace(">?<", ">1<")


def rows(judge: object) -> list[str]:
    with served(judge) as address:  # type: ignore[arg-type]
        return [*table(Client(Endpoint(base_url=address, model="m")), 4)][2:]


def test_a_perfect_judge_agrees_and_one_that_nods_agrees_where_all_is_stated() -> None:
    for row in rows(perfect):
        (stated, all_stated), (alone, others), (failed, asked) = [map(int, pair) for pair in CELLS.findall(row)]
        assert "| 100.0 (" in row
        assert (stated, alone, failed, asked) == (all_stated, 0, 0, 4)
        assert min(all_stated, others) > 0
    for row in rows(yes):
        (stated, all_stated), (alone, others), _ = [map(int, pair) for pair in CELLS.findall(row)]
        assert (stated, alone) == (all_stated, others)
        assert f"| {100 * stated / (stated + others):.1f} (" in row


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], "| t | 0 |  | 0 of 0 | 0 of 0 | 2 of 2 |"),
        (
            [(True, True), (True, False), (False, True), (False, False)],
            "| t | 4 | 50.0 (9.2 to 90.8) | 1 of 2 | 1 of 2 | 2 of 2 |",
        ),
    ],
)
def test_a_row(pairs: list[tuple[bool, bool]], expected: str) -> None:
    assert line("t", pairs, 2, 2) == expected
