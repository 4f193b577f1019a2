"""`mr1 data check`: every kind of row that is odd or can't be used is handled, counted and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from mr1.cli import app
from mr1.data.check import answer_kind
from mr1.errors import UserError

pytestmark = pytest.mark.loop


def write_odd_rows(folder: Path) -> Path:
    """A JSONL file with every kind of row that is odd (`fine-*`) or can't be used (`bad-*`), its images beside it."""
    noise = Image.effect_noise((96, 80), 60).convert("RGB")
    noise.save(folder / "plain.png")
    noise.save(folder / "damaged.jpg")
    (folder / "damaged.jpg").write_bytes((folder / "damaged.jpg").read_bytes()[:1200])
    noise.resize((1, 1)).save(folder / "one-pixel.png")
    Image.new("RGB", (10_000, 10_000), "green").save(folder / "huge.png", compress_level=1)
    noise.convert("CMYK").save(folder / "cmyk.jpg")
    noise.convert("P").save(folder / "palette.png", transparency=0)
    Image.fromarray(np.arange(96 * 80, dtype=np.uint16).reshape(80, 96) * 8).save(folder / "sixteen-bit.png")
    Image.new("RGB", (4000, 10)).save(folder / "sliver.png")
    good: dict[str, Any] = {"question": "How many?", "answer": "3", "images": ["plain.png"]}
    rows = {
        "fine-plain": good,
        "fine-no-image": good | {"images": []},
        "fine-two-images": good | {"images": ["plain.png", "plain.png"]},
        "fine-one-pixel": good | {"images": ["one-pixel.png"]},
        "fine-huge": good | {"images": ["huge.png"], "answer": 12.5},
        "fine-cmyk": good | {"images": ["cmyk.jpg"]},
        "fine-palette": good | {"images": ["palette.png"], "answer": "B"},
        "fine-sixteen-bit": good | {"images": ["sixteen-bit.png"]},
        "bad-damaged": good | {"images": ["damaged.jpg"]},
        "bad-missing": good | {"images": ["missing.png"]},
        "bad-question": good | {"question": ""},
        "bad-answer": good | {"answer": None},
        "bad-number-of-images": good | {"images": ["plain.png"] * 5},
        "bad-token": good | {"question": "What is <|image_pad|>?"},
        "bad-sliver": good | {"images": ["sliver.png"]},
        "bad-length": good | {"question": "word " * 500},
    }
    lines = [json.dumps({"id": name, **row}) for name, row in rows.items()]
    (folder / "odd.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "odd.jsonl"


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", "check", *arguments])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_odd_rows(tmp_path_factory.mktemp("odd"))


def test_every_odd_row_is_handled_counted_and_named(odd: Path, tmp_path: Path) -> None:
    arguments = [str(odd), "columns.id=id", "max_images=4", "--model", "tiny", "--max-prompt-tokens", "300", "--json"]
    result = check(*arguments, "--sheet", str(tmp_path / "sheet.png"))
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    reasons = {row["id"]: row["reason"] for row in found["unusable"]}
    assert sorted(reasons) == sorted(
        f"bad-{name}"
        for name in ("damaged", "missing", "question", "answer", "number-of-images", "token", "sliver", "length")
    )
    assert "damaged.jpg is damaged" in reasons["bad-damaged"]
    assert "missing.png doesn't exist; fix the path or set image_root" in reasons["bad-missing"]
    assert reasons["bad-question"] == "its question is empty; write one or take the row out"
    assert reasons["bad-answer"] == "its answer is empty; write one or take the row out"
    assert reasons["bad-number-of-images"] == "it has 5 images, max_images is 4; raise it or take the row out"
    assert reasons["bad-token"] == "its question holds the special token '<|image_pad|>'; remove it"
    assert reasons["bad-sliver"].startswith("the model's processor can't take its images (4000x10): absolute aspect")
    assert "of them its images', and max_prompt_tokens is 300; raise it" in reasons["bad-length"]
    assert found["images_per_row"] == {"0": 1, "1": 9, "2": 1}
    assert found["image_sizes"]["smallest"] == [1, 1]
    assert found["image_sizes"]["largest"] == [4096, 4096]
    assert found["prompt_tokens"]["largest"] > 500
    assert found["answers"] == {"integer": 9, "decimal": 1, "letter": 1}
    assert all(row["where"].startswith(f"{odd}, row ") for row in found["unusable"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 500


def test_as_a_person_reads_it(odd: Path) -> None:
    result = check(str(odd), "columns.id=id", "max_images=4", "skip=[bad-question]", "filter=answer != '3'")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "data, train: 2 rows; left out: 12 by filter, 1 by skip"
    assert "  prompt tokens   not counted; --model counts them" in lines
    assert "  can't be used   1" in lines


def test_a_clean_source_exits_with_0_and_a_recipe_brings_its_model(tmp_path: Path) -> None:
    from mr1.data.example import write_example

    write_example(tmp_path, rows=8)
    result = check("own-jsonl", f"sources.own.path={tmp_path}/problems.jsonl", "sources.own.held_out=0")
    assert result.exit_code == 0
    assert "own, train: 8 rows" in result.stdout
    assert "limit 4024" in result.stdout


def test_a_column_that_nothing_reads_stops_it(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "?", "answer": 1, "video": "clip.mp4"}\n')
    result = check(str(tmp_path / "rows.jsonl"))
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == (
        "sources.data.columns: 'video' holds video, which nothing reads; name it in ignore_columns"
    )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("12", "integer"),
        ("-1,200", "integer"),
        ("0.5", "decimal"),
        ("1/2", "fraction"),
        ("\\frac{12}{5}", "fraction"),
        ("C", "letter"),
        ("(D)", "letter"),
        ("yes", "yes or no"),
        ("140°", "number with a unit"),
        ("9米", "number with a unit"),
        ("3 cm²", "number with a unit"),
        ("8√{3}", "formula"),
        ("2 \\sqrt { 221 }", "formula"),
        ("a red cube", "several words"),
        ("rubber", "word"),
        ("", "none"),
    ],
)
def test_kinds_of_answers(answer: str, kind: str) -> None:
    assert answer_kind(answer) == kind
