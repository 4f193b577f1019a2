"""What is accepted as a row's answer: settings, columns, several texts, choices, wrappings, and what can't be read."""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import datasets
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mr1.data.problem import Reader, lettered
from mr1.data.settings import AnswerKind, Source
from mr1.data.source import SourceTask
from mr1.data.truths import LETTERS, as_choices, as_decimals, chosen, letter, listed, unreadable, unwrapped
from mr1.errors import UnusableError, UserError
from mr1.judge import strict
from mr1.judge.truth import Kind, Tolerance, Truth
from mr1.judge.verdict import LONGEST_ANSWER

Row = dict[str, Any]

WORDS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
PLAIN_TEXTS = WORDS.map(str.strip).filter(lambda text: len(text) > 1 and not text.startswith(("(", "[", "{")))


def truth(row: Row, **settings: Any) -> Truth:
    row = {"question": "?"} | row
    found = Reader(Source(path="rows.jsonl", **settings), [row], {}).problem(row)
    assert found.answer == found.truth.accepted[0]
    return found.truth


def refused(row: Row, **settings: Any) -> str:
    with pytest.raises(UnusableError) as caught:
        truth(row, **settings)
    return str(caught.value)


def test_the_settings_kinds_are_the_judges() -> None:
    assert get_args(AnswerKind) == tuple(Kind)


def test_what_a_source_says_of_its_answers_arrives_in_its_samples(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "?", "answer": "10 %"}))
    path = str(tmp_path / "rows.jsonl")
    plain = SourceTask("own", Source(path=path)).sample("train", 0, 0)
    assert plain.stated is None
    assert plain.truth == Truth(("10 %",))
    said: dict[str, Any] = {
        "answer_kind": "number",
        "tolerance": {"relative": 0.05, "decimals": 2},
        "percent": "strict",
        "units": "required",
        "case": True,
    }
    sample = SourceTask("own", Source(path=path, **said)).sample("train", 0, 0)
    assert sample.answer == "10 %"
    assert sample.stated == sample.truth
    assert sample.truth == Truth(("10 %",), Kind.NUMBER, Tolerance(Fraction(1, 20), 2), "strict", "required", True)


def test_a_list_of_answers_is_of_answers_any_of_which_is_right() -> None:
    assert truth({"answer": ["3", " three ", 3, 3.0]}) == Truth(("3", "three"))
    assert truth({"answer": ["only"]}) == Truth(("only",))
    assert refused({"answer": []}) == "its answer is an empty list; write one or take the row out"
    assert refused({"answer": ["3", None]}).startswith("its answer is empty")
    assert refused({"answer": ["3", ["4"]]}) == "its answer is a list, not a text or a number"
    assert refused({"answer": [2, 3]}, answer_kind="tuple").startswith("its answer is a list, of which any item")
    assert truth({"answer": ["(2, 3)"]}, answer_kind="tuple").accepted == ("(2, 3)",)


def test_rows_may_say_for_themselves_how_they_are_meant() -> None:
    columns = {"answer_kind": "{{ {'int': 'number', 'list': 'list'}.get(type, '') }}", "decimals": "precision"}
    found = [
        truth({"answer": "3", "type": kind, "precision": precision}, columns=columns, answer_kind="date")
        for kind, precision in (("int", None), ("list", 1.0), ("other", ""))
    ]
    assert [each.kind for each in found] == [Kind.NUMBER, Kind.LIST, Kind.DATE]
    assert [each.tolerance.decimals for each in found] == [None, 1, None]
    plain: Row = {"columns": {"answer_kind": "kind"}}
    assert truth({"answer": "3", "kind": "version"}, **plain).kind is Kind.VERSION
    assert (
        refused({"answer": "3", "kind": "vershun"}, **plain) == "its answer_kind is 'vershun'; did you mean 'version'?"
    )
    assert refused({"answer": "3", "n": 1.5}, columns={"decimals": "n"}).startswith("its decimals are '1.5'; give")


@given(st.one_of(st.floats(), st.text(max_size=5), st.booleans(), st.lists(st.integers(), max_size=2), st.integers()))
def test_decimals_are_a_small_whole_number_or_refused(cell: Any) -> None:
    try:
        found = as_decimals(cell)
    except UnusableError:
        return
    assert found is None or (0 <= found <= 15 and found == float(cell))


