"""The counting task: what its samples say is true of its scenes, and what its pictures show is what they say."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mr1.tasks import load_task
from mr1.tasks.base import generator, split_of
from mr1.tasks.counting import OVERLOOKED, RANGES, CountingTask
from mr1.tasks.counting.camera import SIZES, Camera, Item, cast
from mr1.tasks.counting.questions import ask
from mr1.tasks.counting.render import render
from mr1.tasks.counting.scene import CLEVR, MATERIALS, PROBE, SHIFTED, Scene, _in_sight, draw_scene
from mr1.tasks.counting.shapes import SOLIDS
from mr1.types import Sample

TASK = CountingTask()
NOUNS: dict[str, dict[str, str]] = {"objects": {}} | {shape + "s": {"shape": shape} for shape in SOLIDS}


@pytest.fixture(scope="module")
def samples() -> dict[str, list[Sample]]:
    """A hundred samples of each split."""
    return {split: [TASK.sample(split, 1, index) for index in range(100)] for split in TASK.splits}


def every(samples: dict[str, list[Sample]]) -> list[Sample]:
    return [sample for split in samples.values() for sample in split]


def objects_of(sample: Sample) -> list[dict[str, Any]]:
    return list(sample.meta["scene"]["objects"])


def asked(question: str) -> dict[str, str]:
    """Read the attributes back from the words of a question."""
    if question == "How many different items are there in the image?":
        return {}
    match = re.fullmatch(r"How many ([a-z ]+) are there in the image\?", question)
    assert match is not None, question
    *words, noun = match.group(1).split()
    query = dict(NOUNS[noun])
    for word in words:
        if word in SIZES:
            query["size"] = word
        elif word in MATERIALS:
            query["material"] = word
        else:
            assert word in CLEVR.colors or word in SHIFTED.colors
            query["color"] = word
    return query


def recounted(sample: Sample) -> list[dict[str, Any]]:
    query = asked(sample.question)
    return [item for item in objects_of(sample) if all(item[name] == value for name, value in query.items())]


def pixels(sample: Sample) -> npt.NDArray[np.int64]:
    return np.asarray(sample.images[0]).astype(np.int64)


def test_the_same_arguments_make_the_same_sample_in_any_order() -> None:
    first = [TASK.sample("train", 3, index) for index in range(4)]
    again = [CountingTask().sample("train", 3, index) for index in reversed(range(4))][::-1]
    for one, other in zip(first, again, strict=True):
        assert replace(one, images=()) == replace(other, images=())
        assert np.array_equal(pixels(one), pixels(other))
    assert len({pixels(sample).tobytes() for sample in [*first, TASK.sample("train", 4, 0)]}) == 5


def test_no_set_of_objects_appears_in_two_splits(samples: dict[str, list[Sample]]) -> None:
    keys: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        names = ("shape", "color", "material", "size")
        described = [sorted(",".join(item[name] for name in names) for item in objects_of(s)) for s in samples[split]]
        keys[split] = {";".join(lines) for lines in described}
        assert {split_of(key) for key in keys[split]} == {split}
    assert all(keys[one].isdisjoint(keys[other]) for one, other in itertools.combinations(keys, 2))


def test_scenes_hold_three_to_ten_objects(samples: dict[str, list[Sample]]) -> None:
    counts = [len(objects_of(sample)) for sample in every(samples)]
    assert set(counts) == set(range(3, 11))
    assert max(np.bincount(counts)) < 2 * len(counts) / 8


@pytest.mark.parametrize("name", RANGES)
def test_the_tasks_name_says_how_many_objects_there_are(name: str) -> None:
    fewest, most = RANGES[name]
    samples = [load_task(name).sample("train", 0, index) for index in range(12)]
    assert {sample.meta["difficulty"] for sample in samples} <= {*range(fewest, most + 1)}
    assert all(sample.id.startswith(f"{name}/train/0/") for sample in samples)


def test_the_answer_is_what_the_words_of_the_question_ask_for(samples: dict[str, list[Sample]]) -> None:
    for sample in every(samples):
        assert sample.answer == str(len(recounted(sample)))
        assert sample.meta["query"] == asked(sample.question)
        assert sample.meta["subject"] == ("attributes" if asked(sample.question) else "all")


def test_kinds_of_questions_and_answers_are_mixed(samples: dict[str, list[Sample]]) -> None:
    about_some = [sample for sample in every(samples) if sample.meta["subject"] == "attributes"]
    assert 0.3 < len(about_some) / 400 < 0.5
    answers = [int(sample.answer) for sample in about_some]
    assert {0, 1, 2, 3, 4, 5} <= set(answers)
    assert 0.03 < answers.count(0) / len(answers) < 0.2
    assert {len(sample.meta["query"]) for sample in about_some} == {1, 2, 3}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"shape": "cube", "color": "red", "size": "small"}, "small red cubes"),
        ({"material": "metal"}, "metal objects"),
        ({"material": "rubber", "size": "large"}, "large rubber objects"),
        ({"shape": "cone", "material": "metal", "color": "lime"}, "lime metal cones"),
        ({}, "different items"),
    ],
)
def test_wording(query: dict[str, str], words: str) -> None:
    assert ask(query) == f"How many {words} are there in the image?"


def in_reading_order(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Four bands from top to bottom, each from left to right."""
    bands: list[list[dict[str, Any]]] = [[], [], [], []]
    for item in objects:
        bands[int(item["pixel"][1] // 0.25)].append(item)
    return [item for band in bands for item in sorted(band, key=lambda item: float(item["pixel"][0]))]


def test_the_reasoning_numbers_the_counted_objects_in_reading_order(samples: dict[str, list[Sample]]) -> None:
    for sample in every(samples):
        expected = in_reading_order(recounted(sample))
        if not expected:
            assert (sample.reasoning, sample.answer) == ("none", "0")
            continue
        lines = [entry.split(" ") for entry in sample.reasoning.split(", ")]
        assert [int(number) for number, _ in lines] == list(range(1, len(expected) + 1))
        assert [color for _, color in lines] == [item["color"] for item in expected]


def test_the_perfect_teacher_is_right(samples: dict[str, list[Sample]]) -> None:
    sample = samples["train"][0]
    shown = TASK.demonstrate(sample, "perfect")
    assert (shown.reasoning, shown.answer) == (sample.reasoning, sample.answer)


def test_the_hasty_teacher_overlooks_small_objects_only(samples: dict[str, list[Sample]]) -> None:
    small = overlooked = 0
    for sample in every(samples):
        shown = TASK.demonstrate(sample, "hasty")
        assert TASK.demonstrate(sample, "hasty") == shown
        listed = [] if shown.reasoning == "none" else shown.reasoning.split(", ")
        assert shown.answer == str(len(listed))
        assert [entry.split(" ")[0] for entry in listed] == [str(n + 1) for n in range(len(listed))]
        names = [entry.split(" ", 1)[1] for entry in listed]
        counted = in_reading_order(recounted(sample))
        # Its list is the true one, in order, with gaps; large objects are never missing.
        truth = iter(item["color"] for item in counted)
        assert all(name in truth for name in names)
        large = [item["color"] for item in counted if item["size"] == "large"]
        assert all(names.count(name) >= large.count(name) for name in large)
        small += len(counted) - len(large)
        overlooked += len(counted) - len(names)
    assert small > 200
    assert OVERLOOKED - 0.08 < overlooked / small < OVERLOOKED + 0.08


def test_objects_stay_in_sight(samples: dict[str, list[Sample]]) -> None:
    shares = [item["visible"] for sample in every(samples) for item in objects_of(sample)]
    assert min(shares) >= 0.4
    assert max(shares) == 1
    assert any(share < 0.9 for share in shares), "nothing is ever hidden behind anything"


def test_an_object_behind_another_is_not_in_sight() -> None:
    camera = Camera(distance=18, pitch=math.radians(40), focal=4.2, target=(0, 0))
    front, behind = Item("cube", "red", "rubber", "large"), Item("sphere", "blue", "metal", "small", y=1.0)
    assert _in_sight(cast([front, replace(behind, x=1.5)], camera, PROBE))
    assert not _in_sight(cast([front, behind], camera, PROBE))
    assert _in_sight(cast([behind], camera, PROBE))


def test_objects_do_not_touch(samples: dict[str, list[Sample]]) -> None:
    for sample in every(samples):
        for one, other in itertools.combinations(objects_of(sample), 2):
            radii = sum(SOLIDS[item["shape"]].footprint * SIZES[item["size"]] for item in (one, other))
            assert math.dist(one["position"][:2], other["position"][:2]) > radii


def test_the_described_camera_sees_each_object_where_it_is_said_to_be(samples: dict[str, list[Sample]]) -> None:
    for sample in every(samples)[::10]:
        camera = sample.meta["scene"]["camera"]
        sin, cos = math.sin(camera["pitch"]), math.cos(camera["pitch"])
        for item in objects_of(sample):
            x, y, z = item["position"]
            x, y = x - camera["target"][0], y - camera["target"][1]
            depth = camera["distance"] + y * cos - z * sin
            seen = (0.5 + camera["focal"] * x / depth / 2, 0.5 - camera["focal"] * (y * sin + z * cos) / depth / 2)
            assert item["pixel"] == pytest.approx(seen, abs=1e-3)


def test_the_shifted_split_is_another_world(samples: dict[str, list[Sample]]) -> None:
    for split, world in (("train", CLEVR), ("test", CLEVR), ("shifted", SHIFTED)):
        objects = [item for sample in samples[split] for item in objects_of(sample)]
        assert {item["shape"] for item in objects} == set(world.shapes)
        assert {item["color"] for item in objects} == set(world.colors)
        assert {sample.meta["scene"]["shifted"] for sample in samples[split]} == {world is SHIFTED}
    assert not set(CLEVR.shapes) & set(SHIFTED.shapes)
    assert not set(CLEVR.colors) & set(SHIFTED.colors)
    grounds = [np.median(pixels(samples[split][0]), axis=(0, 1)) for split in ("train", "shifted")]
    assert np.abs(grounds[0] - grounds[1]).max() > 20


def without(scene: Scene, number: int) -> Scene:
    items = (*scene.items[:number], *scene.items[number + 1 :])
    return replace(scene, items=items, hits=cast(items, scene.camera, PROBE))


@pytest.mark.parametrize("split", ["train", "shifted"])
def test_taking_an_object_away_changes_the_picture_where_it_was(split: str) -> None:
    for index in range(6):
        scene = draw_scene(split, generator("picture", split, index))
        whole = np.asarray(render(scene, 112)).astype(int)
        for number, item in enumerate(scene.meta()["objects"]):
            changed = np.abs(whole - np.asarray(render(without(scene, number), 112))).max(axis=-1)
            rows, columns = np.indices(changed.shape)
            away = np.hypot(columns - 112 * item["pixel"][0], rows - 112 * item["pixel"][1])
            assert changed[away < 6].max() > 25, item
            assert changed[away > 45].max() <= 1, item


def test_matt_objects_have_the_colour_that_they_are_said_to_have(samples: dict[str, list[Sample]]) -> None:
    names = list(CLEVR.colors)
    hues = np.array(list(CLEVR.colors.values()), float)
    hues /= np.linalg.norm(hues, axis=1, keepdims=True)
    right = []
    for sample in samples["train"]:
        for item in objects_of(sample):
            if item["material"] == "rubber" and item["visible"] == 1:
                column, row = (int(112 * value) for value in item["pixel"])
                color = pixels(sample)[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1))
                right.append(names[int(np.argmax(hues @ color))] == item["color"])
    assert len(right) > 100
    assert np.mean(right) > 0.97


def test_metal_is_shinier_than_rubber(samples: dict[str, list[Sample]]) -> None:
    spread: dict[str, list[float]] = {"metal": [], "rubber": []}
    for sample in samples["train"]:
        for item in objects_of(sample):
            if item["visible"] == 1 and (item["shape"], item["size"]) == ("sphere", "large"):
                column, row = (int(112 * value) for value in item["pixel"])
                gray = pixels(sample)[row - 6 : row + 7, column - 6 : column + 7].mean(axis=2)
                spread[item["material"]].append(float(np.abs(np.diff(gray, axis=1)).mean() / gray.mean()))
    assert np.median(spread["metal"]) > 1.5 * np.median(spread["rubber"])


def test_the_image_size_changes_nothing_but_the_picture() -> None:
    small, large = CountingTask(56).sample("test", 2, 7), CountingTask(224).sample("test", 2, 7)
    normal = TASK.sample("test", 2, 7)
    assert [sample.images[0].size for sample in (small, normal, large)] == [(56, 56), (112, 112), (224, 224)]
    assert all(sample.images[0].mode == "RGB" for sample in (small, normal, large))
    assert replace(small, images=()) == replace(normal, images=()) == replace(large, images=())
    shrunk = pixels(large).reshape(112, 2, 112, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - pixels(normal)).mean() < 1


def test_meta_is_plain(samples: dict[str, list[Sample]]) -> None:
    for sample in every(samples)[::20]:
        assert json.loads(json.dumps(sample.meta)) == sample.meta


def test_ids(samples: dict[str, list[Sample]]) -> None:
    assert samples["shifted"][3].id == "counting/shifted/1/3"
    assert len({sample.id for sample in every(samples)}) == 400


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"'dev'.*train, validation, test, shifted"):
        TASK.sample("dev", 0, 0)
    with pytest.raises(ValueError, match="lazy"):
        TASK.demonstrate(TASK.sample("train", 0, 0), "lazy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_size"):
        CountingTask(0)


