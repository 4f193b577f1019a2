"""The geometry task: its figures are measured here, independently of the arithmetic that made them."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mr1.tasks.base import generator, split_of
from mr1.tasks.geometry import GLANCED, THEOREMS, GeometryTask, key, wordings
from mr1.tasks.geometry.figures import draw
from mr1.tasks.geometry.problem import Figure, Problem
from mr1.types import Sample

TASK = GeometryTask()
SIZES = {"train": 600, "validation": 300, "test": 300}
VARIANTS = [(name, variant) for name, theorem in THEOREMS.items() for variant in theorem.variants]


@pytest.fixture(scope="module")
def samples() -> dict[str, list[Sample]]:
    return {split: [TASK.sample(split, 3, i) for i in range(size)] for split, size in SIZES.items()}


def measured(points: dict[str, Any], name: str) -> float:
    """Degrees of the angle "ABC" at B."""
    first, vertex, last = (np.array(points[letter], dtype=float) for letter in name)
    u, v = first - vertex, last - vertex
    return float(np.degrees(np.arctan2(abs(u[0] * v[1] - u[1] * v[0]), u @ v)))


def figure_points(figure: Figure) -> dict[str, list[float]]:
    return {name: [point.real, point.imag] for name, point in figure.points.items()}


def builds(name: str, variant: str, count: int) -> list[Problem]:
    """Some problems of one variant, with letters and numbers from all of its range."""
    theorem, rng = THEOREMS[name], generator("test", name, variant)
    return [
        theorem.build(
            variant,
            theorem.names[int(rng.integers(len(theorem.names)))],
            theorem.values[int(rng.integers(len(theorem.values)))],
            rng,
        )
        for _ in range(count)
    ]


def check_arithmetic(reasoning: str, answer: str) -> None:
    """Every step is right, steps follow one another, and the last number is the answer."""
    steps = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", reasoning)
    assert len(steps) == len(re.findall(r"[-+*/]", reasoning.replace("co-interior", "")))
    for left, sign, right, result in steps:
        a, b = int(left), int(right)
        assert {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign] == int(result), reasoning
    for (*_, result), (left, _, right, _) in pairwise(steps):
        assert result in (left, right), reasoning
    assert reasoning.split()[-1] == answer


def test_a_sample_depends_on_split_seed_and_index_alone() -> None:
    for index in range(20):
        first, again = TASK.sample("train", 1, index), GeometryTask().sample("train", 1, index)
        assert first.images[0].tobytes() == again.images[0].tobytes()
        assert (first.id, first.question, first.answer, first.reasoning, first.meta) == (
            again.id,
            again.question,
            again.answer,
            again.reasoning,
            again.meta,
        )
        assert first.id == f"geometry/train/1/{index}"
        assert first.images[0].tobytes() != TASK.sample("train", 2, index).images[0].tobytes()


def test_splits_share_no_wording_and_each_has_every_variant(samples: dict[str, list[Sample]]) -> None:
    for split, members in samples.items():
        assert {(sample.meta["theorem"], sample.meta["variant"]) for sample in members} == set(VARIANTS), split
        for meta in (sample.meta for sample in members):
            assert (meta["names"], tuple(meta["values"])) in wordings(meta["theorem"], split)
            assert split_of(key(meta["theorem"], meta["names"], tuple(meta["values"]))) == split


def test_no_question_is_asked_in_two_splits() -> None:
    """By the text itself and over everything that can be drawn: all theorems, letters, numbers and variants."""
    asked: dict[str, tuple[Any, ...]] = {}
    count = 0
    for name, theorem in THEOREMS.items():
        for split in TASK.splits:
            for wording in wordings(name, split):
                for variant in theorem.variants:
                    text = theorem.build(variant, *wording, generator("any shape")).question
                    assert asked.setdefault(text, (split, name, *wording)) == (split, name, *wording), text
                count += 1
        assert count == len(asked), "every wording has one text, and no other has it"
    assert count == sum(len(theorem.names) * len(theorem.values) for theorem in THEOREMS.values())


@pytest.mark.parametrize("name", THEOREMS)
def test_every_split_has_enough_wordings_of_a_theorem(name: str) -> None:
    sizes = {split: len(wordings(name, split)) for split in TASK.splits}
    assert sizes["train"] > 4 * max(sizes["validation"], sizes["test"])
    for split in ("validation", "test"):
        assert sizes[split] >= 7, split
        assert len({values for _, values in wordings(name, split)}) >= 5, split
    # No number is met on held-out samples alone.
    assert {values for _, values in wordings(name, "train")} == set(THEOREMS[name].values)


def test_the_figure_has_the_angles_that_text_and_answer_state(samples: dict[str, list[Sample]]) -> None:
    for sample in [sample for members in samples.values() for sample in members]:
        meta = json.loads(json.dumps(sample.meta))
        assert 0 < int(sample.answer) < 180
        assert str(int(sample.answer)) == sample.answer
        assert measured(meta["points"], meta["asked"]) == pytest.approx(int(sample.answer), abs=0.01)
        assert meta["angles"][meta["asked"]] == int(sample.answer)
        stated = {spoken: int(degrees) for spoken, degrees in re.findall(r"angle (\w+) = (\d+)°", sample.question)}
        assert stated
        assert stated.keys() == meta["given"].keys()
        for spoken, degrees in stated.items():
            assert degrees % 5 == 0
            assert meta["angles"][meta["given"][spoken]] == degrees
            assert measured(meta["points"], meta["given"][spoken]) == pytest.approx(degrees, abs=0.01)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_the_marks_of_a_figure_are_true(name: str, variant: str) -> None:
    """Ticked segments are equal, squares are right angles, arcs equal angles, and points lie on their circle."""
    for problem in builds(name, variant, 20):
        figure, points = problem.figure, figure_points(problem.figure)
        lengths = [abs(figure.points[start] - figure.points[end]) for start, end in map(tuple, figure.ticks)]
        assert lengths == pytest.approx([lengths[0]] * len(lengths) if lengths else [])
        assert [measured(points, square) for square in figure.squares] == pytest.approx([90] * len(figure.squares))
        if figure.arcs:
            assert measured(points, figure.arcs[0]) == pytest.approx(measured(points, figure.arcs[1]))
        if figure.circle:
            rim = [abs(point) for label, point in figure.points.items() if label != "O"]
            assert rim == pytest.approx([1.0] * len(rim))
        if figure.numbers:
            assert {figure.numbers[spoken] for spoken in problem.given} | {problem.asked} == set(
                figure.numbers.values()
            )
        if name == "parallels":
            (a, b), (c, d) = (tuple(line) for line in figure.lines[:2])
            one, two = figure.points[b] - figure.points[a], figure.points[d] - figure.points[c]
            assert (one * two.conjugate()).imag == pytest.approx(0)


@pytest.mark.parametrize("name", THEOREMS)
def test_the_same_words_with_another_figure_have_another_answer(name: str) -> None:
    theorem = THEOREMS[name]
    for index, values in enumerate(theorem.values):
        names = theorem.names[index % len(theorem.names)]
        problems = [theorem.build(variant, names, values, generator("shape", index)) for variant in theorem.variants]
        assert len({problem.question for problem in problems}) == 1
        assert len({problem.answer for problem in problems}) > 1, values
        assert len({problem.reasoning for problem in problems}) == len(problems)
        pictures = {draw(problem.figure, 56, generator("page", index)).tobytes() for problem in problems}
        assert len(pictures) == len(problems)


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_the_reasoning_is_short_and_right(name: str, variant: str) -> None:
    for problem in builds(name, variant, 40):
        check_arithmetic(problem.reasoning, str(problem.answer))
        assert len(problem.reasoning.split()) < 30


def test_the_arithmetic_check_finds_errors() -> None:
    for wrong in ("180 - 40 = 130", "180 - 40 = 140, 150 / 2 = 75", "180 - 40"):
        with pytest.raises(AssertionError):
            check_arithmetic(wrong, wrong.split()[-1])
    with pytest.raises(AssertionError):
        check_arithmetic("180 - 40 = 140", "70")


def test_the_perfect_teacher_gives_the_reference(samples: dict[str, list[Sample]]) -> None:
    for sample in samples["test"]:
        shown = TASK.demonstrate(sample, "perfect")
        assert (shown.reasoning, shown.answer) == (sample.reasoning, sample.answer)


def test_the_hasty_teacher_takes_the_familiar_figure_for_granted(samples: dict[str, list[Sample]]) -> None:
    unusual = careless = wrong = 0
    for sample in samples["train"] + samples["test"]:
        shown = TASK.demonstrate(sample, "hasty")
        assert shown == TASK.demonstrate(sample, "hasty")
        check_arithmetic(shown.reasoning, shown.answer)
        theorem = THEOREMS[sample.meta["theorem"]]
        familiar = theorem.build(
            theorem.variants[0], sample.meta["names"], tuple(sample.meta["values"]), generator("any shape")
        )
        if sample.meta["variant"] == theorem.variants[0]:
            assert (shown.reasoning, shown.answer) == (sample.reasoning, sample.answer)
            continue
        unusual += 1
        if shown.reasoning == sample.reasoning:
            assert shown.answer == sample.answer
        else:
            careless += 1
            assert (shown.reasoning, shown.answer) == (familiar.reasoning, str(familiar.answer))
            wrong += shown.answer != sample.answer
    assert careless / unusual == pytest.approx(GLANCED, abs=0.07)
    assert wrong > 0.8 * careless


@pytest.mark.parametrize("size", [112, 160])
def test_the_picture_has_its_size_and_dark_lines_on_white(size: int) -> None:
    task = GeometryTask(image_size=size)
    for index in range(40):
        (image,) = task.sample("train", 0, index).images
        assert (image.size, image.mode) == ((size, size), "RGB")
        pixels = np.asarray(image)
        assert (pixels[[0, -1]] == 255).all()
        assert 0.02 < (pixels < 128).mean() < 0.25
        assert ((pixels > 60) & (pixels < 200)).any(), "edges should be smooth"


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_letters_stay_on_the_page(name: str, variant: str) -> None:
    for index, problem in enumerate(builds(name, variant, 10)):
        pixels = np.asarray(draw(problem.figure, 112, generator("page", index)))
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (border == 255).all()


def test_an_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="train, validation, test"):
        TASK.sample("dev", 0, 0)
