"""The library's face: what is named, what importing it costs, and how data and rewards become settings."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mr1
from mr1.config import Config, load_config
from mr1.config.reading import make_config, make_source, read_settings
from mr1.errors import UserError
from mr1.library.training import _name_sources
from mr1.rewards.functions import load_function, score_by_function
from mr1.rewards.handed import as_weights, held, name_of
from mr1.types import Group


def importable(completions: list[str], **_: Any) -> list[float]:
    """A reward that another process could import."""
    return [1.0 for _ in completions]


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in mr1.__all__:
        assert name in dir(mr1)
        assert name == "__version__" or inspect.getdoc(getattr(mr1, name)), name
    assert Path(mr1.__file__).with_name("py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = mr1.trian  # type: ignore[attr-defined]


def test_importing_it_brings_nothing_heavy() -> None:
    program = (
        "import mr1, sys; mr1.train, mr1.evaluate, mr1.UserError;"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'pydantic', 'matplotlib', 'numpy'};"
        "print(*heavy & {*sys.modules})"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "\n"


def test_the_verbs_are_called_and_are_packages_too() -> None:
    import mr1.evaluate.run
    import mr1.train.loop
    from mr1 import library

    for package, function in ((mr1.train, library.train), (mr1.evaluate, library.evaluate)):
        assert inspect.signature(package) == inspect.signature(function)
    assert mr1.train.loop.Trainer.__module__ == "mr1.train.loop"  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="there is none of the name 'counting-grpod'"):
        mr1.train("counting-grpod")
    with pytest.raises(UserError, match="what to measure"):
        mr1.evaluate("tiny")


def test_settings_are_put_over_a_recipe_however_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nmethod: grpo-d\nsteps: 3\ntask: counting\n")
    flat = {"name": "mine", "method": "grpo-d", "steps": 3, "task": "counting"}
    start = [tmp_path / "mine.yaml", str(tmp_path / "mine.yaml"), flat]
    over = {"kl.minimum": 0, "kl": {"maximum": 0.5, "exploration": 0.5}, "output": tmp_path, "task": ("counting",)}
    made = [_configured(each, over) for each in start]
    assert made[0] == made[1] == made[2] == _configured(made[0], {})
    assert (made[0].kl.minimum, made[0].kl.maximum, made[0].output) == (0.0, 0.5, str(tmp_path))
    assert made[0].rewards == {"accuracy": 1.0, "format": 1.0}
    for wrong, message in (({"stepz": 1}, "did you mean 'steps'"), ({"kl.minimum.x": 1}, "no keys of its own")):
        with pytest.raises(UserError, match=message):
            _configured(flat, wrong)


def _configured(recipe: Any, over: dict[str, Any]) -> Config:
    return make_config(read_settings(recipe, over))


def test_one_rewards_weight_leaves_the_others_as_they_are() -> None:
    flat = {"name": "mine", "method": "grpo-d", "steps": 3, "task": "counting"}
    flat |= {"kl": {"minimum": 0, "maximum": 0.5, "exploration": 0.5}}
    assert _configured(flat, {"rewards.format": 0.5}).rewards == {"accuracy": 1.0, "format": 0.5}
    assert _configured(flat, {"rewards": {"format": 0.5}}).rewards == {"accuracy": 1.0, "format": 0.5}
    assert _configured({**flat, "rewards": {"format": 0.5}}, {}).rewards == {"format": 0.5}


ROWS = {"train": [{"question": "?", "answer": 1}]}


@pytest.mark.parametrize(
    ("recipe", "handed", "settings", "trained", "evaluated"),
    [
        ("counting-grpo-d", {None: ROWS}, {}, ["data"], ["data"]),
        ("counting-grpo-d", {None: ROWS}, {"evaluation.tasks": ["geometry"]}, ["data"], ["geometry"]),
        (
            "counting-grpo-d",
            {None: ROWS},
            {"task": ["data", "counting"]},
            ["data", "counting"],
            ["counting", "geometry"],
        ),
        ("own-jsonl", {None: ROWS}, {}, ["own"], ["own"]),
        ("own-jsonl", {"own": ROWS}, {}, ["own"], ["own"]),
        ("geoqa-grpo-d", {"geoqa-test": ROWS}, {}, ["geoqa"], ["geoqa-test", "superclevr-200"]),
    ],
)
def test_where_rows_go(
    recipe: str, handed: Any, settings: dict[str, Any], trained: list[str], evaluated: list[str]
) -> None:
    written = read_settings(recipe, settings)
    (name,) = _name_sources(written, handed, settings)
    config = make_config(written)
    assert config.tasks == trained
    assert config.evaluation.tasks == evaluated
    assert (config.sources[name].format, config.sources[name].path) == ("memory", name)
    if recipe == "own-jsonl":
        assert config.sources[name].held_out == 0.15  # the recipe's own settings of the source stay


def test_a_functions_name_is_its_module_where_that_can_be_imported() -> None:
    def local(**_: Any) -> list[float]:
        return []

    assert name_of(importable) == f"{__name__}:importable"
    assert load_function(name_of(importable)) is importable
    assert name_of(local) == "python:local"
    assert as_weights([importable, "accuracy", local]) == (
        {f"{__name__}:importable": 1.0, "accuracy": 1.0, "python:local": 1.0},
        {"python:local": local},
    )
    assert as_weights({"format": 0.5, local: 2})[0] == {"format": 0.5, "python:local": 2}
    with held({"python:local": local}):
        with held({"python:local": importable}):
            assert load_function("python:local") is importable
        assert load_function("python:local") is local
    with pytest.raises(UserError) as caught:
        load_function("python:local")
    assert str(caught.value) == (
        "rewards: python:local was handed over by a program, and is in no module; call mr1.train from that program "
        "again, with the same rewards, and with resume=True to go on"
    )


class Scoring:
    """A reward that is an object."""

    def __call__(self, completions: list[str], **_: Any) -> list[float]:
        return [1.0 for _ in completions]


def test_what_is_in_no_module_has_a_name_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def typed(**_: Any) -> list[float]:
        return []

    typed.__module__, typed.__qualname__ = "__main__", "typed"
    monkeypatch.setattr(sys.modules["__main__"], "typed", typed, raising=False)
    assert name_of(typed) == "python:typed"  # another process has another program there
    assert name_of(Scoring()) == "python:Scoring"
    assert name_of(str.upper) == "python:upper"


def test_settings_are_a_recipe_a_mapping_or_a_tree(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config()
    assert read_settings({"name": "x", "kl.minimum": 0.5, "kl": {"maximum": 1}, "output": tmp_path}) == {
        "name": "x",
        "kl": {"minimum": 0.5, "maximum": 1},
        "output": str(tmp_path),
    }
    named = {"sources": {"my.set": {"path": "x"}}, "sources.my.set.held_out": 0.5}
    assert read_settings(named) == {"sources": {"my.set": {"path": "x", "held_out": 0.5}}}
    with pytest.raises(UserError, match=r"^unknown key 'sources\.data\.pth'; did you mean 'sources\.data\.path'"):
        make_source("data", {"pth": 1})
    with pytest.raises(UserError, match=r"^sources\.data\.held_out: "):
        make_source("data", {"path": "x", "held_out": "half"})
    assert read_settings(tmp_path / "recipe.yaml")["prompts_per_step"] == "3"
    assert Config.model_validate(read_settings(config)) == config
    with pytest.raises(UserError, match=r"^rewards: .*no_such_module"):
        make_config(rewards="{'no_such_module:f': 1}")


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ([lambda **_: [], lambda **_: []], "two are called 'python:<lambda>'; give each a name of its own"),
        (["accuracy", "accuracy"], "two are called 'accuracy'"),
        ([1.0], "1.0 is neither the name of a reward nor a function"),
        ("accuracy", r"^rewards: give a list, such as \[my_reward\], or a mapping to weights, \{my_reward: 1\.0\}$"),
        (importable, "give a list"),
    ],
)
def test_rewards_that_cannot_be_are_named(rewards: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_weights(rewards)


def test_an_async_reward_is_awaited_where_a_loop_runs_too(make_groups: Callable[[int], list[Group]]) -> None:
    (group,) = make_groups(1)

    async def slow(completions: list[str], **_: Any) -> list[float]:
        await asyncio.sleep(0)
        return [float(number) for number, _ in enumerate(completions)]

    async def notebook() -> list[float]:
        return score_by_function("python:slow", group)[0].tolist()

    with held({"python:slow": slow}):
        expected = [float(number) for number in range(len(group.completions))]
        assert asyncio.run(notebook()) == score_by_function("python:slow", group)[0].tolist() == expected


@pytest.mark.parametrize("result", [mr1.RunResult, mr1.EvaluationResult])
def test_a_folder_without_results_is_refused(result: type, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no (run|evaluation) in "):
        result(tmp_path)


def test_load_config_takes_a_recipes_name() -> None:
    assert mr1.load_config is load_config
    assert mr1.load_config("counting-grpo-d", ["steps=7"]).steps == 7
