"""Column maps of published sets: on their real files where they are at hand, else on rows of the published columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from mr1.config import load_source_settings
from mr1.data.problem import Reader
from mr1.data.settings import Source, preset_names
from mr1.data.source import SourceTask
from mr1.errors import UnusableError, UserError
from mr1.judge import strict
from mr1.judge.truth import Kind, Tolerance, Truth
from mr1.types import Sample

FREE: dict[str, Any] = {"question_type": "free_form", "choices": None}
OPEN: dict[str, Any] = {"question_type": "open", "options": "[]"}
IMAGE = Image.new("RGB", (8, 6), "red")
TEXT = datasets.Value("string")


def choice(name: str, *texts: str) -> Truth:
    return Truth((name,), Kind.CHOICE, choices=texts)


R1V = (
    {"image": IMAGE, "problem": "How many items are there?", "solution": "<answer> 5 </answer>"},
    {"image": datasets.Image(), "problem": TEXT, "solution": TEXT},
)

PUBLISHED: dict[str, tuple[str, tuple[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "clevr-cogen-a": ("train", R1V, {"question": "How many items are there?", "answer": "5"}),
    "geoqa-8k": (
        "train",
        (R1V[0] | {"problem": "Find angle CED.", "solution": "<answer> 140° </answer>"}, R1V[1]),
        {"question": "Find angle CED.", "answer": "140°"},
    ),
    "geometry3k": (
        "test",
        (
            {"images": [IMAGE], "problem": "<image>Find $x$.", "answer": "2 \\sqrt { 221 }"},
            {"images": datasets.List(datasets.Image()), "problem": TEXT, "answer": TEXT},
        ),
        {"question": "Find $x$.", "answer": "2 \\sqrt { 221 }"},
    ),
    "mathvista": (
        "testmini",
        (
            {
                "pid": "1",
                "question": "When?",
                "image": "images/1.jpg",
                "decoded_image": IMAGE,
                "choices": ["1", "2"],
                "unit": None,
                "precision": None,
                "answer": "2",
                "question_type": "multi_choice",
                "answer_type": "text",
                "metadata": {"category": "math-targeted-vqa", "grade": "high school", "task": "geometry"},
                "query": "Hint: choose.\nQuestion: When?",
            },
            {
                **dict.fromkeys(("pid", "question", "image", "unit", "answer", "question_type", "answer_type"), TEXT),
                "decoded_image": datasets.Image(),
                "choices": datasets.List(TEXT),
                "precision": datasets.Value("float64"),
                "metadata": {"category": TEXT, "grade": TEXT, "task": TEXT},
                "query": TEXT,
            },
        ),
        {
            "question": "Hint: choose.\nQuestion: When?",
            "answer": "B",
            "subject": "geometry",
            "difficulty": "high school",
        },
    ),
    "mathverse": (
        "testmini",
        (
            {
                "sample_index": "1",
                "problem_index": "1",
                "problem_version": "Text Dominant",
                "question": "Find it.\nChoices:\nA:1\nB:2",
                "image": IMAGE,
                "answer": "B",
                "question_type": "multi-choice",
                "metadata": {"split": "testmini", "source": "x", "subject": "Plane Geometry", "subfield": "Angle"},
                "query_wo": "Directly: Find it.",
                "query_cot": "First reason: Find it.",
            },
            {
                **dict.fromkeys(("sample_index", "problem_index", "problem_version", "question", "answer"), TEXT),
                "image": datasets.Image(),
                "question_type": TEXT,
                "metadata": {"split": TEXT, "source": TEXT, "subject": TEXT, "subfield": TEXT},
                "query_wo": TEXT,
                "query_cot": TEXT,
            },
        ),
        {"question": "Directly: Find it.", "answer": "B", "subject": "Plane Geometry", "difficulty": "Text Dominant"},
    ),
    "mathvision": (
        "test",
        (
            {
                "id": "4",
                "question": "Which is it?\n<image1>",
                "options": ["A", "B"],
                "image": "images/4.jpg",
                "decoded_image": IMAGE,
                "answer": "B",
                "solution": None,
                "level": 3,
                "subject": "counting",
            },
            {
                **dict.fromkeys(("id", "question", "image", "answer", "solution", "subject"), TEXT),
                "options": datasets.List(TEXT),
                "decoded_image": datasets.Image(),
                "level": datasets.Value("int64"),
            },
        ),
        {"question": "Which is it?\n(A)\n(B)", "answer": "B", "subject": "counting", "difficulty": "3"},
    ),
    "mmmu": (
        "validation",
        (
            {
                "id": "validation_Math_1",
                "question": "Is <image 1> as <image 2>?",
                "options": "['$6$', \"it's not\"]",
                "explanation": "",
                **{f"image_{number}": IMAGE if number < 3 else None for number in range(1, 8)},
                "img_type": "['Diagrams']",
                "answer": "B",
                "topic_difficulty": "Easy",
                "question_type": "multiple-choice",
                "subfield": "Calculus",
            },
            {
                **dict.fromkeys(("id", "question", "options", "explanation", "img_type", "answer"), TEXT),
                **{f"image_{number}": datasets.Image() for number in range(1, 8)},
                **dict.fromkeys(("topic_difficulty", "question_type", "subfield"), TEXT),
            },
        ),
        {
            "question": "Is <image> as <image>?\n(A) $6$\n(B) it's not",
            "answer": "B",
            "subject": "Calculus",
            "difficulty": "Easy",
        },
    ),
    "scienceqa": (
        "validation",
        (
            {
                "image": IMAGE,
                "question": "Which is it?",
                "choices": ["red", "blue"],
                "answer": 1,
                "hint": "Look.",
                "task": "closed choice",
                "grade": "grade2",
                "subject": "natural science",
                "topic": "physics",
                "category": "Colour",
                "skill": "See",
                "lecture": "",
                "solution": "It is blue.",
            },
            {
                **dict.fromkeys(("question", "hint", "task", "grade", "subject", "topic", "category", "skill"), TEXT),
                **dict.fromkeys(("lecture", "solution"), TEXT),
                "image": datasets.Image(),
                "choices": datasets.List(TEXT),
                "answer": datasets.Value("int8"),
            },
        ),
        {
            "question": "Look.\nWhich is it?\n(A) red\n(B) blue",
            "answer": "B",
            "subject": "natural science",
            "difficulty": "grade2",
        },
    ),
    "made": (
        "train",
        (
            {
                "id": "scene-1",
                "images": [IMAGE],
                "question": "Which is it?\n(A) red\n(B) blue",
                "choices": ["red", "blue"],
                "answer": "B",
                "answer_kind": "choice",
                "reward": "choice",
                "category": "position",
                "abilities": ["reasoning", "spatial"],
                "reasoning": "blue: B",
                "picture": "scene",
            },
            {
                **dict.fromkeys(("id", "question", "answer", "answer_kind", "reward", "category"), TEXT),
                **dict.fromkeys(("reasoning", "picture"), TEXT),
                **dict.fromkeys(("choices", "abilities"), datasets.List(TEXT)),
                "images": datasets.List(datasets.Image()),
            },
        ),
        {"question": "Which is it?\n(A) red\n(B) blue", "answer": "B", "subject": "position"},
    ),
}
"""Of each set: a split that it has, a row and its features as published, and what the problem must be."""


def first(source: Source) -> Sample:
    task = SourceTask("set", source)
    return task.sample(task.splits[0], 0, 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_of_the_published_columns_is_read(name: str, tmp_path: Path) -> None:
    split, (row, features), expected = PUBLISHED[name]
    rows = datasets.Dataset.from_list([row], features=datasets.Features(features))
    splits = {split: rows, "dev": rows} if name == "mmmu" else {split: rows, "testmini": rows}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    sample = first(load_source_settings(name, [f"path={tmp_path / 'set'}"]))
    found = {"question": sample.question, "answer": sample.answer}
    assert found | {key: sample.meta[key] for key in ("subject", "difficulty") if key in expected} == expected
    assert [image.size for image in sample.images] == [(8, 6)] * (2 if name == "mmmu" else 1)


TRUTHS: list[tuple[str, dict[str, Any], Truth | str]] = [
    ("mathvista", {"choices": ["135°", "140°"], "answer": "140°"}, choice("B", "135°", "140°")),
    ("mathvista", {"choices": ["B", "A"], "answer": "B"}, choice("A", "B", "A")),
    ("mathvista", {"choices": ["2", "1"], "answer": "1"}, choice("B", "2", "1")),
    ("mathvista", {"choices": ["yes", "no"], "answer": "maybe"}, "answer fails on it ('maybe' is not in list); fix"),
    ("mathvista", {"answer_type": "integer", "answer": "14", **FREE}, Truth(("14",), Kind.NUMBER)),
    (
        "mathvista",
        {"answer_type": "float", "answer": "1.2", "precision": 1.0, **FREE},
        Truth(("1.2",), Kind.NUMBER, Tolerance(decimals=1)),
    ),
    (
        "mathvista",
        {"answer_type": "float", "answer": "0.25", "precision": 2.0, "unit": "cm", **FREE},
        Truth(("0.25 cm",), Kind.NUMBER, Tolerance(decimals=2)),
    ),
    ("mathvista", {"answer_type": "list", "answer": "[0, 8]", **FREE}, Truth(("[0, 8]",), Kind.TUPLE)),
    ("mmmu", {"options": "['$6$', '$5$']", "answer": "A"}, choice("A", "$6$", "$5$")),
    ("mmmu", {"options": "['B', 'C', 'A']", "answer": "A"}, choice("A", "B", "C", "A")),
    ("mmmu", {"options": "['6', '5']", "answer": "5"}, choice("B", "6", "5")),
    ("mmmu", {"answer": "8.5", **OPEN}, Truth(("8.5",))),
    ("mmmu", {"answer": "['24/7', '3.429']", **OPEN}, Truth(("24/7", "3.429"))),
    ("mmmu", {"answer": "(0, 1)", **OPEN}, Truth(("(0, 1)",))),
    ("scienceqa", {"choices": ["1", "0"], "answer": 0}, choice("A", "1", "0")),
    ("scienceqa", {"choices": ["B", "A", "C"], "answer": 1}, choice("B", "B", "A", "C")),
    ("scienceqa", {"choices": ["yes", "no"], "answer": 2}, "its answer 'C' is neither the letter nor the text of one"),
]
"""Rows of the published columns with letters, texts and numbers as answers, and the truth or what is wrong with it."""


@pytest.mark.parametrize(("name", "changes", "expected"), TRUTHS)
def test_answers_of_every_kind_in_the_published_columns(
    name: str, changes: dict[str, Any], expected: Truth | str
) -> None:
    row = PUBLISHED[name][1][0] | changes
    reader = Reader(load_source_settings(name), [row], {})
    if isinstance(expected, str):
        with pytest.raises(UnusableError) as caught:
            reader.problem(row)
        assert str(caught.value).startswith(expected)
    else:
        assert reader.problem(row).truth == expected
        assert strict.unreadable(expected) == ""


def test_every_preset_is_valid_and_covered() -> None:
    with_files = {"math-v", "intergps", "superclevr", "superclevr-200", "geoqa-test"}
    assert {*PUBLISHED} | with_files == {*preset_names()}
    for name in preset_names():
        assert load_source_settings(name).path


def test_settings_over_a_preset() -> None:
    source = load_source_settings("math-v", ["columns.answer=solution", "limit=3", "skip=[4]"])
    assert source.columns.answer == "solution"
    assert source.columns.images == "image"
    assert (source.limit, source.skip) == (3, ["4"])
    with pytest.raises(UserError, match="preset: unknown 'mathvist'; did you mean 'mathvista'"):
        load_source_settings("x.jsonl", ["preset=mathvist"])
    with pytest.raises(UserError, match="source: 'geometry3' is no preset and no path; did you mean 'geometry3k'"):
        load_source_settings("geometry3")


def test_math_v_files(shared_data: Path) -> None:
    task = SourceTask("math-v", load_source_settings("math-v", [f"path={shared_data / 'mathv'}"]))
    assert (task.size("test"), task.size("validation")) == (285, 35)
    assert len(task.unusable) == 3040 - 285 + 304 - 35
    sample = task.sample("test", 0, 0)
    assert sample.question == "How many different digits can you find in this picture?"
    assert (sample.answer, sample.meta["subject"], sample.meta["difficulty"]) == ("6", "counting", "1")
    assert all(task.sample("test", 0, index).images for index in range(0, 285, 40))


def test_intergps_problems(shared_data: Path) -> None:
    path = shared_data / "intergps/data_examples/*/data.json"
    task = SourceTask("intergps", load_source_settings("intergps", [f"path={path}"]))
    assert task.size("train") == 10
    samples = [task.sample("train", 0, index) for index in range(10)]
    assert all(len(sample.images) == 1 and sample.answer in "ABCD" for sample in samples)
    circle = next(sample for sample in samples if sample.id == "intergps/train/11")
    assert circle.question.splitlines()[1:] == ["(A) 30", "(B) 40", "(C) 60", "(D) 80"]
    assert circle.meta["subject"] == "Circle"


def test_super_clevr_questions(shared_data: Path) -> None:
    path = shared_data / "superclevr/superCLEVR_questions_5.json"
    task = SourceTask("superclevr", load_source_settings("superclevr", [f"path={path}"]))
    rows = json.loads(path.read_text())["questions"]
    counted = [row for row in rows if isinstance(row["answer"], int) and not isinstance(row["answer"], bool)]
    assert (task.size("train"), task.parts["train"].filtered) == (len(counted), len(rows) - len(counted))
    samples = [task.sample("train", 0, index) for index in range(len(counted))]
    assert sorted(sample.answer for sample in samples) == sorted(str(row["answer"]) for row in counted)
    assert {image.size for sample in samples for image in sample.images} == {(640, 480)}


@pytest.mark.parametrize(
    ("name", "file", "rows", "answer"),
    [
        ("superclevr-200", "superclevr_test200_counting_problems.jsonl", 200, "4"),
        ("geoqa-test", "geoqa_test_prompts.jsonl", 754, "140°"),
    ],
)
def test_the_papers_test_sets(shared_data: Path, tmp_path: Path, name: str, file: str, rows: int, answer: str) -> None:
    path = shared_data / "r1v" / file
    for line in path.read_text().splitlines():
        image = tmp_path / json.loads(line)["image_path"]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    IMAGE.save(tmp_path / json.loads(path.read_text().splitlines()[0])["image_path"])
    task = SourceTask(name, load_source_settings(name, [f"path={path}", f"image_root={tmp_path}"]))
    assert (task.splits, task.size("test"), task.unusable) == (("test",), rows, [])
    assert task.sample("test", 0, 0).answer == answer
