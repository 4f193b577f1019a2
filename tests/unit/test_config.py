"""Settings: what is read, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest

from mr1.config import Config, dump_config, load_config, read_config
from mr1.config.overrides import put_over
from mr1.config.reading import load_source_settings
from mr1.config.walk import keys, nested_model, parts
from mr1.data.settings import Source
from mr1.errors import UserError
from mr1.recipes import recipe_names

RECIPES = recipe_names()


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_valid(recipe: str) -> None:
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
        (
            {"evaluation__tasks": "[geometri]"},
            "evaluation.tasks: unknown 'geometri'; did you mean 'geometry'?",
        ),
        (
            {"steps": "many"},
            "steps: input should be a valid integer, got 'many'",
        ),
        ({"steps": 0}, "steps: input should be greater than or equal to 1, got 0"),
        ({"rollout__group_size": 1}, "rollout.group_size: input should be greater than or equal to 2, got 1"),
        (
            {"rollout__max_new_tokens": 0},
            "rollout.max_new_tokens: input should be greater than or equal to 1, got 0",
        ),
        ({"rollout__temperature": 0}, "rollout.temperature: input should be greater than or equal to 0.000001, got 0"),
        ({"kl__minimum": 0.2}, "kl.minimum: 0.2 is above kl.maximum=0.1"),
        ({"kl__maximum": "null"}, "kl.maximum: missing; method grpo-d needs it"),
        (
            {"kl__weight": 0.1},
            "kl.weight: method grpo-d does not use it; leave it out, set it back to null, or choose another method "
            "or kl.controller",
        ),
        (
            {"method": "grpo", "kl__weight": 0.04},
            "kl.exploration: method grpo does not use it; leave it out, set it back to null, or choose another method "
            "or kl.controller",
        ),
        (
            {"updates_per_rollout": 2},
            "steps: 3 is no multiple of updates_per_rollout=2; a batch of rollouts can't be left half used",
        ),
        (
            {"prompt": "Count."},
            "prompt: the template needs {question}, where the sample's question is put in",
        ),
        (
            {"name": "a/b"},
            "name: it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its "
            "beginning and no . at its end, got 'a/b'",
        ),
        (
            {"optimizer__learning_rate": "nan"},
            "optimizer.learning_rate: input should be a finite number, got nan",
        ),
        ({"optimizer__betas": "[0.9,1.0]"}, "optimizer.betas.1: input should be less than 1, got 1.0"),
        ({"optimizer__betas": "0.9,0.99"}, "optimizer.betas: should be a list, such as [a, b], got '0.9,0.99'"),
        ({"steps": "true"}, "steps: input should be a valid integer, got 'true'"),
        ({"steps": "1000000"}, "steps: input should be less than or equal to 999999, got 1000000"),
        (
            {"seed": 2**63},
            "seed: input should be less than 9223372036854775808, got 9223372036854775808",
        ),
        (
            {"name": "."},
            "name: it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its "
            "beginning and no . at its end, got '.'",
        ),
        (
            {"name": ".."},
            "name: it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its "
            "beginning and no . at its end, got '..'",
        ),
        ({"name": "null"}, "name: should be a text, got null"),
        (
            {"output": "' '"},
            "output: it is blank; write something, or leave the key out, got ' '",
        ),
        ({"task": "[]"}, "task: name at least one"),
        (
            {"evaluation__tasks": "[]"},
            "evaluation.tasks: name at least one; for none at all set evaluation.every=0 and "
            "evaluation.final_samples=0",
        ),
        (
            {"evaluation__tasks": "[counting,counting]"},
            "evaluation.tasks: 'counting' stands twice; once is enough",
        ),
        (
            {"rewards__accuracy": 0, "rewards__format": 0},
            "rewards: none has a weight other than 0; nothing would be learned",
        ),
        (
            {"lora__alpha": 3},
            "lora.alpha: it has no effect without lora.rank; set both, or leave both out",
        ),
        (
            {"lora__targets": "[q_proj]"},
            "lora.targets: it has no effect without lora.rank; set both, or leave both out",
        ),
        ({"loading__min_pixels": 9, "loading__max_pixels": 3}, "loading.min_pixels: 9 is above loading.max_pixels=3"),
        (
            {"optimizer__parts": "{vision: 0, projector: 0, language: 0}"},
            "optimizer.parts: every part's learning rate is 0; nothing would learn",
        ),
        (
            {"demonstrations__teacher": "hasty"},
            "demonstrations.teacher: method grpo-d does not use it; leave it out, set it back to perfect, or "
            "choose another method",
        ),
        (
            {"rollout__top_p": "1e-320"},
            "rollout.top_p: input should be greater than or equal to 0.000001, got 1e-320",
        ),
        ({"sources__own": "{preset: mathvist}"}, "sources.own.preset: unknown 'mathvist'; did you mean 'mathvista'?"),
        (
            {"sources__own": "{path: x, answer_pattern: x}"},
            "sources.own.answer_pattern: it has 0 groups and needs one, got 'x'",
        ),
        (
            {"prompt": "${stepz} {question}"},
            "prompt: '${' begins a reference to another setting, and this one can't be followed (Interpolation "
            "key 'stepz' not found); write \\${ for the characters themselves",
        ),
        (
            {"checkpoint__keep_best": True, "evaluation__every": 0},
            "checkpoint.keep_best: needs evaluation.every, which says when accuracy is measured",
        ),
        (
            {"sources__counting": "{path: x}"},
            "sources.counting: there is a procedural task of this name; choose another",
        ),
        (
            {"checkpoint__every": 3, "updates_per_rollout": 2, "steps": 4},
            "checkpoint.every: 3 is no multiple of updates_per_rollout=2; a batch of rollouts can't be left half used",
        ),
        (
            {"evaluation__prompt": "Count."},
            "evaluation.prompt: the template needs {question}, where the sample's question is put in",
        ),
        (
            {"name": "x" * 201},
            "name: it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its "
            "beginning and no . at its end, got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...",
        ),
        (
            {"name": "-x"},
            "name: it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its "
            "beginning and no . at its end, got '-x'",
        ),
        (
            {"task": "[counting,countng]"},
            "task: unknown 'countng'; did you mean 'counting'?",
        ),
        (
            {"evaluation__tasks": "[countng]"},
            "evaluation.tasks: unknown 'countng'; did you mean 'counting'?",
        ),
        (
            {"loading__min_pixels": 0},
            "loading.min_pixels: input should be greater than or equal to 1, got 0",
        ),
        (
            {"sources__own": "x"},
            "override 'sources.own=x': sources.own has keys of its own; set one of them (sources.own.KEY=VALUE), "
            "or put a mapping between quotes for the shell: 'sources.own={KEY: VALUE}'",
        ),
        (
            {"rollout": "3"},
            "override 'rollout=3': rollout has keys of its own; set one of them (rollout.KEY=VALUE), or put a "
            "mapping between quotes for the shell: 'rollout={KEY: VALUE}'",
        ),
        (
            {"task": "{a: 1}"},
            "task: unknown '{a: 1}'; "
            "known: counting, counting-3-5, counting-6-8, counting-9-10, counting-words, geometry",
        ),
        (
            {"lora__rank": "x"},
            "lora.rank: input should be a valid integer, got 'x'",
        ),
        (
            {"checkpoint__keep_best": "maybe"},
            "checkpoint.keep_best: should be true or false, got 'maybe'",
        ),
        (
            {"optimizer__learning_rate": "much"},
            "optimizer.learning_rate: input should be a valid number, got 'much'",
        ),
        (
            {"kl__minimum__x": 1},
            "unknown key 'kl.minimum.x'; kl.minimum has no keys of its own",
        ),
        (
            {"sources__own__columns__x": 1},
            "unknown key 'sources.own.columns.x'; did you mean 'sources.own.columns.id'?",
        ),
        (
            {"sources__own__x": 1},
            "unknown key 'sources.own.x'; did you mean 'sources.own.skip'?",
        ),
        (
            {"rewards__x": "y"},
            "rewards.x: input should be a valid number, got 'y'",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(
    make_config: Callable[..., Config], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        make_config(**settings)
    assert str(caught.value) == message
    assert "\n" not in message


def test_files_that_are_no_recipe_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("name: x")
    for name, text, message in (
        ("goood.yaml", None, f"recipe: there is no file {tmp_path}/goood.yaml; did you mean '{tmp_path}/good.yaml'?"),
        ("list.yaml", "- 1\n- 2\n", f"recipe: {tmp_path}/list.yaml holds no settings, such as name: my-run"),
        ("empty.yaml", "", "name: missing; the recipe or an override must set it"),
        ("no/folder.yaml", None, f"recipe: there is no file {tmp_path}/no/folder.yaml"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(UserError) as caught:
            load_config(tmp_path / name)
        assert str(caught.value) == message
    (tmp_path / "broken.yaml").write_text("a: [1,")
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "broken.yaml")
    assert str(caught.value).startswith(f"recipe: {tmp_path}/broken.yaml can't be read: expected the node content")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["steps"], "override 'steps': expected key=value"),
        (["seed="], "override 'seed=': no value stands behind '='; write seed=VALUE, or leave it out for the recipe's"),
        (
            ["kl.weight="],
            "override 'kl.weight=': no value stands behind '='; write kl.weight=VALUE, or kl.weight=null for none",
        ),
        (
            ["prompt={question}", "Think", "first."],
            "override 'Think': expected key=value; if it belongs to the one before, put both between quotes: "
            "'prompt={question} Think first.'",
        ),
        (
            ["task=[counting,", "geometry]"],
            "override 'geometry]': expected key=value; if it belongs to the one before, put both between quotes: "
            "'task=[counting, geometry]'",
        ),
        (
            ["task=[counting"],
            "override 'task=[counting': task is no YAML list; put it between quotes for the shell, such as "
            "'task=[a, b]'",
        ),
        (
            ["kl={minimum"],
            "override 'kl={minimum': kl is no YAML mapping; put it between quotes for the shell, such as 'kl={a: "
            "1, b: 2}'",
        ),
        (
            ["kl=3"],
            "override 'kl=3': kl has keys of its own; set one of them (kl.KEY=VALUE), or put a mapping between "
            "quotes for the shell: 'kl={KEY: VALUE}'",
        ),
        (["steps.x=3"], "unknown key 'steps.x'; steps has no keys of its own"),
    ],
)
def test_an_override_that_the_shell_took_apart_is_told(tmp_path: Path, overrides: list[str], message: str) -> None:
    (tmp_path / "r.yaml").write_text("name: x")
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "r.yaml", overrides)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["steps", "seed=3"], "override 'steps': expected key=value"),
        (["seed=1", "=3"], "override '=3': expected key=value"),
        (["=a=b"], "override '=a=b': expected key=value"),
        (
            ["prompt={question}", "Think", "first.", "seed=3"],
            "override 'Think': expected key=value; if it belongs to the one before, put both between quotes: "
            "'prompt={question} Think first.'",
        ),
    ],
)
def test_which_pieces_belong_together(tmp_path: Path, overrides: list[str], message: str) -> None:
    (tmp_path / "r.yaml").write_text("name: x")
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "r.yaml", overrides)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rewards: {' ': 1}", "rewards. : it is blank; write something, or leave the key out, got ' '"),
        ("stepz: 3", "unknown key 'stepz'; did you mean 'steps'?"),
        ("sources: {a: {pathh: x}}", "unknown key 'sources.a.pathh'; did you mean 'sources.a.path'?"),
        ("rewards: {float: x}", "rewards.float: input should be a valid number, got 'x'"),
        (
            "sources: {int: {path: ' '}}",
            "sources.int.path: it is blank; write something, or leave the key out, got ' '",
        ),
        ("sources: {a: {path: x, limit: 0}}", "sources.a.limit: input should be greater than or equal to 1, got 0"),
        (
            "sources: {a: {path: x, columns: {images: ' '}}}",
            "sources.a.columns.images: it is blank; write something, or leave the key out, got ' '",
        ),
        ("sources: {a: {path: x, columns: {images: [' ']}}}", "sources.a.columns.images: should be a text, got [' ']"),
        (
            "sources: {a: {path: x, splits: {tra: x}}}",
            "sources.a.splits.tra: input should be 'train', 'validation' or 'test', got 'tra'",
        ),
        ("lora: x", "lora: should have keys of its own, such as {a: 1}, got 'x'"),
        ("lora: {targets: x}", "lora.targets: should be a list, such as [a, b], got 'x'"),
        ("rewards: x", "rewards: should have keys of its own, such as {a: 1}, got 'x'"),
    ],
)
def test_mistakes_in_a_recipe_are_named_by_their_keys(
    make_config: Callable[..., Config], tmp_path: Path, line: str, message: str
) -> None:
    make_config()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{recipe.read_text()}{line}\n")
    with pytest.raises(UserError) as caught:
        load_config(recipe)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("settings", "override", "expected"),
    [
        ({}, "kl.minimum=1", {"kl": {"minimum": "1"}}),
        ({"kl": None}, "kl.minimum=1", {"kl": {"minimum": "1"}}),
        ({"kl": {"weight": 2}}, " kl.minimum = 1", {"kl": {"weight": 2, "minimum": " 1"}}),
        ({"kl": {"weight": 2}}, "kl={minimum: 1}", {"kl": {"weight": 2, "minimum": "1"}}),
        ({"kl": {"weight": 2}}, "kl={weight: 1}", {"kl": {"weight": "1"}}),
        ({"kl": 3}, "kl={weight: 1}", {"kl": {"weight": "1"}}),
        ({"kl": {"weight": 2}}, "kl=null", {"kl": None}),
        (
            {"optimizer": {"parts": {"vision": 1, "language": 2}}},
            "optimizer={parts: {vision: 0}}",
            {"optimizer": {"parts": {"vision": "0", "language": 2}}},
        ),
        ({"rewards": {"accuracy": 1}}, "rewards.format=0.5", {"rewards": {"accuracy": 1, "format": "0.5"}}),
        ({}, "rewards.a.b/c.py:f=2", {"rewards": {"a.b/c.py:f": "2"}}),
        ({}, "sources.own.columns.answer=x", {"sources": {"own": {"columns": {"answer": "x"}}}}),
        (
            {"sources": {"my": {}, "my.own": {}}},
            "sources.my.own.path=x=y",
            {"sources": {"my": {}, "my.own": {"path": "x=y"}}},
        ),
        ({}, "task=[counting, geometry]", {"task": ["counting", "geometry"]}),
        ({}, "task= [counting]", {"task": ["counting"]}),
        ({}, "task='a'", {"task": "a"}),
        ({}, "task='a", {"task": "'a"}),
        ({}, "task='a' or \"b\"", {"task": "'a' or \"b\""}),
        ({}, "name='a': 'b'", {"name": "'a': 'b'"}),
        ({}, "name=~", {"name": None}),
        ({}, "name=7 # 7", {"name": "7 # 7"}),
        ({}, "name=X # X", {"name": "X # X"}),
        ({}, "name=[a]", {"name": "[a]"}),
    ],
)
def test_where_an_override_goes_and_what_it_is_there(settings: Any, override: str, expected: Any) -> None:
    put_over(settings, [override], Config)
    assert settings == expected


def test_the_types_that_a_setting_takes() -> None:
    assert [*parts(int)] == [int]
    assert [*parts(Annotated[list[int] | None, "at most"])] == [list[int], type(None)]
    assert [*parts(Optional[Annotated[int, "above 0"]])] == [int, type(None)]  # noqa: UP045 - typing's own union
    assert nested_model(Config) is Config
    assert nested_model(list[int]) is None


def test_settings_by_their_keys() -> None:
    found = keys(Config)
    assert "name" in found
    assert {"kl", "kl.weight", "sources", "sources.NAME.columns.answer", "rewards"} <= {*found}
    assert keys(Source, "sources.a.")[0] == "sources.a.preset"


@pytest.mark.parametrize("name", ["x", "7", "é" * 100, "a.b-c_d", "a-"])
def test_names_of_folders(make_config: Callable[..., Config], name: str) -> None:
    assert make_config(name=name).name == name


def test_pixels_may_be_one_number(make_config: Callable[..., Config]) -> None:
    loading = make_config(loading__min_pixels=9, loading__max_pixels=9).loading
    assert (loading.min_pixels, loading.max_pixels) == (9, 9)
    assert make_config(loading__min_pixels=9).loading.max_pixels is None


def test_settings_of_a_source_alone() -> None:
    source = load_source_settings("folder/rows", ["limit=3"])
    assert (source.path, source.preset, source.limit) == ("folder/rows", None, 3)
    assert load_source_settings("mathvista", path="there").path == "there"
    for override, message in (
        ("limitt=3", "unknown key 'sources.data.limitt'; did you mean 'sources.data.limit'?"),
        ("columns.anwser=x", "unknown key 'sources.data.columns.anwser'; did you mean 'sources.data.columns.answer'?"),
        (
            "columns={anwser: x}",
            "unknown key 'sources.data.columns.anwser'; did you mean 'sources.data.columns.answer'?",
        ),
        ("limit=0", "sources.data.limit: input should be greater than or equal to 1, got 0"),
    ):
        with pytest.raises(UserError) as caught:
            load_source_settings("rows.jsonl", [override])
        assert str(caught.value) == message


@pytest.mark.parametrize("word", ["7", "007", "1e3", "yes", "no", "0x10", "2020-01-01", "1_000"])
def test_a_text_is_what_was_typed(make_config: Callable[..., Config], tmp_path: Path, word: str) -> None:
    assert make_config(name=word).name == word
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: run", f"name: {word}"))
    assert load_config(recipe).name == word


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("{question} x", "{question} x"),
        ("{question} # x: y", "{question} # x: y"),
        ("'{question}: x'", "{question}: x"),
        ('"{question}\\n"', "{question}\n"),
        ("{question} at ${steps}", "{question} at 3"),
        ("{question} at \\${steps}", "{question} at ${steps}"),
        ('{question} as {"answer": 1}', '{question} as {"answer": 1}'),
    ],
)
def test_a_prompt_needs_no_quotes_of_its_own(make_config: Callable[..., Config], typed: str, meant: str) -> None:
    assert make_config(prompt=typed).prompt == meant


def test_rewards_of_a_recipe_replace_the_defaults(make_config: Callable[..., Config], tmp_path: Path) -> None:
    make_config()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "rewards: {}\n")
    with pytest.raises(UserError, match="rewards: none has a weight other than 0; nothing would be learned"):
        load_config(recipe)
    assert load_config(recipe, ["rewards.format=2"]).rewards == {"format": 2}


def test_a_name_with_dots_is_found_by_an_override(tmp_path: Path, make_config: Callable[..., Config]) -> None:
    make_config()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "sources: {my.set: {path: x}}\nrewards: {a/b.py:f: 1}\n")
    config = read_config(recipe, ["sources.my.set.path=y.jsonl", "rewards.a/b.py:f=3"])
    assert config.sources["my.set"].path == "y.jsonl"
    assert config.rewards == {"a/b.py:f": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b", "the key 'name' stands a second time in line 2"),
        ("a: &a [*a]", "it is nested too deeply, or contains itself"),
        ("a: !mine 3", "could not determine a constructor for the tag '!mine' in line 1"),
        ("a: !!timestamp 3", "could not determine a constructor for the tag 'tag:yaml.org,2002:timestamp' in line 1"),
        ("a: !!bool 3", "could not determine a constructor for the tag 'tag:yaml.org,2002:bool' in line 1"),
        ("a: *nothing", "found undefined alias 'nothing' in line 1"),
        ("a: 1\n? [b]\n: 2", "found unhashable key in line 2"),
        (
            "a: \x01",
            'unacceptable character #x0001: special characters are not allowed in "<byte string>", position 3',
        ),
        ('a: "\\UFFFFFFFF"', "Python int too large to convert to C int"),
    ],
)
def test_a_recipe_that_is_no_yaml_is_told_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "r.yaml")
    assert str(caught.value) == f"recipe: {tmp_path / 'r.yaml'} can't be read: {message}"


def test_a_none_that_is_not_the_default_is_dumped(make_config: Callable[..., Config]) -> None:
    class Other(Config):
        samples_every: int | None = 3  # type: ignore[assignment]

    config = Other.model_validate(make_config().model_dump() | {"samples_every": None})
    assert "samples_every: null" in dump_config(config)
    assert "weight: null" not in dump_config(config)
