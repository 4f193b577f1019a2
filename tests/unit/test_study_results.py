"""What a study comes to, from records whose numbers are known."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from study_records import SAMPLES, make_placed, make_record, make_study

from mr1.errors import UserError
from mr1.study.gather import difficulties
from mr1.study.grid import study_cells
from mr1.study.record import Tested as Outcome
from mr1.study.results import UNTRAINED, collect
from mr1.study.statistics import compare, holm

GAINS = {("grpo-d", "counting", "counting"): 0.3, ("sft", "counting", "geometry"): -0.3}


def test_scores_are_those_of_the_records() -> None:
    study = make_study()
    placed = make_placed(study, GAINS)
    results = collect(study, placed)
    own = [record for cell, record in placed if (cell.method, cell.task, cell.sweep) == ("grpo-d", "counting", "")]
    arm = results.arm("grpo-d", "counting")
    assert arm is not None
    assert arm.seeds == [0, 1, 2]
    score = arm.scores["counting"]
    right = np.array([record.tests["after"]["counting"].bits for record in own])
    start = own[0].tests["before"]["counting"].bits
    assert score.accuracy.seeds == right.mean(axis=1).tolist()
    assert score.well_formed.value == pytest.approx(np.mean([r.tests["after"]["counting"].forms for r in own]))
    assert results.untrained["counting"].accuracy.seeds == [start.mean()]
    assert score.change is not None
    assert score.change.difference == pytest.approx(right.mean() - start.mean())
    assert score.over_untrained == pytest.approx(right.mean() / start.mean() - 1)
    assert score.forgotten is not None
    assert score.forgotten.value == pytest.approx(1 - right[:, start].mean())
    sft = results.arm("sft", "counting")
    assert sft is not None
    assert score.over_reference == pytest.approx(right.mean() / sft.scores["counting"].accuracy.value - 1)
    assert (sft.scores["geometry"].over_untrained or 0) < -0.3
    assert arm.kl["counting"].mean == pytest.approx(0.06)
    assert (arm.kl["counting"].low, arm.kl["counting"].high) == pytest.approx((0.05, 0.07))
    assert (arm.cost["samples"].mean, arm.cost["training"].mean) == (640.0, 101.0)
    assert [each.method for each in results.arms[:3]] == ["sft", "grpo", "grpo-d"]
    assert (results.done, results.asked, results.notes) == (27, 27, [])
    assert json.loads(json.dumps(results.plain(), allow_nan=False))["name"] == "trial"


def test_accuracy_by_difficulty_is_of_three_ranges() -> None:
    results = collect(study := make_study(), placed := make_placed(study, GAINS))
    arm = results.arm("grpo-d", "counting")
    assert arm is not None
    parts = arm.scores["counting"].by_difficulty
    assert [*parts] == ["3 to 5", "6 to 8", "9 to 10"]
    assert arm.scores["geometry"].by_difficulty == {}
    counts = [each.samples for each in parts.values()]
    assert sum(counts) == SAMPLES
    assert sum(each.value * each.samples for each in parts.values()) == pytest.approx(
        arm.scores["counting"].accuracy.value * SAMPLES
    )
    del placed
    few = Outcome("a", "101", "111", ["easy", "hard"], "011", {})
    assert {kind: of.tolist() for kind, of in difficulties(few).items()} == {
        "easy": [True, False, False],
        "hard": [False, True, True],
    }


def test_all_pairs_are_compared_and_corrected_within_their_table() -> None:
    study = make_study()
    placed = make_placed(study, GAINS)
    results = collect(study, placed)
    for table in ("same task", "other tasks"):
        contrasts = results.contrasts[table]
        assert len(contrasts) == 2 * (3 + 3)  # tasks x (pairs of three methods, each with the untrained model)
        assert [each.holm for each in contrasts] == holm([each.comparison.p for each in contrasts])
        assert all((each.trained == each.tested) == (table == "same task") for each in contrasts)
        assert all(each.detectable < each.detectable_in_table for each in contrasts)
    best = next(c for c in results.contrasts["same task"] if (c.one, c.other) == ("grpo-d", "sft"))
    one, other = (
        np.array(
            [r.tests["after"]["counting"].bits for c, r in placed if (c.method, c.task, c.sweep) == (m, "counting", "")]
        )
        for m in ("grpo-d", "sft")
    )
    assert best.comparison == compare(one.astype(float), other.astype(float))
    assert best.holm < 0.05
    assert {each.other for each in contrasts} == {UNTRAINED, "sft", "grpo"}


def test_sweeps_and_curves() -> None:
    study = make_study()
    results = collect(study, make_placed(study))
    sweep = results.sweeps[0]
    assert (sweep.name, sweep.key) == ("alpha", "rewards.format")
    assert [arm.value for arm in sweep.arms] == [0, 0.5, 1]
    assert {(arm.method, arm.trained, len(arm.seeds)) for arm in sweep.arms} == {("grpo-d", "geometry", 3)}
    curve = next(each for each in results.curves if (each.method, each.of) == ("grpo", "reward/accuracy"))
    assert curve.steps == [*range(40)]
    assert all(low <= mean <= high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))  # type: ignore[operator]
    assert not [each for each in results.curves if (each.method, each.of) == ("sft", "reward/accuracy")]
    watched = [each for each in results.validation if (each.method, each.trained) == ("sft", "counting")]
    assert [(each.of, each.steps) for each in watched] == [
        ("counting", [0, 10, 20, 30]),
        ("geometry", [0, 10, 20, 30]),
    ]


def test_a_study_that_goes_on_has_the_results_that_are_there() -> None:
    study = make_study()
    placed = make_placed(study)
    with pytest.raises(UserError, match="no run is done yet"):
        collect(study, [])
    part = [each for each in placed if each[0].seed == 0 and each[0].method == "grpo" and not each[0].sweep]
    first = collect(study, part[:1])
    assert (first.done, first.asked) == (1, 27)
    assert [(arm.method, arm.trained, arm.seeds) for arm in first.arms] == [("grpo", "counting", [0])]
    assert [(each.one, each.comparison.seeds) for each in first.contrasts["same task"]] == [("grpo", (1, 1))]
    assert first.sweeps[0].arms == []
    uneven = [each for each in placed if each[0].seed == 0 or each[0].method == "sft"]
    pair = next(each for each in collect(study, uneven).contrasts["same task"] if each.other == "sft")
    assert pair.comparison.seeds == (1, 3)
    swept = [each for each in placed if each[0].sweep]
    assert len(collect(study, swept).sweeps[0].arms) == 3


def test_runs_that_can_not_be_compared_are_refused_and_doubts_are_told() -> None:
    study = make_study()
    placed = make_placed(study)
    cell, record = placed[-1]
    tests = {stage: dict(of) for stage, of in record.tests.items()}
    tests["after"]["counting"] = replace(tests["after"]["counting"], ids="others")
    with pytest.raises(UserError, match="was tested on other samples of counting than sft"):
        collect(study, [*placed[:-1], (cell, replace(record, tests=tests))])

    tests = {stage: dict(of) for stage, of in record.tests.items()}
    answers = tests["before"]["geometry"]
    tests["before"]["geometry"] = replace(answers, right="1" * SAMPLES)
    other = (placed[0][0], replace(record, tests=tests, threads=2, mr1="0.2.0"))
    notes = collect(study, [*placed[1:], other]).notes
    assert [note.partition(":")[0] for note in notes] == [
        "The runs were made with different versions of MR1",
        "The runs were made with different numbers of threads",
        "The untrained model did not answer alike in all runs on geometry",
    ]


def test_a_large_study_takes_seconds() -> None:
    study = make_study(seeds=[0, 1, 2, 3, 4], sweeps={})
    cells = study_cells(study, {})
    placed = [(cell, make_record(cell)) for cell in cells]
    start = time.process_time()
    collect(study, placed)
    assert time.process_time() - start < 5
