"""A source as a task: order, epochs, splits, and rows and columns that can't be used."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import datasets
import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trl.data_utils import prepare_multimodal_messages

from mr1.config import Config
from mr1.data.chat import read_chat
from mr1.data.problem import Reader
from mr1.data.prompts import usable_prompt
from mr1.data.rows import ArrowRows
from mr1.data.settings import Source
from mr1.data.source import SourceTask, expected_rows, open_sources
from mr1.data.unusable import BadRow, LeftOut, read_unusable, write_unusable
from mr1.errors import UnusableError, UserError
from mr1.tasks import load_task
from mr1.types import Prompt, Sample

Rows = list[dict[str, Any]]


def source(tmp_path: Path, rows: Rows, **settings: Any) -> SourceTask:
    """A JSONL file of these rows as a source; `a.png` and `b.png` are beside it."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return SourceTask("own", Source(path=str(tmp_path / "rows.jsonl"), **settings))


def refusal(tmp_path: Path, rows: Rows, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        source(tmp_path, rows, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def numbered(count: int) -> Rows:
    return [{"id": f"r{number}", "question": f"{number}?", "answer": number} for number in range(count)]


NAMED: dict[str, Any] = {"columns": {"id": "id"}}


def test_each_row_comes_once_an_epoch_in_an_order_of_seed_and_epoch(tmp_path: Path) -> None:
    task = source(tmp_path, numbered(20), **NAMED)
    epochs = [[task.sample("train", 0, epoch * 20 + index) for index in range(20)] for epoch in range(2)]
    answers = [[sample.answer for sample in epoch] for epoch in epochs]
    assert [sorted(map(int, each)) for each in answers] == [list(range(20))] * 2
    assert answers[0] != answers[1]
    assert answers[0] != [str(number) for number in range(20)]
    again = source(tmp_path, numbered(20), **NAMED)
    assert [again.sample("train", 0, index).answer for index in range(20)] == answers[0]
    assert [again.sample("train", 1, index).answer for index in range(20)] != answers[0]


def test_a_row_has_another_id_in_another_epoch(tmp_path: Path) -> None:
    task = source(tmp_path, numbered(3), **NAMED)
    ids = [task.sample("train", 0, index).id for index in range(6)]
    assert len(set(ids)) == 6
    assert sorted(ids[:3]) == ["own/train/r0", "own/train/r1", "own/train/r2"]
    assert sorted(ids[3:]) == ["own/train/r0@1", "own/train/r1@1", "own/train/r2@1"]


def test_held_out_rows_are_the_same_whatever_other_rows_there_are(tmp_path: Path) -> None:
    few = source(tmp_path, numbered(40), held_out=0.2, **NAMED)
    held = {few.sample("test", 0, index).id for index in range(few.size("test"))}
    many = source(tmp_path, numbered(80), held_out=0.2, **NAMED)
    assert held <= {many.sample("test", 0, index).id for index in range(many.size("test"))}
    assert many.splits == ("train", "test", "validation")
    assert sum(many.size(split) for split in many.splits) == 80
    assert 8 <= many.size("test") <= 24


def test_rows_of_one_image_are_held_out_together(tmp_path: Path) -> None:
    rows = [{**row, "picture": number // 4} for number, row in enumerate(numbered(80))]
    task = source(tmp_path, rows, held_out=0.2, columns={"id": "id", "together": "picture"})
    found = {
        split: {int(task.sample(split, 0, index).answer) for index in range(task.size(split))} for split in task.splits
    }
    assert sum(map(len, found.values())) == 80
    for numbers in found.values():
        assert {number // 4 * 4 + more for number in numbers for more in range(4)} == numbers != set()
    assert refusal(tmp_path, rows, columns={"together": "pictures"}).startswith(
        "sources.own.columns.together: the rows"
    )


def test_held_out_keeps_the_files_own_order(tmp_path: Path) -> None:
    task = source(tmp_path, numbered(40), held_out=0.2)
    numbers = [int(task.sample("test", seed, index).answer) for seed, index in ((0, 0), (7, 1), (0, 2))]
    assert numbers == sorted(numbers)


def test_limit_filter_and_skip_are_counted(tmp_path: Path) -> None:
    task = source(tmp_path, numbered(20), filter="answer % 2 == 0", skip=["r0"], limit=5, **NAMED)
    assert sorted(int(task.sample("train", 0, index).answer) for index in range(5)) == [2, 4, 6, 8, 10]
    assert task.describe() == "own: 5 train rows; left out: 5 by its filter, 1 by skip"


def test_template_pattern_and_further_columns(tmp_path: Path) -> None:
    row = {
        "problem": " How many? ",
        "solution": "<answer> 140° </answer>",
        "options": ["A", "two"],
        "level": 3,
        "about": {"topic": ["x", "y"]},
    }
    columns = {"question": "problem", "answer": "solution", "subject": "about.topic", "difficulty": "level"}
    template = "{{ question | trim }}\n{{ options | lettered }}"
    pattern = r"<answer>\s*(.*?)\s*</answer>"
    sample = source(tmp_path, [row], columns=columns, question=template, answer_pattern=pattern).sample("train", 0, 0)
    assert sample.question == "How many?\n(A)\n(B) two"
    assert sample.answer == "140°"
    assert sample.meta["level"] == 3
    assert (sample.meta["subject"], sample.meta["difficulty"]) == ("x, y", "3")
    assert sample.meta["solution"] == "<answer> 140° </answer>"


def test_images_of_several_columns_and_by_template(tmp_path: Path) -> None:
    rows: Rows = [{"question": "?", "answer": 1, "first": "a.png", "second": None, "name": "b"}]
    task = source(tmp_path, rows, columns={"images": ["first", "second", "{{ name }}.png"]})
    assert len(task.sample("train", 0, 0).images) == 2
    Image.new("RGB", (9, 9)).save(_made(tmp_path / "deep") / "a.png")
    rooted = source(tmp_path, [{"question": "?", "answer": 1, "image": "a.png"}], image_root="deep")
    assert rooted.sample("train", 0, 0).images[0].size == (9, 9)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_unusable_rows_are_left_out_counted_and_named(tmp_path: Path) -> None:
    good: dict[str, Any] = {"id": "good", "question": "?", "answer": "1", "images": ["a.png"]}
    rows = [
        good,
        good | {"id": "empty", "question": "  "},
        good | {"id": "null", "answer": None},
        good | {"id": "gone", "images": ["gone.png"]},
        good | {"id": "many", "images": ["a.png", "b.png", "a.png"]},
        good | {"id": "object", "answer": {"is": "1"}},
        {"id": "lacking", "question": "?"},
    ]
    task = source(tmp_path, rows, max_images=2, **NAMED)
    assert task.size("train") == 1
    file = tmp_path / "rows.jsonl"
    assert task.describe().splitlines() == [
        "own: 1 train rows",
        "own: 6 of 7 rows can't be used:",
        f"  {file}, row 2 (id empty): its question is empty; write one or take the row out",
        f"  {file}, row 3 (id null): its answer is empty; write one or take the row out",
        f"  {file}, row 4 (id gone): image {tmp_path}/gone.png doesn't exist; fix the path or set image_root",
        f"  {file}, row 5 (id many): it has 3 images, max_images is 2; raise it or take the row out",
        f"  {file}, row 6 (id object): its answer is a dict, not a text or a number",
        f"  {file}, row 7 (id lacking): its answer is empty; write one or take the row out",
    ]


def test_a_row_that_template_filter_or_pattern_fails_on_is_named(tmp_path: Path) -> None:
    rows: Rows = [{"question": "?", "answer": "1", "level": 2}, {"question": "?", "answer": "x", "level": None}]
    reasons = [
        source(tmp_path, rows, **settings).unusable[0].reason
        for settings in ({"filter": "level > 1"}, {"question": "{{ level + 1 }}"}, {"answer_pattern": r"(\d)"})
    ]
    assert reasons[0].startswith("filter fails on it ('>' not supported")
    assert reasons[1].startswith("question fails on it (unsupported operand")
    assert reasons[2] == "answer_pattern finds nothing in its answer 'x'; fix the pattern or the row"


def test_what_cannot_be_written_is_named_in_what_can(tmp_path: Path) -> None:
    rows: Rows = [
        {"id": "\ud800", "question": "?", "answer": "\udfff"},
        {"id": "\ud801", "question": "\ud800", "answer": "1", "images": ["\ud800.png"]},
        {"id": "\ud802", "question": "?", "answer": "1"},
    ]
    task = source(tmp_path, rows, **NAMED)
    write_unusable(tmp_path, task.unusable)
    assert [row["id"] for row in read_unusable(tmp_path)] == ["\\ud800", "\\ud801"]
    assert task.describe().encode()
    assert task.sample("train", 0, 0).id == "own/train/\\ud802"


CELL = st.one_of(
    st.sampled_from(
        ["q", "img.png", "<image>q", "<image 1> <image_2>", "nan", "B", "['a', 'b']", "#### 3", '[{"role":']
    ),
    st.sampled_from([[{"role": "user", "content": "<image>?"}], [{"from": "human", "value": "?"}, {"from": "gpt"}]]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)
SETTINGS: Rows = [
    {},
    {"columns": {"choices": "options", "answer_kind": "kind", "decimals": "kind"}},
    {"columns": {"reasoning": "kind", "subject": "kind", "id": "kind"}, "filter": "kind"},
    {"question": "{{ question | unplaced }} {{ options | lettered }}", "answer": "answer | letter"},
    {"answer": "options[answer]", "answer_kind": "tuple"},
    {"answer": "answer | listed", "answer_pattern": "(.)"},
]


@cache
def readers() -> list[Reader]:
    plain = {"question": "?", "answer": "1", "images": None, "options": None, "kind": None}
    return [Reader(Source(path="rows.jsonl", **settings), [plain], {}) for settings in SETTINGS]


@given(
    row=st.fixed_dictionaries(dict.fromkeys(("question", "answer", "images", "options", "kind"), CELL)),
    reader=st.deferred(lambda: st.sampled_from(readers())),
)
@hypothesis.settings(deadline=None)
def test_any_row_is_a_problem_or_named(row: dict[str, Any], reader: Reader) -> None:
    said = reader.identity(row) or ""
    with suppress(UnusableError):
        if reader.accepted(row):
            problem = reader.problem(row)
            assert problem.question
            assert all(problem.truth.accepted)
            assert len(problem.images) >= problem.question.count("<image>")
            said += problem.question + "".join(problem.truth.accepted)
    assert said.encode() is not None


def test_many_unusable_rows_are_counted(tmp_path: Path) -> None:
    task = source(tmp_path, [*numbered(1), *({"question": "?", "answer": None} for _ in range(30))])
    lines = task.describe().splitlines()
    assert lines[1] == "own: 30 of 31 rows can't be used:"
    assert lines[-1] == "  and 20 more"


def test_a_damaged_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    row = {"id": "bad", "question": "?", "answer": "1", "image": "damaged.png"}
    task = source(tmp_path, [row], **NAMED) if (tmp_path / "damaged.png").write_bytes(b"\x89PNG") else None
    assert task is not None
    with pytest.raises(UnusableError) as caught:
        task.sample("train", 0, 0)
    assert str(caught.value) == f"image {tmp_path}/damaged.png is no image in a known format; replace it"
    assert task.name_row("train", 0, 7) == ("bad", f"{tmp_path}/rows.jsonl, row 1")


@pytest.mark.parametrize(
    ("column", "value", "holds"),
    [
        ("clip", "clips/1.mp4", "video"),
        ("speech", ["a.wav", "b.wav"], "sound"),
        ("figure", "figure.PNG", "images"),
        ("figure", "data:image/png;base64,AAAA", "images"),
    ],
)
def test_a_column_that_nothing_reads_stops_the_run(tmp_path: Path, column: str, value: Any, holds: str) -> None:
    rows = [{"question": "?", "answer": 1, "image": "a.png", column: value}, {"question": "?", "answer": 1}]
    assert f"sources.own.columns: '{column}' holds {holds}, which nothing reads" in refusal(tmp_path, rows)
    assert source(tmp_path, rows, ignore_columns=[column]).size("train") == 2


@pytest.mark.parametrize(("kind", "holds"), [("Audio", "sound"), ("Video", "video"), ("Image", "images")])
def test_a_column_that_nothing_reads_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, holds: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = {"question": {"dtype": "string", "_type": "Value"}, "more": {"_type": kind}}
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"question": ["?"], "more": pa.array([{"bytes": b"abc", "path": None}], struct)})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "rows.parquet")
    with pytest.raises(UserError, match=f"columns: 'more' holds {holds}, which nothing reads; name it in"):
        SourceTask("own", Source(path=str(tmp_path / "rows.parquet")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"answer": "answr"}}, "columns.answer: the rows have no column 'answr'; did you mean 'answer'?"),
        ({"columns": {"images": "pictures"}}, "columns.images: the rows have no column 'pictures'"),
        ({"question": "{{ quesion }}"}, "question: the rows have no column 'quesion'; did you mean 'question'?"),
        ({"question": "{{ question"}, "question: '{{ question' can't be read"),
        ({"filter": "answer =="}, "filter: "),
        ({"filter": "answer > 5"}, "path: no row of split train can be used"),
        ({"columns": {"id": "answer"}}, "columns.id: 'answer' names two rows '1'"),
        ({"held_out": 0.49}, "held_out: 0.49 leaves split"),
    ],
)
def test_settings_that_do_not_fit_the_rows(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    rows = [{"question": "?", "answer": 1}, {"question": "!", "answer": 1}]
    assert message in refusal(tmp_path, rows, **settings)


FIGURE: dict[str, Any] = {"id": "0", "question": "?", "answer": "1", "images": ["a.png"], "level": {"of": [1]}}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"question": "!"},
        {"answer": "2"},
        {"level": {"of": [2]}},
        {"images": []},
        {"images": ["b.png"]},
        {"prompt": [{"role": "user", "content": "?"}], "question": None},
        {"why": "because"},
        {"answer": ["1", "one"]},
    ],
)
def test_a_fingerprint_tells_every_change_of_a_row(tmp_path: Path, change: dict[str, Any]) -> None:
    columns = {"id": "id"} | ({"question": "prompt"} if "prompt" in change else {})
    before = source(tmp_path, [FIGURE], columns={"id": "id"}).identity()
    assert before["commit"] is None
    assert source(tmp_path, [FIGURE], columns={"id": "id"}).identity() == before
    assert source(tmp_path, [FIGURE | change], columns=columns).identity()["train"] != before["train"]


