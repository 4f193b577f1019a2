"""Recipes by their names: in every verb that takes one, from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mr1.cli import app
from mr1.config import load_config
from mr1.data.settings import preset_names
from mr1.errors import UserError
from mr1.evaluate.select import Choice, measurements
from mr1.recipes import FOLDER, describe, find_recipe, recipe_names, recipe_text
from mr1.tasks import TASKS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nothing of the repository is in."""
    monkeypatch.chdir(tmp_path)


def said(*arguments: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_recipe_is_listed_with_one_line() -> None:
    lines = said("recipes").splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    for name in recipe_names():
        about = describe(name)
        assert 20 < len(about) < 130, name
        assert about[0].isupper(), name
        assert any(line.endswith(f"  {about}") for line in lines)


def test_a_recipe_is_named_as_its_file_and_as_nothing_else() -> None:
    for name in recipe_names():
        assert load_config(name).name == Path(name).name
    assert not {*recipe_names()} & {*preset_names(), *TASKS}


def test_the_folder_at_the_root_is_the_packages_own() -> None:
    assert (ROOT / "recipes").resolve() == FOLDER
    assert find_recipe(ROOT / "recipes/counting-grpo-d.yaml").samefile(find_recipe("counting-grpo-d"))


def test_a_recipe_names_no_file_of_the_repository() -> None:
    for name in recipe_names():
        assert "recipes/" not in recipe_text(name).replace("mr1/recipes/", "")


def test_shown_and_copied_it_is_the_file(tmp_path: Path) -> None:
    text = recipe_text("counting-lora")
    assert said("recipes", "show", "counting-lora") == text
    assert "mr1 train mine.yaml" in said("recipes", "copy", "counting-lora", "mine.yaml")
    (tmp_path / "folder").mkdir()
    said("recipes", "copy", "counting-lora")
    said("recipes", "copy", "counting-lora", "folder")
    for written in ("mine.yaml", "counting-lora.yaml", "folder/counting-lora.yaml"):
        assert (tmp_path / written).read_text() == text
    said("recipes", "copy", "methods/ppo", "folder")
    assert (tmp_path / "folder" / "ppo.yaml").read_text() == recipe_text("methods/ppo")


@pytest.mark.parametrize(
    ("file", "message"),
    [("mine.yaml", "mine.yaml exists, and is left alone"), ("no/mine.yaml", "no/mine.yaml can't be written: No such")],
)
def test_a_copy_overwrites_nothing(file: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    result = CliRunner().invoke(app, ["recipes", "copy", "counting-lora", file])
    assert message in str(result.exception)
    assert (tmp_path / "mine.yaml").read_text() == "name: mine\n"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            "counting-lorra",
            "there is none of the name 'counting-lorra', and no such file; did you mean 'counting-lora'",
        ),
        ("recipes/counting-lora.yaml", "MR1's own recipe is called by its name, counting-lora"),
        ("./counting-lora", "there is no file counting-lora; MR1's own recipe is called by its name, counting-lora"),
        ("mime.yaml", "there is no file mime.yaml; did you mean 'mine.yaml'?"),
        ("nowhere/mine.yaml", "there is no file nowhere/mine.yaml"),
    ],
)
def test_what_is_mistyped_gets_the_nearest(what: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(recipe_text("counting-lora"))
    with pytest.raises(UserError) as caught:
        load_config(what)
    assert message in str(caught.value)


@pytest.mark.parametrize("verb", [["recipes", "show"], ["recipes", "copy"], ["train"], ["estimate"]])
def test_every_verb_names_the_nearest(verb: list[str]) -> None:
    result = CliRunner().invoke(app, [*verb, "geometry-grpo"])
    assert isinstance(result.exception, UserError)
    assert "did you mean 'geometry-grpo-d'?" in str(result.exception)


def test_a_file_of_ones_own_may_have_any_name(tmp_path: Path) -> None:
    for file in ("settings", "x.yml", "folder.d"):
        (tmp_path / file).write_text(recipe_text("counting-lora"))
        assert load_config(file).lora.rank == 16


def test_verbs_that_take_data_take_recipes() -> None:
    said("data", "example", "own-data", "--rows", "16")
    assert "own, train: 1" in said("data", "check", "own-jsonl")
    Path("chat.jsonl").write_text('{"messages": [{"role": "user", "content": "How many?"}]}\n' * 40)
    Path("chat.yaml").write_text(
        "\n".join(line for line in recipe_text("own-jsonl").splitlines() if "columns:" not in line)
    )
    result = CliRunner().invoke(app, ["data", "check", "chat.yaml", "sources.own.path=chat.jsonl"])
    assert "sources.own.columns.answer: the rows have no answers, which reward accuracy" in str(result.exception)
    choice = Choice(None, None, 1, 1.0, None, None, "strict", None)
    assert [each.task.name for each in measurements([], ["own-jsonl"], choice)] == ["own"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mr1 train counting-l", ["counting-lora"]),
        ("mr1 recipes show geo", ["geometry-grpo-d", "geometry3k-grpo-d", "geoqa-grpo-d"]),
        ("mr1 estimate ./m", ["./mine.yaml", "./more/"]),
        ("mr1 train more/", ["more/other.yml"]),
        ("mr1 recip", ["recipes"]),
        ("mr1 train no/such", []),
        ("mr1 data make sc", ["scenes"]),
    ],
)
def test_the_shell_completes_recipes_and_their_files(words: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for file in ("mine.yaml", "more/other.yml", ".hidden.yaml", "more/notes.txt"):
        (tmp_path / file).touch()
    asked = {"_MR1_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    program = "import sys; sys.argv = ['mr1']; from mr1.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert sorted(told.stdout.split()) == offered
