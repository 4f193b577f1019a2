"""What a study's folder holds in the end: tables, numbers, plots and the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from matplotlib.axes import Axes
from PIL import Image
from report_folders import HOSTILE, Page, png, write_rows
from rich.console import Console as RichConsole
from study_records import SAMPLES, make_placed, make_study

from mr1.config import dump_config
from mr1.errors import UserError
from mr1.report.console import Console
from mr1.report.drawing import SERIES
from mr1.study.canvas import Drawing, draw, panels_of, point_of, style_of
from mr1.study.compare import compare
from mr1.study.examples import EACH, disagreements
from mr1.study.grid import Placed
from mr1.study.plots import all_drawings
from mr1.study.record import write_record
from mr1.study.results import Results, collect
from mr1.study.settings import Study
from mr1.study.tables import all_tables
from mr1.study.tuning import Tried
from mr1.study.write import FILES, markdown, write_results

GOLDEN = Path(__file__).with_name("study_results.md")
GAINS = {("grpo-d", "counting", "counting"): 0.3, ("sft", "counting", "geometry"): -0.3}
TUNING = [
    Tried("sft", "counting", {"optimizer.learning_rate": 1e-4}, 0.41, chosen=True),
    Tried("sft", "counting", {"optimizer.learning_rate": 3e-4}, 0.38, chosen=False),
]


def write_answers(placed: list[Placed]) -> None:
    """The runs' folders with their test samples, as far as the examples need them."""
    for cell, record in placed:
        folder = cell.config.folder
        (folder / "samples").mkdir(parents=True)
        (folder / "config.yaml").write_text(dump_config(cell.config))
        rows = []
        for task, tested in record.tests["after"].items():
            for number, right in enumerate(tested.bits.tolist()):
                rows.append(
                    {
                        "task": task,
                        "id": f"{task}/{number}",
                        "images": [png(number)],
                        "question": f"{HOSTILE} number {number}?",
                        "answer": "4",
                        "completion": f"<think>{cell.method}{HOSTILE}</think><answer>{4 if right else 5}</answer>",
                        "correct": right,
                        "well_formed": True,
                        "truncated": False,
                        "judged": "",
                    }
                )
        write_rows(folder / "samples" / "after.parquet", rows)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return make_study(output=str(tmp_path), paper=True)


def test_the_tables_of_a_small_study_as_markdown() -> None:
    """The golden file is made by writing `found` to it; what changes in it is to be read before it is kept."""
    small = make_study(
        tasks=["counting"],
        seeds=[0, 1],
        methods={name: arm.model_dump() for name, arm in make_study().methods.items() if name != "grpo"},
        sweeps={},
    )
    results = collect(small, make_placed(small, GAINS), TUNING)
    found = markdown(results, all_tables(results), [])
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_a_study_is_written_and_its_page_is_whole(study: Study) -> None:
    placed = make_placed(study, GAINS, spread=0.02)
    grid = [each for each in placed if not each[0].sweep]
    write_answers(grid)
    results = write_results(study, placed, TUNING)
    assert {path.name for path in study.folder.iterdir()} == {*FILES}

    assert json.loads((study.folder / "results.json").read_text()) == json.loads(json.dumps(results.plain()))
    lines = [*csv.DictReader(io.StringIO((study.folder / "results.csv").read_text()))]
    assert len(lines) == len(placed) * 2 * 2  # stages x tested tasks
    line = next(
        each for each in lines if (each["method"], each["tested"], each["stage"]) == ("sft", "geometry", "after")
    )
    assert float(line["accuracy"]) == placed[0][1].tests["after"]["geometry"].bits.mean()
    assert (line["test_samples"], line["tokens"]) == (str(SAMPLES), "90000")

    text = (study.folder / "results.md").read_text()
    for figure in (study.folder / "figures").glob("*.svg"):
        assert f"(figures/{figure.name})" in text
    for title in ("Table 1", "Figure 7", "Figure 1", "Figure 4", "Figure 5", "Comparisons, same task", "Tuning"):
        assert title in text

    page = Page(study.folder / "index.html")
    assert page.all("script") == []
    assert HOSTILE in page.text, "shown as it is, not taken for markup"
    sources = {image.attributes["src"].partition(",")[0] for image in page.all("img")}
    assert sources == {"data:image/png;base64"}
    assert len(page.all("svg")) == len([*(study.folder / "figures").glob("*.png")]) == 8
    assert len(page.all("article", "sample")) == 2 * 2 * EACH  # tasks x either way
    assert [mark.text.strip() for mark in page.all("span", "mark")].count("✗ wrong") == 2 * 2 * EACH
    heads = {each.text for each in page.all("th")}
    assert {"told apart", "over SFT", "optimiser steps"} <= heads


