"""What is said on the terminal says names as they are, whatever they look like."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console as RichConsole
from rich.text import Text

from mr1.judge.score import summary as judged
from mr1.judge.score import table as judged_table
from mr1.judge.verdict import Verdict
from mr1.models.check import Check
from mr1.report.console import Console, accuracy_table, check_table, evaluation_table

FIGURES = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 8, "format_rate": 0.5, "missing": 1, "undecided": {}}
PIECES = ["runs[1]", "[/red]", "[bold]", "[link=file:///a]", "[", "]", "\\[", "{name}", "{}", "%s", ":smile:", "a", "/"]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)


def _status(console: Console, name: str) -> None:
    with console.status(name):
        pass


def _counting(console: Console, name: str) -> None:
    with console.counting(name, 2) as done:
        done(1)


def _step(console: Console, name: str) -> None:
    with console.progress(0, 2):
        console.step({"step": 0, "reward/total": 1.0, "kl_weight": 0.1, f"eval/{name}/accuracy": 0.5})


def _check_table(console: Console, name: str) -> None:
    console.show(check_table([Check(name, True, 0.0, 0.0, 0.0, 0, 1, 1, 1.0)]))


SAYINGS: dict[str, Callable[[Console, str], None]] = {
    "say": Console.say,
    "status": _status,
    "counting": _counting,
    "step": _step,
    "summary": lambda console, name: console.summary({name: {"counting": FIGURES}}, Path("/runs") / name),
    "accuracy": lambda console, name: console.show(accuracy_table({"before": {name: FIGURES}})),
    "evaluation": lambda console, name: console.show(evaluation_table({name: FIGURES})),
    "check": _check_table,
    "judged": lambda console, name: console.show(judged_table(judged([Verdict.RIGHT]), name)),
}


def test_tables_show_what_is_right_without_the_image() -> None:
    figures = FIGURES | {"baseline": {"name": "words alone", "share": 0.229}}
    for table in (
        accuracy_table({"before": {"t": figures}, "after": {"t": figures}}),
        evaluation_table({"t": figures}),
    ):
        said = io.StringIO()
        Console(RichConsole(file=said, width=120)).show(table)
        assert "22.9%" in said.getvalue()
        assert "words alone" in said.getvalue()


@pytest.mark.parametrize("saying", SAYINGS)
@pytest.mark.parametrize("terminal", [True, False])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("runs[1]")
@example("[/red]")
@example("{name}")
@given(NAMES)
def test_a_name_is_never_read_as_markup(
    saying: str, terminal: bool, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    console = Console()
    console.rich.file, console.rich.width = io.StringIO(), 1000
    assert console.rich.is_terminal == terminal
    SAYINGS[saying](console, name)
    assert name in Text.from_ansi(console.rich.file.getvalue()).plain