@pytest.mark.parametrize(
    "change",
    [{"answer_kind": "text"}, {"tolerance": {"relative": 0.05}}, {"percent": "strict"}, {"units": "required"}],
)
def test_a_fingerprint_tells_how_answers_are_meant(tmp_path: Path, change: dict[str, Any]) -> None:
    assert source(tmp_path, [FIGURE]).identity() != source(tmp_path, [FIGURE], **change).identity()


def test_a_fingerprint_is_of_the_usable_rows_in_their_order_wherever_they_lie(tmp_path: Path) -> None:
    rows = numbered(3)
    before = source(tmp_path, rows, **NAMED).identity()
    assert source(tmp_path, [rows[1], rows[0], rows[2]], **NAMED).identity() != before
    assert source(tmp_path, [*rows, {"id": "bad", "question": "", "answer": 1}], **NAMED).identity() == before
    assert source(_made(tmp_path / "moved"), rows, **NAMED).identity() == before
    held_out = source(tmp_path, numbered(40), held_out=0.2, **NAMED).identity()
    assert held_out["test"] == held_out["validation"] == held_out["train"]
    assert source(tmp_path, numbered(40), held_out=0.2, skip=["r1"], **NAMED).identity() == held_out


def test_a_fingerprint_tells_an_image_by_its_files_size_or_its_bytes(tmp_path: Path) -> None:
    before = source(tmp_path, [FIGURE]).identity()
    Image.effect_noise((9, 9), 60).save(tmp_path / "a.png")
    held = [base64.b64encode((tmp_path / name).read_bytes()).decode() for name in ("a.png", "b.png")]
    (tmp_path / "other.jsonl").write_text(json.dumps(FIGURE))
    assert SourceTask("own", Source(path=str(tmp_path / "other.jsonl"))).identity() != before
    one, other = (source(tmp_path, [FIGURE | {"images": [f"data:image/png;base64,{each}"]}]) for each in held)
    assert one.identity() != other.identity()


