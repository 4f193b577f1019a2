"""Settings: what is read, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mr1.config import Config, dump_config, load_config
from mr1.errors import UserError

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid(recipe: Path) -> None:
    assert load_config(recipe).steps > 0


def test_overrides_win_over_the_recipe(make_config: Callable[..., Config]) -> None:
    config = make_config(kl__minimum=0.01, rollout__group_size=16, task="[counting,geometry]", rewards__format=0.5)
    assert config.kl.minimum == 0.01
    assert config.rollout.group_size == 16
    assert config.rollout.max_new_tokens == 48
    assert config.tasks == ["counting", "geometry"]
    assert config.rewards == {"accuracy": 1.0, "format": 0.5}


def test_the_resolved_config_can_be_run_again(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config(optimizer__betas="[0.8,0.95]", seed=7)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stepz": 3}, "unknown key 'stepz'; did you mean 'steps'?"),
        ({"kl__minimun": 0.1}, "unknown key 'kl.minimun'; did you mean 'kl.minimum'?"),
        ({"rollout__groupsize": 4}, "unknown key 'rollout.groupsize'; did you mean 'rollout.group_size'?"),
        ({"method": "grpod"}, "method: unknown 'grpod'; did you mean 'grpo-d'?"),
        ({"task": "countng"}, "task: unknown 'countng'; did you mean 'counting'?"),
        ({"rewards__acuracy": 1}, "rewards: unknown 'acuracy'; did you mean 'accuracy'?"),
        ({"evaluation__tasks": "[geometri]"}, "evaluation.tasks: unknown 'geometri'"),
        ({"steps": "many"}, "steps: input should be a valid integer"),
        ({"steps": 0}, "steps: input should be greater than or equal to 1, got 0"),
        ({"rollout__group_size": 1}, "rollout.group_size: input should be greater than or equal to 2, got 1"),
        ({"rollout__max_new_tokens": 0}, "rollout.max_new_tokens: input should be greater than or equal to 1"),
        ({"rollout__temperature": 0}, "rollout.temperature: input should be greater than or equal to 0.000001, got 0"),
        ({"kl__minimum": 0.2}, "kl.minimum: 0.2 is above kl.maximum=0.1"),
        ({"kl__maximum": "null"}, "kl.maximum: missing; method grpo-d needs it"),
        ({"kl__weight": 0.1}, "kl.weight: method grpo-d does not use it"),
        ({"method": "grpo", "kl__weight": 0.04}, "kl.exploration: method grpo does not use it"),
        ({"updates_per_rollout": 2}, "steps: 3 is no multiple of updates_per_rollout=2"),
        ({"prompt": "Count."}, "prompt: the template needs {question}"),
        ({"name": "a/b"}, "name: it names a folder"),
        ({"optimizer__learning_rate": "nan"}, "optimizer.learning_rate: input should be a finite number"),
    ],
)
def test_mistakes_are_named_in_one_line(
    make_config: Callable[..., Config], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        make_config(**settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_recipe_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("name: x")
    for name, text, message in (
        ("goood.yaml", None, "good.yaml"),
        ("list.yaml", "- 1\n- 2\n", "list.yaml"),
        ("broken.yaml", "a: [1,", "broken.yaml"),
        ("empty.yaml", "", "name: missing"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=message) as caught:
            load_config(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_an_override_without_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: x")
    with pytest.raises(UserError, match="expected key=value"):
        load_config(tmp_path / "r.yaml", ["steps"])