def test_examples_are_the_first_on_which_two_methods_differ(study: Study) -> None:
    placed = make_placed(study, GAINS)
    assert disagreements(collect(study, placed), placed) == [], "the runs' folders are not there"
    grid = [each for each in placed if not each[0].sweep]
    write_answers(grid)
    found = disagreements(collect(study, placed), placed)
    assert [(each.trained, each.seed, each.one) for each in found] == [("counting", 0, "sft"), ("geometry", 0, "sft")]
    first = found[0]
    assert first.other == "grpo-d", "the study's last"
    right = {
        cell.method: record.tests["after"]["counting"].bits
        for cell, record in grid
        if (cell.task, cell.seed) == ("counting", 0)
    }
    alone = [number for number in range(SAMPLES) if right["sft"][number] and not right["grpo-d"][number]]
    other = [number for number in range(SAMPLES) if right["grpo-d"][number] and not right["sft"][number]]
    assert first.counts == {"sft": len(alone), "grpo-d": len(other)}
    numbers = [int(each.question.removesuffix("?").rpartition(" ")[2]) for each in first.examples]
    assert numbers == alone[:EACH] + other[:EACH]
    assert [each.written["sft"].correct for each in first.examples] == [True] * EACH + [False] * EACH
    assert all(each.images[0] for each in first.examples)


def test_a_drawing_is_the_same_each_time() -> None:
    def paint(axes: Sequence[Axes]) -> None:
        axes[1].fill_between([0, 1], [1, 2])

    def drawn() -> Drawing:
        looks = {"a": {"color": "#0072b2"}}
        return draw("name", "Title", "Reading.", [1.0, 1.0], paint, looks)

    assert drawn() == drawn()


def test_plots_show_every_method() -> None:
    small = make_study(tasks=["counting"], seeds=[0, 1], sweeps={})
    once = {each.name: each for each in all_drawings(collect(small, make_placed(small, GAINS)))}
    plots = "same-task trained-and-tested accuracy-steps rewards kl-travelled training difficulty-counting"
    assert [*once] == plots.split()
    for name, drawing in once.items():
        shown = {method for method in small.methods if f">{method}<" in drawing.plot.svg}
        assert shown == {*small.methods} - ({"sft"} if name == "rewards" else set()), name  # it earns none
        assert drawing.svg.startswith("<?xml")
        assert "<?xml" not in drawing.plot.svg
        with Image.open(io.BytesIO(drawing.png)) as image:
            assert image.width > 700
            assert image.getpixel((0, 0))[:3] == (255, 255, 255)  # type: ignore[index]


def test_where_there_are_more_methods_than_colours_each_round_of_colours_has_a_panel() -> None:
    methods = [f"method-{number}" for number in range(len(SERIES) + 2)]
    results = cast("Results", SimpleNamespace(methods=methods))
    drawn = [("kl", methods[-1]), *(("entropy", method) for method in methods)]
    first, second = {*methods[: len(SERIES)]}, {*methods[len(SERIES) :]}
    assert panels_of(results, ((("counting", of), method) for of, method in drawn)) == [
        (("counting", "kl"), {methods[-1]}),
        (("counting", "entropy"), first),
        (("counting", "entropy"), second),
    ]


def test_18_methods_look_different() -> None:
    results = cast("Results", SimpleNamespace(methods=[*map(str, range(18))]))
    for look in (style_of, point_of):
        assert len({str(look(results, method)) for method in results.methods}) == 18


@pytest.mark.parametrize(("count", "panels"), [(len(SERIES), 1), (len(SERIES) + 2, 2)])
def test_plots_of_many_methods_have_panels_of_few(count: int, panels: int) -> None:
    arm = make_study().methods["grpo"].model_dump()
    methods = {f"method-{number}": arm for number in range(count)}
    many = make_study(tasks=["counting"], seeds=[0], methods=methods, sweeps={}, relative_to=None)
    once = {each.name: each.plot for each in all_drawings(collect(many, make_placed(many)))}
    for name, shown in {
        "accuracy-steps": ">trained on counting, tested on geometry<",
        "kl-travelled": ">trained on counting, tested on geometry<",
        "training": ">entropy<",
        "difficulty-counting": ">accuracy (%)<",
    }.items():
        assert once[name].svg.count(shown) == panels, name
        assert once[name].reading.endswith("Pale: the methods of the other panels.") == (panels > 1), name


def test_the_tables_of_a_study_that_has_a_single_run(tmp_path: Path) -> None:
    study = make_study(output=str(tmp_path), tasks=["counting"], sweeps={})
    console = Console(RichConsole(file=io.StringIO(), width=200))
    with pytest.raises(UserError, match="no run is done yet"):
        compare(study, 1, console, start=False)

    cell, record = make_placed(study)[0]
    cell.config.folder.mkdir(parents=True)
    write_record(cell.config.folder, record)
    compare(study, 1, console, start=False)
    assert (study.folder / "index.html").is_file()
    assert "1 of 3 seeds" in (study.folder / "results.md").read_text()
    said = console.rich.file.getvalue()  # type: ignore[attr-defined]
    assert "Same task (Table 1)" in said
    assert f"1 of 9 results: {study.folder / 'index.html'}" in said.replace("\n", "")

    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        write_results(make_study(output=str(tmp_path / "file"), sweeps={}), [(cell, record)])