def test_an_answer_may_be_worked_out_of_the_columns() -> None:
    row = {"answer": 1, "options": ["red", "blue"], "unit": "cm"}
    assert truth(row, answer="options[answer]") == Truth(("blue",))
    assert truth(row, answer="answer ~ ' ' ~ unit").accepted == ("1 cm",)
    assert truth(row, answer="answer | letter", columns={"choices": "options"}).accepted == ("B",)
    assert truth({"answer": "['a', 'b']"}, answer="answer | listed") == Truth(("a", "b"))
    assert truth({"a": 1, "b": 2}, answer="[a, b]") == Truth(("1", "2"))
    assert refused({"answer": 26}, answer="answer | letter").startswith("answer fails on it (26 is the number of no")
    assert "its answer is empty" in refused({"answer": "x"}, answer="answer.nothing")
    with pytest.raises(UserError, match="answer: the rows have no column 'unti'; did you mean 'unit'"):
        Reader(Source(path="rows.jsonl", answer="unti"), [{"question": "?"} | row], {})


@given(st.lists(PLAIN_TEXTS, min_size=1, max_size=26, unique=True), st.data())
def test_a_choice_is_its_letter_its_text_or_both(texts: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(texts) - 1))
    name, choices = LETTERS[place], as_choices(texts)
    assert len(choices) == len(texts)
    # A text that looks like a letter, alone or with words, may be ambiguous: then it is named.
    assume(not any(text[0].isascii() and text[0].isalpha() and not text[1].isalpha() for text in choices))
    ways = (name, name.lower(), f"({name})", f"{name}.", choices[place], f"{name}. {choices[place]}")
    assert {chosen(each, choices) for each in ways} == {name}


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
def test_an_answer_is_one_choice_for_certain_or_named(texts: list[str], answer: str) -> None:
    choices = tuple(texts)
    try:
        name = chosen(answer, choices)
    except UnusableError:
        return
    assert all(each in LETTERS[: len(choices)] for each in name if each.isalpha() and each.isupper())
    if answer in choices:
        assert choices[LETTERS.index(name)] == answer or name == answer


def test_letters_and_texts_of_choices() -> None:
    choices = {"columns": {"choices": "options"}}
    options = ["5 cm", "6 cm", "B"]
    stated = Truth(("A",), Kind.CHOICE, choices=("5 cm", "6 cm", "B"))
    for answer in ("A", "(a)", "5 cm", "A. 5 cm", ["A", "5 cm"]):
        assert truth({"answer": answer, "options": options}, **choices) == stated
    assert truth({"answer": "A, C", "options": options}, **choices).accepted == ("A, C",)
    assert truth({"answer": ["A", "C"], "options": options}, **choices).accepted == ("A", "C")
    assert truth({"answer": "5 m", "options": []}, **choices) == Truth(("5 m",))
    assert truth({"answer": "5 m", "options": None}, **choices) == Truth(("5 m",))
    assert refused({"answer": "B", "options": options}, **choices).startswith(
        "its answer 'B' may be choice B or C; say"
    )
    for answer, place in (("answer | letter", "B"), ("options.index(answer) | letter", "C")):
        assert truth({"answer": "B", "options": options}, answer=answer, **choices).accepted == (place,)
    for wrong in ("7 cm", "D", "A. 6 cm", "A, D"):
        said = refused({"answer": wrong, "options": options}, **choices)
        assert said.startswith(f"its answer {wrong!r} is neither the letter nor the text of one of its 3 choices")


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        (["x", 2, None], ("x", "2", "None")),
        ("['x', 'y']", ("x", "y")),
        ({"A": "x", "B": "y", "C": None}, ("x", "y")),
        (["A. x", "B) y", "(C) z"], ("x", "y", "z")),
        (["A. x", "A. y"], ("A. x", "A. y")),
        (["(A)", "(B)"], ("A", "B")),
        (None, ()),
    ],
)
def test_choices_however_they_are_written(options: Any, choices: tuple[str, ...]) -> None:
    assert as_choices(options) == choices
    assert lettered(options).count("\n") == max(len(choices) - 1, 0)


def test_choices_that_are_none_are_named() -> None:
    for options, said in ((3, "its choices are a int"), ({"first": "x"}, "its choices have the names first where A")):
        with pytest.raises(UnusableError, match=said):
            as_choices(options)
    for none in (True, -1, 26):
        with pytest.raises(ValueError, match="number of no letter"):
            letter(none)
    assert [letter(each) for each in (0, 25, 3.0, "A", "1", "red")] == ["A", "Z", "D", "A", "1", "red"]


@pytest.mark.parametrize(
    ("answer", "found", "where"),
    [
        ("<answer> 3 </answer>", "3", "between <answer> tags"),
        ("<think>1 + 2</think>\n<answer>3</answer>", "3", "between <answer> tags"),
        ("<ANSWER>3</ANSWER>", "3", "between <answer> tags"),
        ("1 + 2 = <<1+2=3>>3\n#### 3", "3", "behind ####"),
        ("3 # 4", "3 # 4", ""),
        ("x < answer", "x < answer", ""),
    ],
)
def test_what_plainly_wraps_an_answer_is_taken_off_and_counted(
    answer: str, found: str, where: str, tmp_path: Path
) -> None:
    assert unwrapped(answer) == (found, where)
    assert truth({"answer": answer}) == Truth((found,))
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "?", "answer": answer}))
    task = SourceTask("own", Source(path=str(tmp_path / "rows.jsonl")))
    said = f"own: 1 answers stand {where}, and are taken out"
    assert task.describe().splitlines()[1:] == ([said] if where else [])