def test_an_object_is_turned_and_scaled_and_back() -> None:
    item = Item("cube", "red", "metal", "small", rotation=0.5)
    vector = (np.array(1.0), np.array(2.0), np.array(3.0))
    local = item.to_local(vector)
    assert np.allclose(np.stack(item.to_world(local)) * SIZES["small"], np.stack(vector))
    assert math.atan2(2, 1) - math.atan2(float(local[1]), float(local[0])) == pytest.approx(0.5)


@pytest.mark.parametrize("shape", list(SOLIDS))
def test_rays_meet_solids_from_outside(shape: str) -> None:
    solid = SOLIDS[shape]
    rng = np.random.default_rng(0)
    aim = rng.uniform([-1.5, -1, 0], [1.5, 1, 2.2], (2000, 3)).astype(np.float32).T
    eye = np.array([0.5, -20, 16], np.float32)
    x, y, z = aim - eye[:, None]
    near, far = solid.interval((eye[0], eye[1], eye[2]), (x, y, z))
    hit = near < far
    assert 0.2 < hit.mean() < 0.95
    point = eye[:, None] + near[hit] * np.stack([x, y, z])[:, hit]
    normal = np.stack(solid.normal((point[0], point[1], point[2])))
    assert np.abs(np.linalg.norm(normal, axis=0) - 1).max() < 0.01
    assert (normal * np.stack([x, y, z])[:, hit]).sum(axis=0).max() < 0.5, "a surface that is seen faces the eye"
    assert np.hypot(point[0], point[1]).max() < solid.footprint + 0.01
    assert -0.01 < point[2].min() < point[2].max() < solid.height + 0.01
    # A ray from just inside the surface, to the side, is inside the solid where it begins; from just outside, not.
    along = (np.array(0.3), np.array(0.8), np.array(0.5))
    for step, inside in ((-0.02, True), (0.02, False)):
        start = point + step * normal
        enter, leave = solid.interval((start[0], start[1], start[2]), along)
        within = (enter < 0) & (leave > 0)
        assert within.mean() > 0.97 if inside else not within.any()
