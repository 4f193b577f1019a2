"""Figures that follow from outcomes, against numbers worked by hand and against other implementations."""

from __future__ import annotations

import itertools
from dataclasses import replace
from statistics import mean
from typing import Any

import pytest
from PIL import Image

from mr1.evaluate.intervals import wilson
from mr1.evaluate.outcome import Evaluation, Outcome, interval, pass_at
from mr1.judge.verdict import Verdict
from mr1.tables import encode_images
from mr1.tasks.base import Baseline

RIGHT, WRONG, MISSING = Verdict.RIGHT, Verdict.WRONG, Verdict.MISSING


def _outcome(sample: int, verdict: Verdict, attempt: int = 0, **fields: Any) -> Outcome:
    known = {"well_formed": True, "truncated": False, "subject": None, "difficulty": None}
    return Outcome(f"t/test/0/{sample}", attempt, "how many?", "3", f"text {attempt}", verdict, **(known | fields))


def test_pass_at_k_is_the_share_of_draws_with_a_right_one() -> None:
    """Against counting every draw of k of the attempts."""
    for attempts, correct in itertools.product(range(1, 7), range(7)):
        if correct > attempts:
            continue
        marks = [index < correct for index in range(attempts)]
        for k in range(1, attempts + 1):
            draws = [any(draw) for draw in itertools.combinations(marks, k)]
            assert pass_at(k, attempts, correct) == pytest.approx(mean(draws))


def test_one_attempt_each() -> None:
    outcomes = [
        _outcome(0, RIGHT, subject="angles", difficulty="2"),
        _outcome(1, WRONG, subject="areas", difficulty="10", truncated=True),
        _outcome(2, MISSING, subject="angles", difficulty="2", well_formed=False),
        _outcome(3, Verdict.TIMEOUT, subject="angles"),
    ]
    figures = Evaluation("t", "test", outcomes).summary()
    assert figures["accuracy"] == 0.25
    assert (figures["low"], figures["high"]) == wilson(1, 4)
    assert (figures["n"], figures["missing"], figures["truncated"]) == (4, 1, 1)
    assert figures["format_rate"] == 0.75
    assert figures["undecided"] == {"timeout": 1}
    assert {kind: part["n"] for kind, part in figures["by_subject"].items()} == {"angles": 3, "areas": 1}
    assert figures["by_subject"]["angles"]["accuracy"] == pytest.approx(1 / 3)
    assert list(figures["by_difficulty"]) == ["2", "10"]  # by value, not by letter
    assert "attempts" not in figures


def test_the_baseline_is_the_tasks_or_the_most_frequent_answer() -> None:
    answers = ["4", "4", "7", "4", "2"]
    outcomes = [replace(_outcome(i, WRONG, k), answer=answer) for i, answer in enumerate(answers) for k in range(2)]
    measured = Evaluation("t", "test", outcomes)
    assert measured.summary()["baseline"] == {"name": "most frequent answer", "share": 0.6}
    known = Baseline("words alone", 0.25)
    told = Evaluation("t", "test", outcomes, known=known)
    assert told.summary()["baseline"] == {"name": "words alone", "share": 0.25}
    assert Evaluation.from_table(told.table(), known=known).summary() == told.summary()


def test_several_attempts_each() -> None:
    marks = [[RIGHT, RIGHT, WRONG, WRONG], [WRONG] * 4, [RIGHT] * 4]
    outcomes = [_outcome(i, verdict, k) for i, row in enumerate(marks) for k, verdict in enumerate(row)]
    figures = Evaluation("t", "test", outcomes).summary()
    assert figures["n"] == 3
    assert figures["attempts"] == 4
    assert figures["accuracy"] == figures["pass@1"] == pytest.approx(0.5)
    assert figures["pass@2"] == pytest.approx((5 / 6 + 0 + 1) / 3)
    assert figures["pass@4"] == pytest.approx(2 / 3)
    assert "pass@3" not in figures


def test_attempts_at_one_sample_are_not_taken_for_independent() -> None:
    """Ten samples whose eight attempts agree say no more than ten samples do; 80 independent ones would say more."""
    samples = [[_outcome(i, RIGHT if i < 5 else WRONG, k) for k in range(8)] for i in range(10)]
    low, high = interval(samples)
    assert (low, high) == pytest.approx(wilson(5, 10), abs=1e-12)
    assert high - low > wilson(40, 80)[1] - wilson(40, 80)[0]
    certain = [[_outcome(i, RIGHT, k) for k in range(8)] for i in range(10)]
    assert interval(certain) == wilson(10, 10)


def test_kinds_have_the_same_interval() -> None:
    outcomes = [
        _outcome(i, RIGHT if (i + k) % 3 else WRONG, k, subject="a" if i < 7 else "b")
        for i in range(12)
        for k in range(4)
    ]
    figures = Evaluation("t", "test", outcomes).summary()
    for subject, part in figures["by_subject"].items():
        alone = Evaluation("t", "test", [each for each in outcomes if each.subject == subject]).summary()
        assert part == {key: alone[key] for key in ("accuracy", "low", "high", "n")}


def test_a_table_holds_everything() -> None:
    image = Image.new("RGB", (4, 3), (1, 2, 3))
    evaluation = Evaluation(
        "t", "test", [_outcome(0, RIGHT, images=encode_images([image])), _outcome(1, MISSING, subject="a", images=[])]
    )
    table = evaluation.table()
    assert table["correct"].to_pylist() == [True, False]
    assert [len(images) for images in table["images"].to_pylist()] == [1, 0]
    assert Evaluation.from_table(table.drop_columns(["images"])).summary() == evaluation.summary()
    evaluation.unusable = 3
    assert evaluation.summary()["unusable"] == 3
