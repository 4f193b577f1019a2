"""The generator of the judge's pairs: its labels, by other means than its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.judge.measure import measure
from benchmarks.judge.others import minerva, vlmevalkit
from benchmarks.judge.pair import Pair
from benchmarks.judge.pairs import pairs
from benchmarks.judge.report import side_by_side, summary, targets
from benchmarks.judge.rows import EXPECTED, LABELS, labelled
from benchmarks.judge.values import DRAWS
from benchmarks.judge.written import written

from mr1.judge import r1v, strict
from mr1.judge.tags import last_answer
from mr1.judge.truth import Truth
from mr1.judge.verdict import Verdict


@pytest.fixture(scope="module")
def tried() -> list[Pair]:
    return list(pairs(4000, seed=7))


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert list(pairs(300, seed=1)) == list(pairs(300, seed=1))
    assert list(pairs(300, seed=1)) != list(pairs(300, seed=2))


def test_no_pair_twice_and_none_with_two_labels(tried: list[Pair]) -> None:
    assert len({(pair.answer, pair.truth) for pair in tried}) == len(tried)


def test_each_family_has_right_and_wrong_ones(tried: list[Pair]) -> None:
    count = Counter((pair.family, pair.right) for pair in tried)
    assert {family for family, _ in count} == set(DRAWS)
    assert min(count.values()) >= 15


def test_what_others_say() -> None:
    assert minerva(r"$\sqrt{12}$", Truth((r"2\sqrt{3}",))) is Verdict.RIGHT
    assert minerva("x = 3 cm.", Truth(("3",))) is Verdict.RIGHT
    assert minerva("12,345", Truth(("12346",))) is Verdict.WRONG
    assert vlmevalkit("The answer is (B).", Truth(("B",))) is Verdict.RIGHT
    assert vlmevalkit("B or C", Truth(("B",))) is Verdict.WRONG
    assert vlmevalkit("it is red", Truth(("B",), choices=("blue", "red"))) is Verdict.RIGHT
    assert vlmevalkit("3.0", Truth(("3",))) is Verdict.WRONG  # int() doesn't read it
    assert vlmevalkit("3.50", Truth(("3.5",))) is Verdict.RIGHT


def test_labels_are_of_455_different_rows() -> None:
    labels = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    assert len({(label["file"], label["row"]) for label in labels}) == len(labels) == 455
    assert {str(label["label"]).lower() for label in labels} == set(EXPECTED)
    assert all(set(label) == {"file", "row", "label", "why"} and label["why"] for label in labels)


def test_real_rows_are_judged_as_they_were_labelled(shared_data: Path) -> None:
    rows = labelled(shared_data / "r1v")
    assert {row.label for row in rows if last_answer(row.output) is None} == {"form"}
    wrong = [row for row in rows if strict.judge(row.output, row.truth) is not EXPECTED[row.label]]
    assert not wrong


def test_a_judge_that_says_right_to_all_is_measured_as_such(tried: list[Pair]) -> None:
    found = summary(measure(lambda *_: Verdict.RIGHT, tried), seed=7)
    right = sum(pair.right for pair in tried)
    assert found["all"]["right called right"] == found["all"]["right"] == right
    assert found["all"]["wrong called right"] == found["all"]["wrong"] == len(tried) - right
    assert sum(row["called right"] for row in found["wrong_by_change"].values()) == len(tried) - right
    assert found["plain"]["verdicts"] == len(tried)
    assert found["algebra"]["verdicts"] == 0
    reached = list(targets(found).values())
    assert reached == [False, True, True, True, True]
    assert side_by_side({"all": found}).endswith("| all | 100.0 / 0.0 |")


def test_verdicts_that_ask_a_worker_are_counted_apart() -> None:
    tried = [
        Pair("closed form", "2√3", Truth((r"\sqrt{12}",)), True, "", ""),
        Pair("integer", "7", Truth(("8",)), False, "", "digit"),
    ]
    result = measure(lambda answer, truth: r1v.whole_output(answer, truth) if "√" in answer else Verdict.WRONG, tried)
    assert (result.algebra.verdicts, result.plain.verdicts) == (1, 1)


def test_written_pairs_are_judged_as_they_are_labelled() -> None:
    """A ninth of them: no wrong one is called right; the page lists the few right ones that are refused."""
    tried = [*written()][::9]
    called_right = {pair for pair in tried if strict.judge_answer(pair.answer, pair.truth) is Verdict.RIGHT}
    accepted = [pair for pair in called_right if not pair.right]
    refused = [pair for pair in tried if pair.right and pair not in called_right]
    assert accepted == []
    assert len(refused) <= sum(pair.right for pair in tried) / 40
