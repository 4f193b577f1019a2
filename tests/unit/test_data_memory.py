"""Rows that a program hands over: the same samples as from a file, the same refusals, and the same fingerprints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mr1.config.reading import make_source
from mr1.data.memory import as_sources, as_splits, held
from mr1.data.source import SourceTask, forget_sources
from mr1.errors import UserError

PIXELS = Image.new("RGB", (28, 28), (200, 30, 30))


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row with an image that is like no other's."""
    return {
        "question": f"{number}?",
        "answer": str(number),
        "image": Image.new("RGB", (28, 28), (number, 0, 0)),
        **more,
    }


def opened(data: Any, **source: Any) -> SourceTask:
    """The task of rows that are in memory."""
    with held({"data": as_splits(data, "data")}):
        return SourceTask("data", make_source("data", {**source, "path": "data", "format": "memory"}))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    forget_sources()


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, width=32) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), CELLS, max_size=3), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_list_is_read_as_the_same_rows_of_a_file(tmp_path_factory: Any, cells: list[dict[str, Any]]) -> None:
    rows = [{"question": f"What is {number}?", "answer": number, **each} for number, each in enumerate(cells)]
    file = tmp_path_factory.mktemp("rows") / "rows.json"
    file.write_text(json.dumps(rows))
    named = SourceTask("data", make_source("data", {"path": file}))
    handed = opened(rows)
    assert handed.identity() == named.identity()
    for index in range(len(rows)):
        assert handed.sample("train", 0, index) == named.sample("train", 0, index)


def test_images_may_be_pil_paths_or_bytes(tmp_path: Path) -> None:
    PIXELS.save(tmp_path / "red.png")
    encoded = (tmp_path / "red.png").read_bytes()
    ways = [PIXELS, str(tmp_path / "red.png"), tmp_path / "red.png", encoded, {"bytes": encoded, "path": None}]
    task = opened([{"question": f"{number}?", "answer": 1, "images": [way]} for number, way in enumerate(ways)])
    for index in range(len(ways)):
        (image,) = task.sample("train", 0, index).images
        assert np.array_equal(np.asarray(image), np.asarray(PIXELS))


def test_a_chat_may_hold_its_images() -> None:
    content = [{"type": "image", "image": PIXELS}, {"type": "text", "text": "Which colour?"}]
    sample = opened([{"prompt": [{"role": "user", "content": content}], "answer": "red"}]).sample("train", 0, 0)
    assert len(sample.images) == 1
    assert sample.messages
    assert sample.meta == {"answer": "red"}


def test_a_dataset_is_read_like_its_files(tmp_path: Path) -> None:
    rows = [row(number, level=number % 3) for number in range(12)]
    dataset = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image()).shuffle(seed=1).select(range(9))
    dataset.to_parquet(tmp_path / "train.parquet")
    handed = opened(dataset)
    named = SourceTask("data", make_source("data", {"path": tmp_path / "train.parquet"}))
    assert handed.identity()["train"] == named.identity()["train"]
    assert [handed.sample("train", 3, index).meta for index in range(9)] == [
        named.sample("train", 3, index).meta for index in range(9)
    ]
    parts = datasets.DatasetDict({"train": dataset, "test": dataset.select(range(2))})
    assert opened(parts).splits == ("train", "test")
    renamed = datasets.DatasetDict({"fit": dataset, "hold": dataset.select(range(2))})
    assert opened(renamed, splits={"train": "fit", "test": "hold"}).splits == ("train", "test")


def test_values_of_numpy_and_pandas_are_what_they_say() -> None:
    rows = [{"question": "?", "answer": np.int64(7), "weight": np.float32(0.5), "kept": float("nan"), "all": (1, 2)}]
    sample = opened(rows).sample("train", 0, 0)
    assert sample.answer == "7"
    assert sample.meta == {"question": "?", "answer": 7, "weight": 0.5, "kept": None, "all": [1, 2]}


def test_what_the_program_does_with_its_rows_changes_none() -> None:
    rows = [row(number, tags=["a"]) for number in range(3)]
    task = opened(rows)
    rows[0]["tags"].append("b")
    rows[1]["answer"] = "other"
    rows.clear()
    assert sorted(task.sample("train", 0, index).answer for index in range(3)) == ["0", "1", "2"]
    assert task.sample("train", 0, 0).meta["tags"] == ["a"]


def test_every_difference_is_another_fingerprint() -> None:
    rows = [row(number, level=1) for number in range(4)]
    whole = opened(rows).identity()
    assert opened([*rows]).identity() == whole
    other = [rows[:-1], rows[::-1], [*rows[:-1], row(3, level=2)], [*rows[:-1], row(3) | {"level": 1, "image": PIXELS}]]
    assert all(opened(each).identity() != whole for each in other)


class Odd:
    """What no file could hold."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("rows.jsonl", "data: data, train is a str; hand over a datasets.Dataset or a list of dictionaries"),
        (7, "data, train is a int"),
        (Odd(), "data, train is a Odd"),
        ({"train": None}, "data, train is a NoneType"),
        ([], "path: data, train has no rows"),
        ([row(1), "two"], "path: data, train, row 2 is a str; each row must be a dictionary"),
        ([row(1), row(2, odd=Odd())], "path: data, train, row 2, column 'odd' holds a Odd; write it as text"),
        ([row(1, image=np.zeros((4, 4, 3)))], "row 1, column 'image' holds a ndarray"),
        ([{"answer": 1}], "columns.question: name the column of the question; the rows have answer"),
        ([{"question": "", "answer": 1}], "its question is empty"),
        ([row(1, extra=PIXELS)], "columns: 'extra' holds images, which nothing reads"),
        ({"test": [row(1)], "tests": [row(1)]}, None),
    ],
)
def test_what_cannot_be_used_is_named(data: Any, message: str | None) -> None:
    if message is None:
        assert opened(data).splits == ("test",)
        return
    with pytest.raises(UserError) as caught:
        opened(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_has_no_rows_by_number_is_refused() -> None:
    dataset = datasets.Dataset.from_list([{"question": "?", "answer": 1}])
    with pytest.raises(UserError, match="IterableDataset, which is read once"):
        as_sources(dataset.to_iterable_dataset())
    dataset.set_transform(lambda batch: batch)
    with pytest.raises(UserError, match="set_transform"):
        as_sources(dataset)


def test_a_mapping_is_by_split_or_by_source() -> None:
    rows, parts = [row(1)], {"train": [row(1)], "test": [row(2)]}
    assert as_sources(rows) == {None: {"train": rows}}
    assert as_sources(parts) == {None: parts}
    assert as_sources({"mine": rows, "theirs": parts}) == {"mine": {"train": rows}, "theirs": parts}
    by_split = datasets.DatasetDict({"odd": datasets.Dataset.from_list([{"question": "?"}])})
    assert [*as_sources(by_split)] == [None]


def test_rows_that_nobody_holds_are_asked_for() -> None:
    with pytest.raises(UserError, match=r"sources\.data\.format: its rows were handed over by a program"):
        SourceTask("data", make_source("data", {"path": "data", "format": "memory"}))


def test_a_call_within_a_call_has_its_own_rows() -> None:
    source = make_source("data", {"path": "data", "format": "memory"})
    with held({"data": {"train": [row(1)]}}):
        with held({"data": {"train": [row(2), row(3)]}}):
            assert SourceTask("data", source).size("train") == 2
        assert SourceTask("data", source).size("train") == 1


def test_decimals_and_dates_are_read() -> None:
    assert opened([{"question": "?", "answer": Decimal("2.50")}]).sample("train", 0, 0).answer == "2.50"