@pytest.mark.parametrize(
    "answer",
    [
        "<answer>3",
        "3</answer>",
        "<answer>3</answer> or <answer>4</answer>",
        "#### 3\n#### 4",
        "#### 3\nso 3",
        "3</ANSWER>",
    ],
)
def test_what_may_wrap_an_answer_is_named(answer: str) -> None:
    assert "what of it is the answer is not plain; say it by the source's answer_pattern" in refused({"answer": answer})
    assert truth({"answer": answer}, answer_kind="text").accepted == (answer,)
    assert truth({"answer": answer}, answer_pattern=r"(\d)").accepted == ("3",)


@given(
    st.text(max_size=20), st.sampled_from(["<answer>{}</answer>", "<think>a</think><answer>{}</answer>", "b\n#### {}"])
)
def test_an_answer_comes_out_of_its_wrapping_as_it_was_or_stays(text: str, wrapping: str) -> None:
    found, where = unwrapped(wrapping.format(text))
    assert (found == text.strip()) if where else (found == wrapping.format(text))


def test_what_is_missing_or_no_number_is_no_answer() -> None:
    assert refused({"answer": math.nan}).startswith("its answer is empty")
    assert refused({"answer": ["1", math.nan]}).startswith("its answer is empty")
    assert refused({"answer": " nan"}) == refused({"answer": "NaN"}) == refused({"answer": None})
    assert truth({"answer": "Nan"}).accepted == ("Nan",)
    assert refused({"answer": -math.inf}).startswith(
        "its answer is -inf, which is no number to write; write it as text"
    )
    assert refused({"answer": "\ud800"}).startswith("its answer holds half of a surrogate pair")
    assert truth({"answer": Decimal("2.50")}).accepted == ("2.50",)
    assert truth({"answer": Decimal("2.0")}).accepted == ("2",)
    assert truth({"answer": date(2024, 1, 15)}).accepted == ("2024-01-15",)


def test_nan_is_empty_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows: list[Row] = [
        {"id": float(each), "question": "?", "answer": each, "hint": None, "image": None} for each in range(1, 4)
    ]
    rows += [{"id": math.nan, "question": "?", "answer": math.nan, "hint": math.nan, "image": None}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    datasets.Dataset.from_list([row | {"answer": float(row["answer"])} for row in rows]).to_parquet(
        tmp_path / "rows.parquet"
    )
    for name in ("rows.jsonl", "rows.json", "rows.parquet"):
        settings: Row = {"columns": {"id": "id"}, "question": "{{ question }}{{ hint or '' }}"}
        task = SourceTask("own", Source(path=str(tmp_path / name), **settings))
        assert task.size("train") == 3
        assert [row.reason for row in task.unusable] == ["its answer is empty; write one or take the row out"]
        assert task.unusable[0].id == "4"
        assert {task.sample("train", 0, index).question for index in range(3)} == {"?"}


TEXTS = ("7", "-2.50", "7 or 8", "?", "red", "(", "1/2", "x" * 600)


def test_answers_are_read_side_by_side_as_they_are_one_by_one() -> None:
    expected = {text: strict.unreadable(text) for text in TEXTS}
    texts = [text for _ in range(300) for text in TEXTS]
    truths = [(number, Truth((text,))) for number, text in enumerate(texts)]
    found = dict(unreadable(truths))
    assert {*found} == {number for number, text in enumerate(texts) if expected[text]}
    assert all(reason.startswith(expected[texts[number]]) for number, reason in found.items())
    named = dict(unreadable((number, Truth(each.accepted, Kind.TEXT)) for number, each in truths))
    assert {*named} == {number for number, text in enumerate(texts) if len(text) > LONGEST_ANSWER}
    assert all(reason.endswith("; shorten it") for reason in named.values())


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**14), max_value=10**14))
def test_a_plain_number_can_always_be_read(number: Decimal) -> None:
    assert strict.unreadable(str(number)) == ""


@pytest.mark.parametrize(
    ("text", "items"), [("['a', 'b']", ["a", "b"]), ("a", ["a"]), (" ", []), ("(1, 2)", ["(1, 2)"])]
)
def test_a_text_that_is_a_list(text: str, items: list[Any]) -> None:
    assert listed(text) == items
    assert listed(items) == items
