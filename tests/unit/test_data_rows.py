"""Reading: each format gives the same rows, and says in one line what is wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from mr1.data.opening import open_splits
from mr1.data.rows import STANDING_IN, ArrowRows, TextRows
from mr1.data.settings import Source
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.types import Sample


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, and a row for each with two further columns."""
    (tmp_path / "data/images").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (4 + number, 4), "red").save(tmp_path / f"data/images/{number}.png")
    return tmp_path / "data"


ROWS: list[dict[str, Any]] = [
    {"image": f"images/{number}.png", "question": f'Say "{number}",\nplease.', "answer": f"00{number}", "level": number}
    for number in range(3)
]


def bytes_of(path: Path) -> dict[str, Any]:
    return {"bytes": path.read_bytes(), "path": None}


def samples(path: Path, **settings: Any) -> list[Sample]:
    task = SourceTask("rows", Source(path=str(path), **{"splits": {"test": "train"}, **settings}))
    return [task.sample("test", 0, index) for index in range(task.size("test"))]


def check(found: list[Sample]) -> None:
    assert [sample.question for sample in found] == [row["question"] for row in ROWS]
    assert [sample.answer for sample in found] == ["000", "001", "002"]
    assert [sample.images[0].size for sample in found] == [(4, 4), (5, 4), (6, 4)]
    assert [int(sample.meta["level"]) for sample in found] == [0, 1, 2]


def test_jsonl(folder: Path) -> None:
    (folder / "rows.jsonl").write_text("\n\n".join(json.dumps(row) for row in ROWS))
    check(samples(folder / "rows.jsonl"))


def test_json_as_a_list_and_inside_an_object(folder: Path) -> None:
    (folder / "rows.json").write_text(json.dumps(ROWS))
    check(samples(folder / "rows.json"))
    (folder / "inside.json").write_text(json.dumps({"info": 1, "questions": ROWS}))
    check(samples(folder / "inside.json", field="questions"))


def test_csv_cells_stay_as_they_are_written(folder: Path) -> None:
    lines = ["image,question,answer,level"]
    lines += [f'{row["image"]},"Say ""{row["level"]}"",\nplease.",{row["answer"]},{row["level"]}' for row in ROWS]
    (folder / "rows.csv").write_text("\ufeff" + "\n".join(lines))
    check(samples(folder / "rows.csv"))


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_has_lists_and_chats_as_text(folder: Path, delimiter: str) -> None:
    chat = [{"from": "human", "value": 'Is <image> "as"\n<image>?'}, {"from": "gpt", "value": "no"}]
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerows([["image", "conversations"], ['["images/1.png", "images/0.png"]', json.dumps(chat)]])
    (sample,) = samples(folder / "rows.csv")
    assert [image.size for image in sample.images] == [(5, 4), (4, 4)]
    assert [part["type"] for part in sample.messages[0]["content"]] == ["text", "image", "text", "image", "text"]
    assert sample.answer == "no"


def test_several_files_by_a_pattern(folder: Path) -> None:
    for number, row in enumerate(ROWS):
        (folder / f"part-{number}.jsonl").write_text(json.dumps(row))
    check(samples(folder / "part-*.jsonl"))


def test_parquet_with_bytes(folder: Path) -> None:
    held = [{**row, "image": bytes_of(folder / row["image"])} for row in ROWS]
    datasets.Dataset.from_list(held).to_parquet(folder / "rows.parquet")
    check(samples(folder / "rows.parquet"))


def test_a_saved_dataset_with_its_image_feature(folder: Path) -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "answer": datasets.Value("string"),
            "level": datasets.ClassLabel(names=["0", "1", "2"]),
        }
    )
    held = [{**row, "image": bytes_of(folder / row["image"])} for row in ROWS]
    whole = datasets.Dataset.from_list(held, features=features)
    whole.save_to_disk(folder / "saved")
    check(samples(folder / "saved"))
    datasets.DatasetDict({"train": whole, "test": whole}).save_to_disk(folder / "both")
    assert SourceTask("rows", Source(path=str(folder / "both"))).splits == ("train", "test")


