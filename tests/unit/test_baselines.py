"""What the words of a question earn without its image: over all that geometry can ask, and a sample of counting."""

from __future__ import annotations

import pytest

from mr1.tasks import counting, geometry, load_task
from mr1.tasks.base import generator
from mr1.tasks.baselines import PREDICTORS, Case, Words, best_formula, ceiling, earned, excluded, majority, memorised
from mr1.tasks.counting.questions import ask, draw_query, matching
from mr1.tasks.counting.scene import CLEVR, draw_scene

HELD_OUT = ("validation", "test")
SCENES = 2500


def case(question: str, formula: int, weight: float, kind: str = "k") -> Case:
    answers = {"q": ("1", "2", "3"), "r": ("1", "2", "4"), "new": ("5", "6", "7")}[question]
    return Case(Words(question, kind, answers), formula, weight)


def test_each_predictor_learns_what_it_says() -> None:
    seen = [case("q", 0, 0.2), case("q", 1, 0.3), case("r", 2, 0.5)]
    words = {question: case(question, 0, 1).words for question in ("q", "r", "new")}
    assert {majority(seen)(each) for each in words.values()} == {"4"}
    assert [best_formula(seen)(each) for each in words.values()] == ["3", "4", "7"]
    assert [memorised(seen)(each) for each in words.values()] == ["2", "4", "7"]
    assert [excluded(seen)(each) for each in words.values()] == ["3", "1", "7"]
    assert earned(memorised(seen), seen) == ceiling(seen) == pytest.approx(0.8)
    assert earned(excluded(seen), seen) == 0


def test_formulas_that_agree_are_right_together() -> None:
    same = Words("s", "k", ("40", "40", "140"))
    seen = [Case(same, formula, 1 / 3) for formula in range(3)]
    assert earned(best_formula(seen), seen) == ceiling(seen) == pytest.approx(2 / 3)


def test_a_split_that_shares_questions_but_not_figures_is_found_out() -> None:
    """What these predictors are there to notice: one figure of a question in train, the other one held out."""
    names = [f"q{number}" for number in range(60)]
    train = [Case(Words(name, "k", (f"{i}", f"{i + 100}")), i % 2, 1 / 60) for i, name in enumerate(names)]
    held_out = [Case(each.words, 1 - each.formula, each.weight) for each in train]
    assert earned(memorised(train), held_out) == 0
    assert earned(excluded(train), held_out) == pytest.approx(1)


@pytest.fixture(scope="module")
def geometry_cases() -> dict[str, tuple[Case, ...]]:
    return {split: geometry.cases(split) for split in ("train", *HELD_OUT)}


def test_geometrys_cases_are_all_that_it_asks(geometry_cases: dict[str, tuple[Case, ...]]) -> None:
    theorems = geometry.THEOREMS.values()
    number = sum(len(theorem.names) * len(theorem.values) * len(theorem.variants) for theorem in theorems)
    assert sum(map(len, geometry_cases.values())) == number
    task = load_task("geometry")
    for split, cases in geometry_cases.items():
        assert sum(case.weight for case in cases) == pytest.approx(1)
        known = {(case.words.question, case.words.kind, case.answer) for case in cases}
        samples = [task.sample(split, 0, index) for index in range(50)]
        assert {(each.question, each.meta["theorem"], each.answer) for each in samples} <= known


@pytest.mark.parametrize("split", HELD_OUT)
def test_geometrys_words_tell_no_figure(split: str, geometry_cases: dict[str, tuple[Case, ...]]) -> None:
    """Every figure of a theorem is as likely as any other, so nothing beats the best formula: 5 of 11, exactly."""
    train, held_out = geometry_cases["train"], geometry_cases[split]
    shares = {name: earned(learn(train), held_out) for name, learn in PREDICTORS.items()}
    assert shares["majority"] < 0.1
    assert shares["best formula"] == pytest.approx(5 / 11)
    # No held-out question was seen, so whoever learned the training questions by heart knows no more.
    assert shares["memorised"] == shares["excluded"] == shares["best formula"]
    assert ceiling(held_out) == pytest.approx(5 / 11)
    familiar = sum(case.weight for case in held_out if case.words.answers[0] == case.answer)
    assert familiar == pytest.approx(14 / 33), "what the hasty teacher takes for granted"


@pytest.fixture(scope="module")
def counting_cases() -> dict[str, list[Case]]:
    return {split: counting.cases(split, SCENES) for split in ("train", "test", "shifted")}


def test_countings_words_tell_little(counting_cases: dict[str, list[Case]]) -> None:
    """Questions are few and common to all splits; the scenes are what the splits share none of."""
    train, held_out = counting_cases["train"], counting_cases["test"]
    assert sum(case.weight for case in held_out) == pytest.approx(1)
    shares = {name: earned(learn(train), held_out) for name, learn in PREDICTORS.items()}
    assert shares["majority"] < 0.2
    assert max(shares.values()) < 0.24
    # The values of an attribute are interchangeable, so no rule beats the likeliest number of each kind. A rule for
    # each of the 227 questions is fitted to fewer scenes.
    assert shares["best formula"] == pytest.approx(counting.WORDS_SHARES["counting"], abs=0.01)
    assert shares["memorised"] == pytest.approx(counting.WORDS_SHARES["counting"], abs=0.015)


def test_countings_share_is_that_of_every_split(counting_cases: dict[str, list[Case]]) -> None:
    """Another world asks by other values of the same attributes: what is learned of the kinds holds there too."""
    share = earned(best_formula(counting_cases["train"]), counting_cases["shifted"])
    assert share == pytest.approx(counting.WORDS_SHARES["counting"], abs=0.01)


@pytest.mark.parametrize("name", ["counting-3-5", "counting-6-8", "counting-9-10"])
def test_countings_share_with_fewer_numbers(name: str) -> None:
    rule = best_formula(counting.cases("train", 4000, name))
    assert earned(rule, counting.cases("test", 4000, name)) == pytest.approx(counting.WORDS_SHARES[name], abs=0.02)


def test_countings_cases_are_as_its_scenes(counting_cases: dict[str, list[Case]]) -> None:
    """They are drawn without places, which hardly matters: few sets of objects find no place."""
    predict = best_formula(counting_cases["train"])
    numbers = counting_cases["test"][0].words.answers
    right = []
    for index in range(300):
        rng = generator("scene", index)
        objects = draw_scene("test", rng).meta()["objects"]
        query = draw_query(objects, CLEVR, rng)
        words = Words(ask(query), " ".join(query) or "all", numbers)
        right.append(predict(words) == str(len(matching(objects, query))))
    assert sum(right) / len(right) == pytest.approx(counting.WORDS_SHARES["counting"], abs=0.05)


@pytest.mark.parametrize("split", HELD_OUT)
def test_tasks_tell_their_baseline(split: str) -> None:
    baselines = [load_task(name).baseline(split) for name in ("geometry", "counting")]
    assert [each.share for each in baselines if each] == [pytest.approx(5 / 11), counting.WORDS_SHARES["counting"]]