def test_a_fingerprint_of_arrow_rows_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = []
    for number, content in enumerate((b"abc", b"abd", b"abcd")):
        rows = [{"question": "?", "answer": "1", "image": {"bytes": content, "path": None}}]
        features = {name: datasets.Value("string") for name in ("question", "answer")} | {"image": datasets.Image()}
        made = datasets.Dataset.from_list(rows, features=datasets.Features(features))
        made.to_parquet(tmp_path / f"{number}.parquet")
        found.append(SourceTask("own", Source(path=str(tmp_path / f"{number}.parquet"))).identity())
    assert found[0] == found[1] != found[2]


def test_the_commit_of_a_set_on_the_hub(tmp_path: Path) -> None:
    made = datasets.Dataset.from_list([{"question": "?"}])
    assert ArrowRows(made, tmp_path, "local").commit is None
    made.info.download_checksums = {f"hf://datasets/owner/name@{'0a' * 20}/data/train.parquet": {"num_bytes": 1}}
    assert ArrowRows(made, tmp_path, "hub").commit == "0a" * 20


def test_a_source_teaches_its_own_reasoning(tmp_path: Path) -> None:
    row = {"question": "?", "answer": 1, "why": "because"}
    task = source(tmp_path, [row], columns={"reasoning": "why"})
    sample = task.sample("train", 0, 0)
    shown = task.demonstrate(sample, "perfect")
    assert (shown.reasoning, shown.answer) == ("because", "1")
    with pytest.raises(UserError, match="source own has no 'hasty' teacher"):
        task.demonstrate(sample, "hasty")


