"""Questions about procedural scenes: an oracle of its own, which reads the question's words, gives the same answers."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import load_source_settings
from mr1.config.walk import nested_model, settings
from mr1.data.source import SourceTask
from mr1.errors import UserError
from mr1.judge import strict
from mr1.recipes import MAKES
from mr1.synthesis.exact import counting, exact, geometry
from mr1.synthesis.pictures import Picture
from mr1.synthesis.settings import Make, load_make
from mr1.tasks import load_task
from mr1.tasks.base import generator

Rows = list[dict[str, Any]]


def item(words: str, x: float, depth: float) -> dict[str, Any]:
    size, color, material, shape = words.split()
    named = {"size": size, "color": color, "material": material, "shape": shape}
    return named | {"pixel": [x, 0.5 - depth / 20], "position": [0.0, depth, 0.0]}


SCENE = {
    "shifted": False,
    "objects": [
        item("small red metal cube", 0.1, 3.0),
        item("large red rubber cube", 0.3, -2.0),
        item("small blue metal cube", 0.5, 1.0),
        item("large green rubber sphere", 0.7, 5.0),
        item("small red rubber cylinder", 0.9, -4.0),
    ],
}


def among(words: str) -> list[dict[str, Any]]:
    """The objects that have all of these words, by a plain look at each."""
    wanted = {word.removesuffix("s") for word in words.split()} - {"object"}
    return [each for each in SCENE["objects"] if wanted <= {str(value) for value in each.values()}]  # type: ignore[attr-defined]


def told(question: str) -> str:
    """The answer, by the words of the question alone and the list of objects."""
    every = among("")
    if found := re.fullmatch(r"How many more (.*) than (.*) are there in the image\?", question):
        return str(len(among(found[1])) - len(among(found[2])))
    if found := re.fullmatch(r"Are there more (.*) than (.*) in the image\?", question):
        return "yes" if len(among(found[1])) > len(among(found[2])) else "no"
    if found := re.fullmatch(r"Is there an? (.*) in the image\?", question):
        return "yes" if among(found[1]) else "no"
    if found := re.fullmatch(r"How many other objects in the image have the same (.*) as the (.*)\?", question):
        (this,) = among(found[2])
        return str(sum(each[found[1]] == this[found[1]] for each in every) - 1)
    if found := re.fullmatch(r"How many objects are to the (left|right) of the (.*) in the image\?", question):
        (this,) = among(found[2])
        place = every.index(this)  # they are listed from left to right
        return str(place if found[1] == "left" else len(every) - 1 - place)
    if found := re.fullmatch(
        r"What (.*) is the object that is (?:furthest|closest) to the (.*) in the image\?", question
    ):
        return str(every[{"left": 0, "right": 4, "front": 4, "back": 3}[found[2]]][found[1]])
    if found := re.fullmatch(r"Which (.*) is the most frequent among the objects in the image\?", question):
        return {"color": "red", "shape": "cube"}[found[1]]
    found = re.fullmatch(r"How many (.*) are there in the image\?", question)
    assert found, question
    return str(len(among(found[1])))


@pytest.mark.parametrize("kind", counting.KINDS, ids=lambda kind: kind.__name__)
def test_answers_about_a_counting_scene(kind: Any) -> None:
    asked = [made for seed in range(60) if (made := kind(SCENE, generator(seed)))]
    assert len({each.question for each in asked}) >= (2 if kind is counting.most else 6)
    answers: Counter[str] = Counter()
    for each in asked:
        right = told(each.question)
        assert right == (each.choices["ABCD".index(each.answer)] if each.choices else each.answer), each.question
        assert each.reasoning.endswith(each.answer)
        assert {"reasoning", "recognition"} <= {*each.abilities}
        assert len({*each.choices}) == len(each.choices)
        answers[each.answer] += 1
    if {*answers} <= {"yes", "no"}:
        assert 18 <= answers["yes"] <= 42
    if asked[0].choices:
        assert len(answers) >= 3, "the right one may stand anywhere"


def test_what_is_not_plain_is_not_asked() -> None:
    close = [item("small red metal cube", 0.5, 0.0), item("large blue rubber sphere", 0.52, 0.5)]
    scene = {"shifted": False, "objects": close}
    alike = {"shifted": False, "objects": [close[0], close[0] | {"pixel": [0.9, 0.5]}]}
    for seed in range(20):
        assert counting.position(scene, generator(seed)) is None
        assert counting.beside(scene, generator(seed)) is None
        assert counting.most(scene, generator(seed)) is None, "as many of each"
        assert counting.sameness(alike, generator(seed)) is None, "nothing tells them apart"
        assert counting.difference(alike, generator(seed)) is None


def test_answers_about_a_figure() -> None:
    for index in range(12):
        sample = load_task("geometry").sample("train", 0, index)
        size, rng = int(sample.answer), generator(index)
        assert geometry.degrees(sample, rng).answer == sample.answer
        sort = geometry.sort(sample, rng)
        assert sort.choices["ABC".index(sort.answer)] == ("acute" if size < 90 else "right" if size == 90 else "obtuse")
        if which := geometry.which(sample, rng):
            assert which.choices["ABCD".index(which.answer)] == f"{size}°"
            assert len({*which.choices}) == len(which.choices) > 1
        if larger := geometry.larger(sample, rng):
            name = larger.question.rpartition("angle ")[2].rstrip("?")
            given = re.search(rf"angle {name} = (\d+)°", sample.question)
            assert given
            assert larger.answer == ("yes" if size > int(given[1]) else "no")


def picture(index: int, task: str = "counting") -> Picture:
    sample = load_task(task).sample("test", 3, index)
    return Picture(sample.id.replace("/", "-"), b"", "png", {"index": index}, sample)


def test_rows_follow_from_the_seed_and_the_scene_and_say_how_they_are_judged() -> None:
    scenes = [picture(0), picture(1), picture(0, "geometry")]
    rows = exact(scenes, 0, 3).rows
    assert exact(scenes[1:2], 0, 3).rows == rows[3:6]
    assert exact(scenes, 1, 3).rows != rows
    assert [row["id"] for row in rows[:4]] == [*(f"counting-test-3-0-{n}" for n in (1, 2, 3)), "counting-test-3-1-1"]
    for row in rows:
        assert row["reward"] == ("choice" if row["choices"] else "rule")
        assert row["provenance"]["facts"] == "exact"
        assert (row["choices"] is None) == ("(A)" not in row["question"])
    for some in (rows[:3], rows[3:6], rows[6:]):
        assert len({row["category"] for row in some}) == 3


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["data", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_make_of_scenes_is_a_source_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("scenes.count=6", "scenes.image_size=56")
    said = run("make", "scenes", *few)
    assert "18  rows" in said
    problems = tmp_path / "made/scenes/problems.jsonl"
    written = problems.read_bytes()
    rows: Rows = [json.loads(line) for line in written.splitlines()]
    assert len(rows) == 18
    assert "can't be used   0" in run("check", "made", f"path={problems}")
    assert "can't be used   0" in run("check", str(problems))
    task = SourceTask("made", load_source_settings("made", [f"path={problems}", "held_out=0.2"]))
    places = {split: {row.meta["picture"] for row in all_of(task, split)} for split in task.splits}
    assert sum(map(len, places.values())) == 6, "each scene is in one split"
    for sample in all_of(task, "train"):
        assert strict.judge_answer(sample.answer, sample.truth).decided
        assert sample.reasoning
    # Again, and with more scenes: what is there stays as it is.
    run("make", "scenes", *few)
    assert problems.read_bytes() == written
    run("make", "scenes", "scenes.count=7", "scenes.image_size=56")
    assert problems.read_bytes().startswith(written)
    with pytest.raises(UserError, match=r"name: made/scenes holds what other settings made \(questions was 3, now 2\)"):
        run("make", "scenes", *few, "questions=2")
    run("make", "scenes", *few, "questions=2", "--overwrite")
    assert len(problems.read_text().splitlines()) == 12


def all_of(task: SourceTask, split: str) -> Any:
    return [task.sample(split, 0, index) for index in range(task.size(split))]


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mr1.synthesis.make.exact", stop)
    result = CliRunner().invoke(app, ["data", "make", "scenes", "scenes.count=1", "scenes.image_size=56"])
    assert result.exit_code == 130
    assert "stopped\nstarted again, it goes on" in result.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["scenes.task=null"], r"^images.path: name a folder or a pattern"),
        (["images.path=photos"], r"^images.path: name a folder or a pattern .* one of the two"),
        (["scenes.task=null", "images.path=photos"], r"^vlm.base_url: missing; .* scenes.task=counting without models"),
        (["scenes.task=counting-words"], r"^scenes.task: unknown 'counting-words'; did you mean"),
        (["scenes.split=dev"], r"^scenes.split: counting has none of the name 'dev'; it has train, validation, test"),
        (["writer.model=m"], r"^vlm.base_url: missing; a model has to look at the pictures"),
        (["abilities=[reasoning]"], r"^abilities: name at least one"),
        (["name=few/of"], r"^name: it names a folder"),
        (["question=1"], r"^unknown key 'question'; did you mean 'questions'"),
    ],
)
def test_settings_that_cant_work(given: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_make("scenes", given)


def test_every_setting_is_on_the_page_and_says_what_it_means() -> None:
    page = (Path(__file__).parents[2] / "docs/synthesis.md").read_text(encoding="utf-8").partition("## Settings")[2]
    for key, info in settings(Make):
        section, _, name = key.rpartition(".")
        assert f"`{key}`" in page or f"`{key}." in page or (f"`{section}.*`" in page and f"`{name}`" in page), key
        assert nested_model(info.annotation) or info.description, f"{key} has no words under it"
    for recipe in sorted(MAKES.glob("*.yaml")):
        assert load_make(recipe.stem).name == recipe.stem
        assert f"mr1 data make {recipe.stem}" in recipe.read_text(encoding="utf-8")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made/scenes").mkdir(parents=True)
    (tmp_path / "made/scenes/notes.txt").touch()
    for options in ([], ["--overwrite"]):
        with pytest.raises(UserError, match="name: made/scenes holds what `mr1 data make` did not make"):
            run("make", "scenes", "scenes.count=1", *options)
    assert [path.name for path in (tmp_path / "made/scenes").iterdir()] == ["notes.txt"]