def test_an_image_folder_with_its_metadata(folder: Path) -> None:
    lines = [json.dumps({**row, "file_name": Path(row["image"]).name}) for row in ROWS]
    for name in ("0.png", "1.png", "2.png"):
        (folder / "images" / name).rename(folder / name)
    (folder / "metadata.jsonl").write_text(
        "\n".join(json.dumps({k: v for k, v in json.loads(x).items() if k != "image"}) for x in lines)
    )
    check(samples(folder))


def test_an_image_folder_by_classes(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / "classes" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "classes" / name / "a.png")
    found = samples(folder / "classes", columns={"answer": "label"}, question="Which animal is this?")
    assert [(sample.question, sample.answer) for sample in found] == [
        ("Which animal is this?", "cat"),
        ("Which animal is this?", "dog"),
    ]


def test_mixed_types_in_a_column_are_kept(tmp_path: Path) -> None:
    answers = [True, 3, "red", 2.0, 2.5]
    lines = [json.dumps({"question": "?", "answer": answer}) for answer in answers]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines))
    assert [sample.answer for sample in samples(tmp_path / "mixed.jsonl")] == ["yes", "3", "red", "2", "2.5"]


def test_brief_rows_hold_no_image_bytes() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    held = {"bytes": buffer.getvalue(), "path": "a.png"}
    table = {"one": [held, None], "many": [[held, {"bytes": None, "path": "b.png"}], None], "text": ["a", "b"]}
    features = {"one": datasets.Image(), "many": datasets.List(datasets.Image()), "text": datasets.Value("string")}
    rows = ArrowRows(datasets.Dataset.from_dict(table, features=datasets.Features(features)), Path(), "rows")
    first, second = rows.brief()
    standing_in = STANDING_IN.format(len(held["bytes"])).encode()
    assert first["one"] == {"bytes": standing_in, "path": "a.png"}
    assert first["many"] == [{"bytes": standing_in, "path": "a.png"}, {"bytes": None, "path": "b.png"}]
    assert second == {"one": None, "many": None, "text": "b"}
    assert rows[0]["one"] == held
    assert rows.media() == {"one": "images", "many": "images"}


def test_text_rows_are_read_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 0}\n\n{"n": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"n": 2}')
    rows = TextRows([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], "jsonl")
    assert [rows[index]["n"] for index in (2, 0, 1)] == [2, 0, 1]
    assert [row["n"] for row in rows.brief()] == [0, 1, 2]
    assert rows.where(2) == f"{tmp_path}/b.jsonl, row 1"


@pytest.mark.parametrize(
    ("name", "text", "settings", "message"),
    [
        ("rows.jsonl", '{"question": "?"}\n{bad\n', {}, "rows.jsonl, row 2 is no JSON"),
        ("rows.jsonl", "[1]\n", {}, "rows.jsonl, row 1 is no JSON object"),
        ("rows.jsonl", "\n", {}, "rows.jsonl has no rows"),
        ("rows.json", "{bad", {}, "rows.json is no JSON"),
        ("rows.json", "{}", {"field": "rows"}, "field: "),
        ("rows.csv", "question,answer\na\n", {}, "rows.csv, row 1 has 1 cells where the header has 2"),
        ("rows.csv", "question,answer,answer\na,1,2\n", {}, "rows.csv has two columns 'answer'"),
        ("rows.parquet", "no parquet", {}, "can't be read by datasets"),
        ("rows.jsonl", '{"question": "?"}', {"splits": {"train": "tran"}}, "has no 'tran'; did you mean 'train'?"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, text: str, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        SourceTask("own", Source(path=str(tmp_path / name), **settings))
    assert message in str(caught.value)
    assert str(caught.value).startswith("sources.own.")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    for path, message in (
        (tmp_path / "row.jsonl", "did you mean 'rows.jsonl'?"),
        (tmp_path / "nowhere", "there is no file or folder"),
        (Path("nobody/nothing"), "nobody/nothing can't be read by datasets"),
    ):
        with pytest.raises(UserError) as caught:
            SourceTask("own", Source(path=str(path)))
        assert message in str(caught.value)


def test_hidden_files_are_not_data(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"question": "q", "answer": "1"}\n')
    for name in ("._train.jsonl", ".train.jsonl", "._test.jsonl"):
        (tmp_path / name).write_bytes(b"\xff\0")
    for path in (tmp_path, tmp_path / "*.jsonl"):
        assert {split: len(rows) for split, rows in open_splits(Source(path=str(path))).items()} == {"train": 1}