def run_config(make_config: Callable[..., Config], tmp_path: Path, **settings: Any) -> Config:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in numbered(40)))
    return make_config(task="own", sources__own__path=tmp_path / "rows.jsonl", **settings)


def test_what_a_run_needs_of_a_source_is_asked_for_first(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = run_config(make_config, tmp_path, evaluation__tasks="[own]")
    with pytest.raises(UserError, match=r"sources.own.splits: it has no split test, which the run reads"):
        open_sources(config)
    config = run_config(make_config, tmp_path, evaluation__tasks="[own]", sources__own__held_out=0.2)
    assert [task.name for task in open_sources(config)] == ["own"]
    assert load_task("own", config.sources) is open_sources(config)[0]
    (tmp_path / "rows.jsonl").write_text('{"question": "?"}\n')
    config = run_config(make_config, tmp_path, evaluation__tasks="[counting]", sources__own__filter="id == 1")
    (tmp_path / "rows.jsonl").write_text('{"question": "?", "id": 1}\n')
    with pytest.raises(UserError, match=r"sources.own.columns.answer: the rows have no answers, which reward accuracy"):
        open_sources(config)


def test_many_unusable_rows_of_a_split_that_the_run_reads_end_it_at_once(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    bad = [{"question": "?", "answer": None} for _ in range(6)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in [*numbered(40), *bad]))
    settings = {"task": "own", "sources__own__path": tmp_path / "rows.jsonl", "evaluation__tasks": "[counting]"}
    with pytest.raises(UserError) as caught:
        open_sources(make_config(**settings))
    first, *named = str(caught.value).splitlines()
    assert first.startswith("data.max_unusable: 6 of 46 rows of own, split train, can't be used, where 0.01 of them")
    assert named[0].endswith("row 41 (id 41): its answer is empty; write one or take the row out")
    assert len(open_sources(make_config(data__max_unusable=0.2, **settings))) == 1


UNREADABLE: Rows = [{"id": f"r{number}", "question": "?", "answer": "7 or 8"} for number in (40, 41)]


@pytest.mark.parametrize(
    ("reward", "settings", "judged"),
    [
        ("accuracy", {}, True),
        ("format", {}, False),
        ("accuracy-r1v", {}, False),
        ("format", {"evaluation__tasks": "[own]", "sources__own__held_out": 0.4}, True),
        ("accuracy", {"sources__own__answer_kind": "text"}, False),
    ],
)
def test_answers_that_nothing_can_be_compared_with_are_left_out_where_they_would_be(
    make_config: Callable[..., Config], tmp_path: Path, reward: str, settings: dict[str, Any], judged: bool
) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in [*numbered(40), *UNREADABLE]))
    own = {"task": "own", "sources__own__path": tmp_path / "rows.jsonl", "evaluation__tasks": "[counting]"}
    config = make_config(**own | {"sources__own__columns__id": "id"} | settings)
    config = config.model_copy(update={"rewards": {reward: 1.0}})
    (task,) = open_sources(config)
    expected = expected_rows(config, task)
    assert {row.id for row in expected} <= {"r40", "r41"}
    assert bool(expected) == judged
    for row in expected:
        assert row.reason.startswith("its answer '7 or 8' says nothing that can be compared: it states several values")
        assert "; fix it, or say by" in row.reason
    said = task.describe(expected)
    assert (f"{len(expected)} of 42 rows can't be used" in said) == judged
    left_out = LeftOut(0.0)
    left_out.expect(expected)
    train = [task.name_row("train", 0, index)[0] for index in range(task.size("train"))]
    made = [usable_prompt(_unmade, task, "train", 0, index, "", left_out) for index in range(task.size("train"))]
    assert [isinstance(each, BadRow) for each in made] == [
        any(row.id == each and row.split == "train" for row in expected) for each in train
    ]


