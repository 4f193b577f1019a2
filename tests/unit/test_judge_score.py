"""Files of outputs: published numbers row by row, the documented differences, and mistakes in a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mr1.errors import UserError
from mr1.judge.presets import find_rule
from mr1.judge.score import Difference, Row, differences, markdown, read_rows, score, summary, table
from mr1.judge.verdict import Verdict
from mr1.report.console import Console

DOCS = Path(__file__).parents[2] / "docs" / "judge.md"
PUBLISHED = {
    "superclevr-200": ("r1v/outputs-superclevr-qwen2-vl-2b-grpo-100-steps.jsonl", 165, 200),
    "geoqa-test": ("r1v/outputs-geoqa-qwen2-vl-7b-base.jsonl", 231, 754),
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_r1v_counts_the_rows_that_r1v_counted(preset: str, shared_data: Path) -> None:
    name, correct, total = PUBLISHED[preset]
    file = shared_data / name
    verdicts = score(read_rows(file), preset, "r1v")
    published = [json.loads(line)["counted_correct"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert [verdict is Verdict.RIGHT for verdict in verdicts] == published
    assert summary(verdicts)["correct"] == correct
    assert summary(verdicts)["rows"] == total


@pytest.mark.parametrize(("preset", "correct", "missing"), [("superclevr-200", 165, 0), ("geoqa-test", 200, 90)])
def test_strict_on_the_published_outputs(preset: str, correct: int, missing: int, shared_data: Path) -> None:
    result = summary(score(read_rows(shared_data / PUBLISHED[preset][0]), preset, "strict"))
    assert (result["correct"], result["missing"]) == (correct, missing)
    assert result["unreadable_truths"] == []
    assert result["undecided"] == {}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_every_row_where_the_scorers_differ_is_documented(preset: str, shared_data: Path) -> None:
    found = markdown(list(differences(read_rows(shared_data / PUBLISHED[preset][0]), preset))).split("\n")[2:]
    assert found == ([] if preset == "superclevr-200" else [row.rpartition(" | ")[0] + " |" for row in _documented()])


def test_the_documented_counts_of_who_is_right_are_those_of_the_list() -> None:
    rights = [row.rpartition(" | ")[2].removesuffix(" |") for row in _documented()]
    counts = {name: rights.count(name) for name in ("strict", "form")}
    assert sum(counts.values()) == len(rights) == 55
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    assert f"`strict` is right on {counts['strict']}" in text
    assert f"{counts['form']} are a matter of form" in text


def _documented() -> list[str]:
    lines = DOCS.read_text(encoding="utf-8").split("\n")
    start = lines.index("| row | truth | answer | r1v | strict | right |") + 2
    return lines[start : lines.index("", start)]


def test_summary() -> None:
    verdicts = [Verdict.RIGHT, Verdict.MISSING, Verdict.UNREADABLE_TRUTH, Verdict.TIMEOUT, Verdict.RIGHT]
    result = summary(verdicts)
    assert (result["rows"], result["correct"], result["accuracy"], result["missing"]) == (5, 2, 0.4, 1)
    assert result["low"] < 0.4 < result["high"]
    assert result["unreadable_truths"] == [2]
    assert result["undecided"] == {"timeout": [3]}
    with (console := Console()).rich.capture() as captured:
        console.rich.print(table(result, "outputs"))
    for words in ("40.00%", "1 (rows 2)", "timeout: 1 (rows 3)"):
        assert words in captured.get()


def test_differences_fit_a_table() -> None:
    rows = [
        Row("<answer>|x|`</answer>" + "y" * 99, "|x|"),
        Row("3 is a number, 4 too; so " + "on and " * 20 + "the answer is 7", "7"),
        Row("so 7: <answer>7</answer>", "7"),
    ]
    found = list(differences(rows, "geoqa-test"))
    assert found[-1] == Difference(1, "7", found[-1].answer, Verdict.RIGHT, Verdict.MISSING)
    assert len(found[-1].answer) <= 60
    assert found[-1].answer.endswith("the answer is 7")
    for line in markdown([*found, Difference(0, "|x|", "`|", Verdict.WRONG, Verdict.RIGHT)]).split("\n"):
        assert len(re.findall(r"(?<!\\)\|", line)) == 6


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "no rows; each line is an object with model_output and ground_truth"),
        ('{"model_output": "x", "ground_truth": 1}\n{oops', "line 2: no JSON"),
        ("[" * 100_000, "line 1: no JSON"),
        ('{"model_output": "x", "ground_truth": ' + "1" * 5000 + "}", "line 1: "),
        ("[1]", "line 1: not an object"),
        ('{"output": "x", "ground_truth": 1}', "line 1: no field model_output; rename the column that holds it"),
        ('\n{"model_output": "x"}', "line 2: no field ground_truth"),
        ('{"model_output": null, "ground_truth": 1}', "line 1: model_output is null; give the model's text"),
        ('{"model_output": ["x"], "ground_truth": 1}', "line 1: model_output is a list"),
        ('{"model_output": "x", "ground_truth": null}', "line 1: ground_truth is null; give text or a number"),
        ('{"model_output": "x", "ground_truth": true}', "line 1: ground_truth is a boolean"),
    ],
)
def test_a_mistake_in_a_file_is_named(lines: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "outputs.jsonl"
    file.write_text(lines)
    with pytest.raises(UserError) as caught:
        read_rows(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.jsonl: can't be read"):
        read_rows(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9")
    with pytest.raises(UserError, match=r"latin\.jsonl: can't be read as text in UTF-8"):
        read_rows(tmp_path / "latin.jsonl")
    with pytest.raises(UserError, match="can't be read"):
        read_rows(tmp_path)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="--preset: unknown 'geoqa'; did you mean 'geoqa-test'"):
        find_rule("geoqa", "r1v")
    with pytest.raises(UserError, match="--scorer: unknown 'stric'; did you mean 'strict'"):
        find_rule("geoqa-test", "stric")
