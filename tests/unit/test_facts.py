"""Facts of a scene: their own words state all of them, another scene's words are false, and prose is read by hand."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mr1.errors import UserError
from mr1.rewards.facts import facts, false_facts
from mr1.tasks.base import generator
from mr1.tasks.counting.facts import Claim
from mr1.tasks.counting.facts import facts as counting_facts
from mr1.tasks.counting.facts import read as read_scene
from mr1.tasks.counting.questions import ATTRIBUTES, enumerate_objects, matching
from mr1.tasks.counting.scene import CLEVR, MATERIALS, SHIFTED, SIZE_NAMES
from mr1.tasks.facts import read
from mr1.tasks.geometry import THEOREMS, describe, wordings
from mr1.types import Sample

RARELY = settings(max_examples=60, deadline=None)


def objects_of(world: Any) -> some.SearchStrategy[list[dict[str, str]]]:
    item = {"size": SIZE_NAMES, "color": [*world.colors], "material": MATERIALS, "shape": world.shapes}
    return some.lists(
        some.fixed_dictionaries({k: some.sampled_from(v) for k, v in item.items()}), min_size=3, max_size=10
    )


SCENES = some.sampled_from([CLEVR, SHIFTED]).flatmap(objects_of)
ASKED = some.sets(some.sampled_from(ATTRIBUTES), max_size=3)


def scene(objects: list[dict[str, str]], query: dict[str, str] | None = None) -> Sample:
    meta = {"scene": {"objects": objects}, "query": query or {}}
    return Sample(id="counting/train/0/0", images=(), question="", answer="", meta=meta)


def written(attributes: str) -> dict[str, str]:
    return dict(zip(ATTRIBUTES, attributes.split(), strict=True))


THREE = [written("large red rubber cube"), written("small red metal sphere"), written("small blue metal cube")]


@RARELY
@given(SCENES, ASKED, some.randoms())
def test_a_scenes_facts_in_words_state_all_of_them(objects: list[dict[str, str]], asked: set[str], random: Any) -> None:
    sample = scene(objects, {name: objects[0][name] for name in asked})
    words = [*read_scene("", sample).facts]
    random.shuffle(words)
    text = ", ".join(words)
    assert facts(f"<think>There are {text}.</think>", sample) == 1.0
    assert false_facts(text, sample) == 0.0
    assert facts("", sample) == false_facts("", sample) == 0.0


@RARELY
@given(SCENES, SCENES)
def test_another_scenes_facts_are_false_where_they_are_not_this_ones(
    objects: list[dict[str, str]], others: list[dict[str, str]]
) -> None:
    theirs = counting_facts(others, frozenset())
    wrong = {fact.words() for fact in theirs if len(matching(objects, dict(fact.attributes))) != fact.number}
    reading = read_scene("; ".join(fact.words() for fact in theirs), scene(objects))
    assert reading.false == wrong
    assert {fact for fact, stated in zip(reading.facts, reading.stated, strict=True) if stated} >= {
        fact.words() for fact in theirs if fact in counting_facts(objects, frozenset())
    }


@RARELY
@given(SCENES)
def test_the_tasks_own_reasoning_states_all_colours_and_nothing_false(objects: list[dict[str, str]]) -> None:
    reading = read_scene(enumerate_objects(objects), scene(objects))
    colours = [dict(fact.attributes).keys() == {"color"} for fact in counting_facts(objects, frozenset())]
    assert [*reading.stated] == colours
    assert not reading.false


@pytest.mark.parametrize(
    ("text", "stated", "false"),
    [
        ("There are two red objects.", {"2 red objects"}, set()),
        ("a large, red cube and a tiny red ball", {"2 red objects", "1 large object", "1 sphere"}, set()),
        ("1. a red cube 2) red sphere 3: blue block", {"2 red objects", "1 blue object", "2 cubes", "1 sphere"}, set()),
        ("1 red, 2 red, 3 blue", {"2 red objects", "1 blue object"}, set()),
        ("1 red, 2 blue", {"1 blue object"}, {"1 red object"}),
        ("2 grey metallic things, no cones", set(), {"2 gray metal objects"}),
        ("2 shiny things, one BLUE\nmetal cube", {"1 blue object"}, set()),
        ("2 red objects, 3 red objects, 4 red objects", {"2 red objects"}, {"3 red objects", "4 red objects"}),
        ("1 red 2 red 3 blue. Again: 1 red 2 red 3 blue", {"2 red objects", "1 blue object"}, set()),
        ("2 cubes", {"2 cubes"}, set()),
        ("3 objects, 12.2 cubes, x2 cubes, cubes: 2, 2 of the cubes", set(), set()),
    ],
)
def test_prose_about_a_scene(text: str, stated: set[str], false: set[str]) -> None:
    reading = read_scene(text, scene(THREE))
    assert {fact for fact, known in zip(reading.facts, reading.stated, strict=True) if known} == stated
    assert reading.false == false


def test_what_is_asked_for_need_not_be_said_again() -> None:
    sample = scene(THREE, {"size": "small"})
    assert read_scene("", sample).facts == (
        "1 small red object",
        "1 small blue object",
        "1 small sphere",
        "1 small cube",
    )
    assert facts("1 red, 2 blue", sample) == 0.5
    assert false_facts("1 red, 2 blue", sample) == 0.0
    # Two objects of the whole scene are red.
    assert false_facts("two red objects", sample) == 0.0
    assert false_facts("3 red objects", sample) == 1.0


@pytest.mark.parametrize(("color", "fact"), [("blue", "1 small blue cube"), ("green", "0 small green cubes")])
def test_where_the_question_names_all_the_number_is_the_fact(color: str, fact: str) -> None:
    sample = scene(THREE, {"size": "small", "color": color, "shape": "cube"})
    assert read_scene("", sample).facts == (fact,)
    assert (facts(fact, sample), false_facts(fact, sample)) == (1.0, 0.0)
    assert false_facts(f"2 small {color} cubes", sample) == 1.0


@cache
def figures() -> list[Sample]:
    """Two of each variant, not drawn."""
    made = []
    for name, theorem in THEOREMS.items():
        for variant in theorem.variants:
            for number in (0, 7):
                names, values = wordings(name, "train")[number]
                problem = theorem.build(variant, names, values, generator("facts", number))
                meta = describe(problem) | {"theorem": name, "names": names}
                made.append(
                    Sample(
                        id="geometry/train/0/0",
                        images=(),
                        question="",
                        answer="",
                        meta=meta,
                        reasoning=problem.reasoning,
                    )
                )
    return made


def test_a_figures_facts_in_words_state_all_of_them_and_its_reasoning_nothing_false() -> None:
    marked = 0
    for sample in figures():
        reading = read("", sample)
        assert reading is not None
        text = "; ".join(reading.facts)
        for spelled in (
            text,
            text.replace("angle ", "∠"),
            text.replace(" = ", "="),
            text.replace("angle ", r"$\angle "),
        ):
            assert (facts(spelled, sample), false_facts(spelled, sample)) == (1.0, 0.0), spelled
        assert false_facts(sample.reasoning, sample) == 0.0, sample.reasoning
        marked += facts(sample.reasoning, sample) > 0
    assert marked >= 2 * 10


def test_another_figures_facts_are_false() -> None:
    found = [sample for sample in figures() if sample.meta["theorem"] == "right_triangle"]
    first, other = (
        found[0],
        next(each for each in found if each.meta["names"] == found[0].meta["names"] and each is not found[0]),
    )
    reading = read("", other)
    assert reading is not None
    assert read("; ".join(reading.facts), first).false  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "share", "false"),
    [
        ("angle A = 20°, right angle at C", 1.0, 0),
        ("∠BAC is 20 degrees and ∠ACB is right", 1.0, 0),
        ("Angle CAB equals 20.0", 0.5, 0),
        ("angle A = 20 + 5, angle A = 180 - 90 - 70, angle A + angle B = 90, 2 angle A = 40, angle A = 200", 0.0, 1),
        ("angle B = 60, angle C = 90°.", 0.5, 1),
        ("AB = AC, angle A = angle B, angle A = angle B + 50, AB = AC + BC", 0.0, 2),
        ("angle X = 7, angle 1 = 7, AX = XB, angle AAB = 3, AA = BB, right angle at X", 0.0, 0),
    ],
)
def test_prose_about_a_figure(text: str, share: float, false: int) -> None:
    problem = THEOREMS["right_triangle"].build("right_third", "ABC", (20,), generator("hand"))
    sample = Sample("geometry/t/0/0", (), "", "", meta=describe(problem) | {"names": "ABC"})
    assert (facts(text, sample), false_facts(text, sample)) == (share, false)


def test_angles_of_one_place_are_one_whatever_they_are_called() -> None:
    problem = THEOREMS["exterior_angle"].build("between", "ABC", (50, 60), generator("hand"))
    sample = Sample("geometry/t/0/0", (), "", "", meta=describe(problem) | {"names": "ABC"})
    # D is between B and C.
    assert facts("angle ABD = 60°, angle CAB = 50°", sample) == 1.0
    assert false_facts("angle DBA = angle ABC, angle BDC = 180", sample) == 0.0


def test_nobody_knows_the_facts_of_other_rows() -> None:
    sample = Sample(id="own/train/counting", images=(), question="", answer="", meta={"scene": "a beach"})
    assert math.isnan(facts("2 red cubes", sample))
    assert math.isnan(false_facts("2 red cubes", sample))


def test_facts_are_refused_for_a_source(make_config: Any, tmp_path: Any) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "How many?", "answer": "3", "images": []}\n')
    rows = {"sources": f"{{own: {{path: {tmp_path}/rows.jsonl}}}}", "task": "[counting, own]"}
    make_config(**rows)
    with pytest.raises(
        UserError, match="rewards: false-facts reads the scenes of procedural tasks, and own is a source"
    ):
        make_config(**rows, rewards="{accuracy: 1, false-facts: 0}")


def test_a_claim_in_words() -> None:
    assert Claim(frozenset({("material", "metal"), ("size", "large")}), 2).words() == "2 large metal objects"