def _unmade(*_: Any) -> Prompt:
    return cast(Prompt, None)


def test_many_answers_that_cannot_be_compared_end_the_run_at_once(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in [*numbered(9), *(UNREADABLE * 3)]))
    settings = {"task": "own", "sources__own__path": tmp_path / "rows.jsonl", "evaluation__tasks": "[counting]"}
    with pytest.raises(UserError, match="6 of 15 rows of own, split train, can't be used") as caught:
        open_sources(make_config(**settings))
    assert "row 10 (id 10): its answer '7 or 8' says nothing" in str(caught.value)


def chat(tmp_path: Path, prompt: Any, **row: Any) -> Sample:
    return source(tmp_path, [{"prompt": prompt, "answer": 1, **row}]).sample("train", 0, 0)


def test_a_chat_is_taken_as_it_is(tmp_path: Path) -> None:
    prompt: Rows = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": "?"}],
        },
    ]
    sample = chat(tmp_path, prompt, images=["a.png"], level=3)
    assert sample.messages == (
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": prompt[1]["content"]},
    )
    assert sample.question == "Look:  ?"
    assert len(sample.images) == 1
    assert sample.meta == {"answer": 1, "level": 3}


def test_images_of_a_plain_chat_stand_before_the_first_users_words(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    sample = chat(tmp_path, prompt, images=["a.png", "b.png"])
    assert [part["type"] for part in sample.messages[1]["content"]] == ["image", "image", "text"]


def test_images_inside_a_chat(tmp_path: Path) -> None:
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "?"}]
    sample = chat(tmp_path, [{"role": "user", "content": parts}])
    assert sample.messages[0]["content"][0] == {"type": "image"}
    assert len(sample.images) == 1


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}], "room for 1 images"),
        (
            [{"role": "user", "content": [{"type": "video", "video": "x"}]}],
            "a part of type 'video', which nothing reads",
        ),
        ([{"role": "tool", "content": "?"}], "a message with the role 'tool'"),
        ([{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}], "doesn't end with a user's turn"),
        ([], "doesn't end with a user's turn"),
    ],
)
def test_a_chat_that_cannot_be_used(tmp_path: Path, prompt: Any, reason: str) -> None:
    assert reason in refusal(tmp_path, [{"prompt": prompt, "answer": 1}])


