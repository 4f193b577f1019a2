"""Small files that were once read wrongly, as they are to be read; the kinds behind them have tests of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mr1.data.settings import Source
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.judge import strict
from mr1.models.vlm import chat
from mr1.rewards import not_finite, score_groups
from mr1.types import Group, Sample


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> Path:
    folder = shared_data / "cases"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not at hand")
    return folder


def opened(path: Path) -> SourceTask:
    return SourceTask("own", Source(path=str(path)))


def only(path: Path) -> Sample:
    task = opened(path)
    assert (task.size("train"), task.unusable) == (1, [])
    return task.sample("train", 0, 0)


def test_answers_that_are_no_plain_values_are_read_or_named(cases: Path) -> None:
    task = opened(cases / "unreadable.jsonl")
    assert (task.size("train"), task.unusable) == (5, [])
    named = {row.where for row in task.unreadable("train")}
    for number, row in enumerate(task.parts["train"].rows.brief()):
        truth = task.reader.problem(row).truth
        assert (task.parts["train"].rows.where(number) in named) == bool(strict.unreadable(truth))
    assert task.reader.problem(task.parts["train"].rows[0]).answer == "3"
    assert "1 answers stand between <answer> tags, and are taken out" in task.describe()


def test_nan_is_empty(cases: Path) -> None:
    with pytest.raises(UserError, match=r"no row of split train can be used.* row 1 .*its answer is empty"):
        opened(cases / "nan.jsonl")


def test_placeholders_are_the_images_places(cases: Path) -> None:
    task = opened(cases / "image-placeholder.jsonl")
    assert [row.id for row in task.unusable] == ["2"]
    assert task.unusable[0].reason == "its question has room for 2 images, its columns hold 1; they must agree"
    content = chat(task.sample("train", 0, 0), "{question}")[0]["content"]
    assert [part.get("text", "image") for part in content] == ["Left ", "image", " and right ", "image", ": equal?"]


@pytest.mark.parametrize("name", ["b64-in-dict.jsonl", "data-uri-qwen.jsonl", "bom.json", "data.tsv"])
def test_rows_are_read_with_their_image(cases: Path, name: str) -> None:
    sample = only(cases / name)
    assert sample.answer == "3"
    assert [image.mode for image in sample.images] == ["RGB"]


def test_a_conversation_is_a_chat_and_its_answer(cases: Path) -> None:
    sample = only(cases / "sharegpt.jsonl")
    assert (sample.question, sample.answer, len(sample.images)) == ("How many?", "3", 1)
    assert [part["type"] for part in sample.messages[0]["content"]] == ["image", "text"]


def test_rewards_that_are_none(cases: Path, make_groups: Callable[[int], list[Group]]) -> None:
    group = make_groups(1)[0]
    name = f"{cases}/rewards.py:nan"
    score_groups([group], {name: 1.0})
    assert group.rewards is not None
    assert group.rewards.isnan().tolist() == [True, False, False, False]
    assert "gave NaN or infinity for 1 completions" in not_finite([group])[name]
    with pytest.raises(UserError, match=r"rewards.py:keys returned a dict; return a list of a number or None for each"):
        score_groups([group], {f"{cases}/rewards.py:keys": 1.0})
