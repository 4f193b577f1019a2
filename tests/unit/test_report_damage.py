"""Pages of folders that were left in whatever state: there always is one, and it names what could not be read."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_folders import Page, make_run, metrics_of, write_group, write_outcomes
from typer.testing import CliRunner

from mr1.cli import app
from mr1.errors import UserError
from mr1.evaluate.outcome import Evaluation, Outcome
from mr1.judge.verdict import Verdict
from mr1.report.outline import outline
from mr1.report.plots import column, run_plots
from mr1.report.reading import Reader, printable, read_metrics
from mr1.report.write import write_page
from mr1.tables import parquet_file

Folder = Callable[[], Path]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run's folder but for its curves, which take seconds to be drawn."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "a-run")
    (folder / "metrics.jsonl").write_text("")
    write_outcomes(folder)
    for step in (0, 10, 19):
        write_group(folder, step, [1.0, 2.0], [-1.0, 1.0])
    return folder


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole evaluation's folder: two tasks of two batches."""
    folder = tmp_path_factory.mktemp("evals") / "an-evaluation"
    summary = {}
    for task in ("counting", "geometry"):
        outcomes = [
            Outcome(
                id=f"{task}/test/0/{number}",
                attempt=0,
                question=f"{task} question {number}?",
                answer=str(number),
                completion=f"<think>t</think><answer>{number}</answer>",
                verdict=Verdict.WRONG if number % 3 else Verdict.RIGHT,
                well_formed=True,
                truncated=False,
                subject="some",
                difficulty=None,
            )
            for number in range(16)
        ]
        (folder / "outcomes" / task).mkdir(parents=True)
        for start in (0, 8):
            table = Evaluation(task, "test", outcomes[start : start + 8]).table()
            with parquet_file(folder / "outcomes" / task / f"{start:06d}.parquet") as write:
                write(table)
        summary[task] = Evaluation(task, "test", outcomes).summary()
    kept = {"split": "test", "samples": 16, "attempts": 1}
    asked = {"model": "a-model", "loading": {"dtype": "float32"}, "tasks": dict.fromkeys(summary, kept)}
    (folder / "settings.json").write_text(json.dumps(asked))
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(folder, to)


def damage_of(page: Page) -> str:
    """What the page says that it could not read."""
    return " ".join(" ".join(each.text for each in page.all("section", "damage")).split())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "nearly whole": lambda data: data[:-3],
    "empty": lambda _: b"",
    "noise": lambda data: random.Random(len(data)).randbytes(500),
    "zeros": lambda data: bytes(len(data)),
}
FILES = ["config.yaml", "evaluation.json", "samples/before.parquet", "samples/after.parquet"]
FILES += ["samples/step-000000.parquet", "samples/step-000019.parquet"]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_each_damaged_file_of_a_run_is_named(run: Path, name: str, damage: str, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    (folder / name).write_bytes(DAMAGE[damage]((folder / name).read_bytes()))
    written = write_page(folder)
    page = Page(written.path)
    silent = damage == "empty" and name == "evaluation.json"  # no evaluation yet
    silent |= damage == "nearly whole" and name == "config.yaml"  # a number of fewer digits
    assert silent or name in damage_of(page)
    assert silent or name in written.damage
    others = [each for each in FILES if each != name]
    assert not any(each in damage_of(page) for each in others)
    if name.startswith("samples/step"):
        assert [each.text for each in page.all("h3")][-2:] == (
            ["Step 10", "Step 19"] if name.endswith("000.parquet") else ["Step 0", "Step 10"]
        )


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["settings.json", "summary.json", "outcomes/counting/000008.parquet"])
def test_each_damaged_file_of_an_evaluation_is_named(evaluated: Path, name: str, damage: str, tmp_path: Path) -> None:
    folder = copied(evaluated, tmp_path / "evaluation")
    (folder / name).write_bytes(DAMAGE[damage]((folder / name).read_bytes()))
    page = Page(write_page(folder).path)
    assert name in damage_of(page)
    assert page.text.count("37.5%") == 4, "two tasks, and one kind of each, with all of their samples"


def test_a_stopped_evaluation_has_the_figures_of_what_is_done(evaluated: Path, tmp_path: Path) -> None:
    folder = copied(evaluated, tmp_path / "evaluation")
    (folder / "summary.json").unlink()
    (folder / "outcomes/counting/000008.parquet").unlink()
    shutil.rmtree(folder / "outcomes/geometry")
    page = Page(write_page(folder).path)
    assert "summary.json: is missing; has no figures of counting; those shown are of the 8 samples" in damage_of(page)
    assert "Not measured: geometry." in page.text
    assert [each.text for each in page.all("th") if each.attributes.get("scope")] == ["counting", "some"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.booleans())