@pytest.mark.parametrize(
    "prompt",
    [
        [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "v"}],
        [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "u"}]},
            {"role": "user", "content": [{"type": "text", "text": "v"}, {"type": "image"}]},
        ],
        [{"role": "user", "content": [{"type": "image"}, {"type": "image", "image": "in"}, {"type": "image"}]}],
    ],
)
def test_chats_become_what_trl_makes_of_them(prompt: Rows) -> None:
    _, messages, held = read_chat(prompt, ["first", "second"])
    images = iter(held)
    for part in (part for message in messages for part in message["content"] if part["type"] == "image"):
        part["image"] = next(images)
    assert [*messages] == prepare_multimodal_messages(prompt, ["first", "second"])


@pytest.mark.parametrize("images", [[None], ["a.png", None], [float("nan")]])
def test_an_image_that_is_empty_among_others_is_named(tmp_path: Path, images: list[Any]) -> None:
    assert "an image in its column 'images' is empty" in refusal(
        tmp_path, [{"question": "?", "answer": 1, "images": images}]
    )


@pytest.mark.parametrize("images", [None, [], float("nan")])
def test_a_row_without_images_is_one_of_words(tmp_path: Path, images: Any) -> None:
    (tmp_path / "own.jsonl").write_text(json.dumps({"question": "?", "answer": 1, "images": images}) + "\n")
    task = SourceTask("own", Source(path=str(tmp_path / "own.jsonl")))
    assert task.sample("train", 0, 0).images == ()
