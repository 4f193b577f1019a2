"""What the columns of a row mean: a reader on rows in memory, without files and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mr1.data.problem import Problem, Reader, cell, lettered
from mr1.data.settings import Source
from mr1.errors import UnusableError, UserError

Row = dict[str, Any]


def reader(rows: list[Row], media: Mapping[str, str] | None = None, **settings: Any) -> Reader:
    return Reader(Source(path="rows.jsonl", **settings), rows, media or {})


def problem(row: Row, **settings: Any) -> Problem:
    return reader([row], **settings).problem(row)


def refused(rows: list[Row], media: Mapping[str, str] | None = None, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        reader(rows, media, **settings)
    return str(caught.value)


def unusable(row: Row, others: list[Row] | None = None, **settings: Any) -> str:
    with pytest.raises(UnusableError) as caught:
        reader([row, *(others or [])], **settings).problem(row)
    return str(caught.value)


def test_a_row_with_the_usual_columns_needs_no_settings() -> None:
    row = {"question": " How many? ", "answer": 3.0, "level": 1}
    assert problem(row) == Problem("How many?", "3", [], meta=row)
    assert problem({"prompt": "Q", "answer": True}) == Problem("Q", "yes", [], meta={"prompt": "Q", "answer": True})
    assert problem({"question": "Q", "answer": False}).answer == "no"


def test_the_usual_columns_have_an_order() -> None:
    row = {"prompt": "P", "question": "Q", "images": ["a.png"], "image": "b.png"}
    assert (problem(row, ignore_columns=["image"]).question) == "Q"
    assert problem(row, ignore_columns=["image"]).images == ["a.png"]
    assert problem({"question": "Q", "image": "b.png"}).images == ["b.png"]
    assert problem({"question": "Q", "image": "b.png"}, columns={"images": []}, ignore_columns=["image"]).images == []


def test_without_answers_and_reasonings_there_are_none() -> None:
    found = problem({"question": "Q"})
    assert (found.answer, found.reasoning, found.messages) == ("", "", ())


def test_a_question_that_no_column_holds_is_asked_for() -> None:
    rows: list[Row] = [{"text": "Q"}, {"text": "Q", "truth": "1"}]
    assert refused(rows) == "columns.question: name the column of the question; the rows have text, truth"
    assert problem({"text": "Q"}, question="Say it: {{ text }}").question == "Say it: Q"


@pytest.mark.parametrize(
    ("row", "settings", "message"),
    [
        ({"question": {"a": 1}}, {}, "its question is a dict, not a text or a number"),
        ({"question": "Q", "answer": {}}, {}, "its answer is a dict, not a text or a number"),
        ({"question": "Q", "s": {}}, {"columns": {"subject": "s"}}, "its subject is a dict, not a text or a number"),
        ({"question": "Q", "why": []}, {"columns": {"reasoning": "why"}}, "its reasoning is a list, not a text"),
        ({"question": "Q", "n": None}, {"columns": {"images": "{{ n + 1 }}.png"}}, "columns.images fails on it ("),
        ({"question": "Q", "n": 0}, {"question": "{{ 1 / n }}"}, "question fails on it (division by zero)"),
    ],
)
def test_what_is_wrong_with_a_cell_is_named_by_its_meaning(row: Row, settings: Row, message: str) -> None:
    assert unusable(row, **settings).startswith(message)


def test_a_mapped_answer_is_answer_in_an_expression_of_its_own() -> None:
    row: Row = {"question": "Q", "truth": 3}
    assert problem(row, columns={"answer": "truth"}, answer="answer ~ '!'").answer == "3!"


def test_a_chat_that_ends_with_the_question_has_no_answer() -> None:
    asked = {"role": "user", "content": "How many?"}
    rows: list[Row] = [{"messages": [asked, {"role": "assistant", "content": "3"}]}, {"messages": [asked]}]
    found = reader(rows, columns={"question": "messages"})
    assert found.problem(rows[0]).answer == "3"
    with pytest.raises(UnusableError, match=r"^its answer is empty; write one or take the row out$"):
        found.problem(rows[1])


def test_all_of_a_chat_but_its_answer_is_the_question() -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    found = problem({"messages": [*turns, {"role": "assistant", "content": "3"}]}, columns={"question": "messages"})
    assert [message["role"] for message in found.messages] == ["user", "assistant", "user"]
    assert found.answer == "3"


@pytest.mark.parametrize("text", ["[{", "[{}, x]", '[{"a":' * 100_000])
def test_a_question_that_only_begins_like_a_chat_is_a_text(text: str) -> None:
    found = problem({"question": text})
    assert (found.question, found.messages, found.stood) == (text, (), "")
    chat = problem({"question": ' [{"role": "user", "content": "Q"}]'})
    assert len(chat.messages) == 1


def test_a_column_of_files_is_media_however_they_are_held() -> None:
    for held in ({"bytes": None, "path": "a.png"}, {"path": "a.png"}, {"bytes": "a.png", "path": "b.mp4"}):
        assert "'more' holds images" in refused([{"question": "Q", "more": held}])
    assert reader([{"question": "Q", "more": {"level": 1}}]).question == "question"


def test_only_what_was_taken_out_stood_somewhere() -> None:
    assert problem({"question": "Q", "answer": "<answer>3</answer>"}).stood == "between <answer> tags"
    assert problem({"question": "Q", "answer": "<answer>3</answer>"}, answer_pattern="(3)").stood == ""
    assert problem({"question": "Q", "answer": "3"}).stood == ""
    row: Row = {"question": "Q", "answer": 1, "options": ["a", "b"]}
    assert problem(row, answer="answer | letter", columns={"choices": "options"}).stood == ""
    assert unusable({"question": "Q", "answer": ""}, answer_pattern="(3)").startswith("its answer is empty")


def test_what_is_wrong_with_a_kind_is_named_by_its_column() -> None:
    columns: Row = {"columns": {"answer_kind": "kind"}}
    said = unusable({"question": "Q", "answer": "3", "kind": {}}, **columns)
    assert said == "its answer_kind is a dict, not a text or a number"
    asked: Row = {"columns": {"answer_kind": "{{ knd }}"}}
    assert refused([{"question": "Q", "kind": "x"}], **asked).startswith("columns.answer_kind: the rows have no column")
    made: Row = {"columns": {"answer_kind": "{{ 1 / n }}"}}
    assert unusable({"question": "Q", "answer": "3", "n": 0}, **made).startswith("columns.answer_kind fails on it (")


def test_a_list_that_is_one_answer_is_told_how_to_write_it() -> None:
    assert unusable({"question": "Q", "answer": [2, 3]}, answer_kind="tuple") == (
        "its answer is a list, of which any item is right, and answer_kind is tuple; write each truth as a text of its "
        "own, such as '2, 3'"
    )


def test_an_answer_that_the_pattern_misses_is_shown_up_to_60_characters() -> None:
    said = unusable({"question": "Q", "answer": "x" * 70}, answer_pattern="(y)")
    assert said == f"answer_pattern finds nothing in its answer '{'x' * 60}'; fix the pattern or the row"
    assert unusable({"question": "Q", "answer": "a  b"}, answer_pattern="a( +)b").startswith("answer_pattern finds")


def test_a_pattern_looks_over_several_lines() -> None:
    row = {"question": "Q", "answer": "so\n<answer>\n5 or\n6\n</answer>"}
    assert problem(row, answer_pattern="<answer>(.*)</answer>").answer == "5 or\n6"


def test_as_many_images_as_are_allowed_are_taken() -> None:
    row = {"question": "Q", "images": ["a.png", "b.png"]}
    assert problem(row, max_images=2).images == ["a.png", "b.png"]
    assert "it has 2 images, max_images is 1" in unusable(row, max_images=1)
    assert "max_images is 0" in unusable(row, max_images=0)


def test_the_further_columns_keep_the_question_and_lose_a_chat_and_images() -> None:
    row: Row = {"question": "Q", "image": "a.png", "level": 1, "prompt": [{"role": "user", "content": "Q"}]}
    assert problem(row).meta == {key: row[key] for key in ("question", "level", "prompt")}
    chat = problem(row, columns={"question": "prompt", "images": []}, ignore_columns=["image"])
    assert chat.messages == ({"role": "user", "content": [{"type": "text", "text": "Q"}]},)
    assert chat.meta == {key: row[key] for key in ("question", "image", "level")}


def test_a_chat_inside_a_column_is_found() -> None:
    row: Row = {"data": {"chat": [{"role": "user", "content": "Q"}]}, "answer": 1}
    found = problem(row, columns={"question": "data.chat"})
    assert (found.question, len(found.messages), found.meta) == ("Q", 1, row)


def test_a_template_names_what_it_lacks_by_its_setting() -> None:
    rows: list[Row] = [{"text": "Q", "name": "a"}]
    settings: Row = {"columns": {"question": "text", "images": "{{ nam }}.png"}}
    assert refused(rows, **settings) == "columns.images: the rows have no column 'nam'; did you mean 'name'?"
    # Only in the question's own template does `question` stand for the mapped column.
    settings["columns"]["images"] = "{{ question }}.png"
    assert refused(rows, **settings).startswith("columns.images: the rows have no column 'question'")
    assert refused(rows, columns={"question": "text"}, filter="question != ''").startswith("filter: the rows have no")
    assert problem(rows[0], columns={"question": "text"}, question="{{ question }}!").question == "Q!"


def test_what_a_template_or_a_filter_reads_is_read() -> None:
    rows: list[Row] = [{"question": "Q", "clip": "a.mp4", "level": 1, "figure": "a.png"}]
    assert "'clip' holds video" in refused(rows, ignore_columns=["figure"])
    for question, condition in (("{{ clip }}", "level > 0"), ("{{ level }}", "clip != ''")):
        found = reader(rows, question=question, filter=condition, columns={"images": "{{ figure }}"})
        assert found.accepted(rows[0])
    assert refused(rows, question="{{ clip }}", filter="level > 0").startswith("columns: 'figure' holds images")


def test_a_question_that_looks_like_a_file_is_a_question() -> None:
    assert problem({"question": "a.png", "answer": "b.png x"}).question == "a.png"


@pytest.mark.parametrize(
    ("value", "media", "fix"),
    [
        ("a.mp4", {}, "holds video, which nothing reads; name it in ignore_columns"),
        ("a.flac", {}, "holds sound, which nothing reads; name it in ignore_columns"),
        ("a.TIFF", {}, "holds images, which nothing reads; name it in columns.images or in ignore_columns"),
        ("x", {"more": "bytes"}, "holds bytes, which nothing reads; name it in columns.images or in ignore_columns"),
    ],
)
def test_a_column_that_nothing_reads_says_where_to_name_it(value: str, media: Mapping[str, str], fix: str) -> None:
    assert refused([{"question": "Q", "more": value}], media) == f"columns: 'more' {fix}"


def test_a_column_is_media_only_where_all_its_values_are() -> None:
    for values in (["a.png", "a word"], ["a.png", 1], ["a.png", "a.mp4"], [None, None], [".png", "a.png"]):
        assert reader([{"question": "Q", "more": value} for value in values]).question == "question"
    assert "'more' holds images" in refused([{"question": "Q", "more": value} for value in ("a.png", None, " b.gif ")])


def test_dots_reach_into_nested_columns() -> None:
    row: Row = {"a": {"b": {"c": 1}}, "a.b": 2, "text": "b"}
    assert cell(row, "a.b") == 2
    assert cell(row, "a.b.c") == 1
    assert cell(row, "a.x.c") is None
    assert cell(row, "text.b") is None


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["A", "two"], ["(A)", "(B) two"]),
        ([1, 2.5], ["(A) 1", "(B) 2.5"]),
        ("['x', 'y']", ["(A) x", "(B) y"]),
        ("only one", ["(A) only one"]),
        ("  ", []),
        ("[]", []),
        ([], []),
        (None, []),
    ],
)
def test_choices_as_lettered_lines(options: Any, lines: list[str]) -> None:
    assert lettered(options) == "\n".join(lines)


def test_choices_end_with_the_alphabet() -> None:
    assert lettered(["x"] * 26).splitlines()[-1] == "(Z) x"
    with pytest.raises(UnusableError, match="it has 27 choices, more than letters"):
        lettered(["x"] * 27)