def test_there_always_is_a_page(run: Path, evaluated: Path, tmp_path: Path, chance: random.Random, which: bool) -> None:
    folder = copied(run if which else evaluated, tmp_path / "folder")
    for path in chance.sample(sorted(each for each in folder.rglob("*") if each.is_file()), 2):
        data = bytearray(path.read_bytes())
        for _ in range(chance.randrange(4)):
            data[slice(*sorted(chance.choices(range(len(data) + 1), k=2)))] = chance.randbytes(chance.randrange(9))
        path.write_bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.5 else data)
        if chance.random() < 0.2:
            path.unlink()
    Page(write_page(folder).path)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.none(), max_size=1)
LINES = st.dictionaries(st.sampled_from(sorted({*metrics_of(0, True), "reward/extra"})), VALUES)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=4), st.data())
def test_metrics_are_numbers_that_can_be_drawn_or_gaps(tmp_path: Path, lines: list[Any], data: st.DataObject) -> None:
    text = "".join(json.dumps({"step": number} | line) + "\n" for number, line in enumerate(lines))
    (tmp_path / "metrics.jsonl").write_text(text[: data.draw(st.integers(0, len(text)))])
    found = read_metrics(Reader(tmp_path))
    assert len(found) <= len(lines)
    for key in {key for line in found for key in line}:
        assert not np.isinf(column(found, key)).any()


def test_curves_of_what_is_left(tmp_path: Path) -> None:
    """NaN, infinity, numbers too large to be drawn, columns that come and go, a torn last line."""
    lines = [metrics_of(step, True) for step in range(8)]
    lines[1] |= {"loss": math.nan, "grad_norm": math.inf, "entropy": 10**400, "kl": "no", "eval/counting/accuracy": 7.0}
    lines[2] = {"step": 2, "reward/total": 1.0}
    lines[3] |= {"step": None}
    folder = make_run(tmp_path / "a-run")
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines))[:-40])
    (folder / "config.yaml").unlink()
    page = Page(write_page(folder).path)
    said = damage_of(page)
    assert "config.yaml: is missing" in said
    assert "of 8 lines, line 8 is cut off or no JSON object, and left out" in said
    assert "1 of 7 lines have no step, and are left out" in said
    for key in ("loss", "grad_norm", "entropy", "kl", "eval/counting/accuracy"):
        assert f"{key} is no number that can be drawn at step 1" in said
    assert len(page.all("svg")) == 6
    assert [each.text for each in page.all("h1")] == ["a-run"]


@pytest.mark.parametrize("count", [0, 1])
def test_runs_of_one_step_and_of_none(count: int) -> None:
    metrics = [metrics_of(1, True)] * count
    assert len(run_plots(outline(None, metrics, {}), metrics, {})) == 5 * count  # validation is not due at this step


def test_columns_that_are_missing_or_something_else(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    path = folder / "samples/before.parquet"
    table = pq.read_table(path).drop_columns(["answer", "correct"])
    pq.write_table(table.set_column(table.column_names.index("question"), "question", table["truncated"]), path)
    first = pq.read_table(folder / "samples/step-000000.parquet").drop_columns(["advantage", "images", "reward/format"])
    pq.write_table(first, folder / "samples/step-000000.parquet")
    page = Page(write_page(folder).path)
    said = damage_of(page)
    assert "samples/before.parquet: has no column answer; has no column correct" in said
    assert "samples/step-000000.parquet: has no column images; has no column advantage" in said
    assert "wrong → right" not in page.text, "what was right before isn't known"
    assert "advantage –" in " ".join(page.text.split())


def test_an_image_that_cant_be_read_is_named(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    path = folder / "samples/before.parquet"
    table = pq.read_table(path)
    images = [[{"bytes": b"\x89PNG\r\n\x1a\nno", "path": None}, {"bytes": None, "path": "x"}]] * table.num_rows
    index = table.column_names.index("images")
    kind = table.schema.field("images").type
    pq.write_table(table.set_column(index, "images", [pa.array(images, type=kind)]), path)
    page = Page(write_page(folder).path)
    assert "an image of counting/test/0/0 can't be read" in damage_of(page)
    assert "an image that can't be read" in page.text


def test_the_command_says_what_was_lost_and_where_the_page_is(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run[1]")
    (folder / "samples/after.parquet").write_bytes(b"PAR1")
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    lost, where = result.output.splitlines()
    assert lost.startswith(f"{folder}/samples/after.parquet: can't be read as Parquet")
    assert where == f"report: {folder}/report.html"


def test_a_folder_of_neither_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "outcomes" / "mine").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("theme: dark\n")
    (tmp_path / "settings.json").write_text('{"editor.tabSize": 4}')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="is the folder neither of a run"):
        write_page(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        write_page(tmp_path / "nowhere")
    assert sorted(tmp_path.rglob("*")) == before


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_can_be_printed(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(ord(letter) < 32 and letter not in "\t\n\r" for letter in shown)
