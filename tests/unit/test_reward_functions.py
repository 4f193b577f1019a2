"""Reward functions of one's own, with TRL's signature."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mr1.algo.advantage import group_advantage
from mr1.config import Config
from mr1.config.tree import RewardFunctions
from mr1.errors import UserError
from mr1.own import loading, waiting
from mr1.rewards import not_finite, score_groups
from mr1.rewards.functions import GIVE_UP, called, score_by_function
from mr1.rewards.handed import held
from mr1.train.metrics import batch_metrics
from mr1.types import Group


@pytest.fixture(autouse=True)
def modules_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test's files bring into the process goes with it: each test may run any number of times in one process."""
    before = {*sys.modules}
    monkeypatch.setattr(loading, "_FOLDERS", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in {*sys.modules} - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and "/test_" in file and not file.startswith(sys.prefix):
            del sys.modules[name]


@pytest.fixture
def group(make_groups: Callable[[int], list[Group]]) -> Group:
    """Four completions of a counting prompt; the row has a column of its own."""
    made = make_groups(1)[0]
    made.prompt.sample = replace(made.prompt.sample, meta={"level": 3, "prompt": "not passed"})
    return made


@pytest.fixture
def function(tmp_path: Path) -> Callable[..., str]:
    """Write a function's file and give its name in a recipe."""

    def write(body: str, name: str = "mine") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(body)
        return f"{path}:reward"

    return write


def message(name: str, group: Group) -> str:
    with pytest.raises(UserError) as caught:
        score_by_function(name, group)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_row_gives_texts_and_its_columns(group: Group, function: Callable[..., str]) -> None:
    name = function(
        "seen = []\n"
        "def reward(prompts, completions, **columns):\n"
        "    seen.append((prompts, completions, columns))\n"
        "    return [float(len(each)) for each in completions]\n"
    )
    scores, not_finite = score_by_function(name, group)
    assert scores.tolist() == [float(len(each.text)) for each in group.completions]
    assert not not_finite.any()
    from mr1.rewards.functions import load_function

    prompts, completions, columns = load_function(name).__globals__["seen"][0]
    assert prompts == [group.prompt.text] * 4
    assert completions == [each.text for each in group.completions]
    assert sorted(columns) == ["answer", "completion_ids", "images", "level", "question"]
    assert columns["level"] == [3] * 4
    assert columns["answer"] == [group.prompt.sample.answer] * 4
    assert columns["completion_ids"] == [each.token_ids.tolist() for each in group.completions]
    assert columns["images"] == [list(group.prompt.sample.images)] * 4


def test_a_chat_gives_messages(group: Group, function: Callable[..., str]) -> None:
    messages: tuple[dict[str, Any], ...] = ({"role": "user", "content": [{"type": "text", "text": "?"}]},)
    group.prompt.sample = replace(group.prompt.sample, messages=messages)
    name = function(
        "def reward(prompts, completions, **_):\n"
        "    assert prompts[0][-1]['role'] == 'user'\n"
        "    assert all(each[0].keys() == {'role', 'content'} for each in completions)\n"
        "    assert all(each[0]['role'] == 'assistant' for each in completions)\n"
        "    return [float(len(each[0]['content'])) for each in completions]\n"
    )
    assert score_by_function(name, group)[0].tolist() == [float(len(each.text)) for each in group.completions]


def test_none_does_not_count_and_nothing_at_all_teaches_nothing(group: Group, function: Callable[..., str]) -> None:
    first = function("def reward(completions, **_):\n    return [1, None, 3.0, None]\n", "first")
    second = function("def reward(completions, **_):\n    return [1, 1, None, None]\n", "second")
    score_groups([group], {first: 2.0, second: 1.0})
    assert group.rewards is not None
    assert group.rewards[:3].tolist() == [3.0, 1.0, 6.0]
    assert math.isnan(group.rewards[3].item())
    advantages = group_advantage(group.rewards)
    assert advantages[3] == 0
    torch.testing.assert_close(advantages[:3], group_advantage(group.rewards[:3]))
    metrics = batch_metrics([group], {first: 1.0, second: 1.0})
    assert metrics["reward/total"] == pytest.approx(10 / 3)
    assert metrics[f"reward/{first}"] == 2.0
    group.rewards = torch.full((4,), torch.nan)
    assert group_advantage(group.rewards).tolist() == [0.0] * 4
    assert batch_metrics([group], {})["reward/total"] is None


WEIGHT = st.sampled_from([0.0, 1.0, -0.5])
SCORE = st.one_of(st.none(), st.floats(width=32), st.integers(-3, 3), st.just(10**400), st.just(1e300), st.booleans())
"""What a function may give for a completion; the last numbers are more than float32, or any float, holds."""


@given(scores=st.lists(SCORE, min_size=4, max_size=4), other=st.lists(SCORE, min_size=4, max_size=4), weight=WEIGHT)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_score_is_told_from_what_does_not_apply(
    group: Group, monkeypatch: pytest.MonkeyPatch, scores: list[Any], other: list[Any], weight: float
) -> None:
    given_by = {"own:first": scores, "own:second": other}
    monkeypatch.setattr("mr1.rewards.functions.load_function", lambda name: lambda **_: given_by[name])
    score_groups([group], {"own:first": 1.0, "own:second": weight})
    assert group.rewards is not None
    for name, each in given_by.items():
        wrong = [score is not None and not math.isfinite(_as_float32(score)) for score in each]
        assert group.not_finite[name].tolist() == wrong
        assert group.scores[name].isnan().tolist() == [
            bad or score is None for bad, score in zip(wrong, each, strict=True)
        ]
        assert batch_metrics([group], {name: 1.0})[f"not_finite/{name}"] == sum(wrong)
        assert (name in not_finite([group])) == any(wrong)
    counted = ["own:first"] if weight == 0 else ["own:first", "own:second"]
    for place, total in enumerate(group.rewards.tolist()):
        unknown = any(group.not_finite[name][place] for name in counted)
        applies = any(given_by[name][place] is not None for name in counted)
        assert math.isnan(total) == (unknown or not applies)


def _as_float32(score: float) -> float:
    try:
        return torch.tensor(float(score)).item()
    except OverflowError:
        return math.inf


def test_a_function_that_gives_no_score_is_named_with_the_sample(group: Group, function: Callable[..., str]) -> None:
    name = function("def reward(**_):\n    return [float('nan'), None, 1.0, float('-inf')]\n")
    score_groups([group], {name: 1.0, "format": 1.0})
    assert group.rewards is not None
    assert group.rewards.isnan().tolist() == [True, False, False, True]
    assert not_finite([group]) == {
        name: f"rewards: {name} gave NaN or infinity for 2 completions, the first of them to "
        f"{group.prompt.sample.id}; they don't count"
    }
    score_groups([group], {name: 0.0, "format": 1.0})
    assert not group.rewards.isnan().any()
    assert batch_metrics([group], {name: 1.0})[f"not_finite/{name}"] == 2


FAILS_FOR_THE_SECOND = """
def reward(completions, **_):
    if any("2 blue" in each for each in completions):
        {what}
    return [1.0] * len(completions)
"""


@pytest.mark.parametrize("timeout", [None, 1.0], ids=["here", "apart"])
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("raise ValueError('no')", "failed in {file}, line 4: ValueError: no"),
        ("return ['x' if 'blue' in each else 0 for each in completions]", "returned what is neither a number nor None"),
        ("return [0.0] * (len(completions) + 1)", "returned 5 scores for 4 completions"),
        ("while True: pass", "took longer than reward_functions.timeout=1 s in {file}, line 4"),
    ],
    ids=["raises", "a text", "the wrong number", "hangs"],
)
def test_a_failure_names_row_and_completion(
    group: Group, function: Callable[..., str], timeout: float | None, what: str, told: str
) -> None:
    if timeout is None and "while" in what:
        pytest.skip("nobody would end it")
    name = function(FAILS_FOR_THE_SECOND.format(what=what))
    with called(RewardFunctions(timeout=timeout)):
        said = message(name, group)
    assert said.startswith(f"rewards: {name} {told.format(file=name.removesuffix(':reward'))}")
    text = "'<think>1 red, 2 blue, 3 gray</think><answer>3</answer>'"
    assert f"(row {group.prompt.sample.id}, completion 2 of 4: {text})" in said
    assert said.endswith("; fix it, or name it in reward_functions.skip")


def test_a_failure_of_the_whole_says_so(group: Group, function: Callable[..., str]) -> None:
    name = function("def reward(completions, **_):\n    return [1.0] * (1 if len(completions) == 1 else 9)\n")
    assert f"(row {group.prompt.sample.id}, its 4 completions together)" in message(name, group)


def test_a_function_to_be_skipped_has_the_group_left_out_and_counted(
    make_groups: Callable[[int], list[Group]], function: Callable[..., str]
) -> None:
    name = function("def reward(answer, **_):\n    return [1 / int(answer[0] != 'fails')] * len(answer)\n")
    good, bad = make_groups(2)
    bad.prompt.sample = replace(bad.prompt.sample, answer="fails")
    weights = {name: 1.0, "format": 0.5}
    with called(RewardFunctions(skip=[name])):
        score_groups([good, bad], weights)
    assert good.rewards is not None
    assert bad.rewards is not None
    assert not good.rewards.isnan().any()
    assert bad.rewards.isnan().all()
    assert group_advantage(bad.rewards).tolist() == [0.0] * 3
    assert not bad.scores["format"].isnan().any()
    assert batch_metrics([good, bad], weights)[f"not_finite/{name}"] == 3
    line, first = not_finite([good, bad])[name], bad.prompt.sample.id
    assert line.startswith(f"rewards: {name} failed for 3 completions, the first of them to {first} (it failed in ")
    assert line.endswith("ZeroDivisionError: division by zero); they don't count")
    with called(RewardFunctions(skip=[name])):
        score_groups([good, bad], {name: 0.0, "format": 0.5})
    assert not bad.rewards.isnan().any()


def test_a_function_that_fails_again_and_again_ends_the_run(group: Group, function: Callable[..., str]) -> None:
    name = function(
        "calls = 0\n"
        "def reward(**_):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    assert calls == 3, 'once it is right'\n"
        "    return [1.0] * 4\n"
    )
    with called(RewardFunctions(skip=[name])):
        failed = [bool(score_by_function(name, group)[1].all()) for _ in range(2 + GIVE_UP)]
        assert failed == [True, True, False] + [True] * (GIVE_UP - 1)
        said, row = message(name, group), group.prompt.sample.id
        assert said.startswith(f"rewards: {name} failed for 10 groups one after another, the last of them {row}: it f")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reward_functions__skip": "[format]"}, "reward_functions.skip: unknown 'format'"),
        (
            {"reward_functions__timeout": 5, "rewards": "{'python:mine': 1.0}"},
            "reward_functions.timeout: python:mine is in no module that another process could import",
        ),
    ],
)
def test_settings_of_functions_that_cant_work(
    make_config: Callable[..., Config], settings: dict[str, object], said: str
) -> None:
    with held({"mine": len, "python:mine": len}), pytest.raises(UserError, match=said):
        make_config(**settings)


def test_advantages_with_gaps_are_trls() -> None:
    from trl.trainer.utils import nanstd

    rewards = torch.tensor([0.5, torch.nan, 2.0, 1.0, torch.nan, 0.0])
    expected = ((rewards - rewards.nanmean()) / (nanstd(rewards) + 1e-4)).nan_to_num(nan=0.0)
    torch.testing.assert_close(group_advantage(rewards), expected)


def test_an_async_function_is_waited_for(group: Group, function: Callable[..., str]) -> None:
    assert score_by_function(function("async def reward(**_):\n    return [1, 2, 3, 4]\n"), group)[0].tolist() == [
        1,
        2,
        3,
        4,
    ]


def test_a_function_of_a_module(group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_package_of_rewards.py").write_text("def reward(**_):\n    return [0.5] * 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert score_by_function("my_package_of_rewards:reward", group)[0].tolist() == [0.5] * 4


def test_a_tensor_of_a_number_for_each_completion_is_scores(group: Group, function: Callable[..., str]) -> None:
    name = function("import torch\ndef reward(**_):\n    return torch.tensor([0.5, torch.nan, 1.0, 0.25])\n")
    scores, bad = score_by_function(name, group)
    assert scores.nan_to_num(9.0).tolist() == [0.5, 9.0, 1.0, 0.25]
    assert bad.tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("def reward(completions, **_):\n    return [1.0]\n", "returned 1 scores for 4 completions"),
        ("def reward(completions, **_):\n    return ['x'] * 4\n", "returned what is neither a number nor None"),
        ("def reward(completions, **_):\n    return ['1.0'] * 4\n", "neither a number nor None: the text '1.0'"),
        (
            "def reward(completions, **_):\n    return ['x' * 30] * 4\n",
            f"returned what is neither a number nor None: the text '{'x' * 20}'",
        ),
        ("def reward(completions, **_):\n    return '1111'\n", "returned a str; return a list of a number or None"),
        ("def reward(completions, **_):\n    return dict.fromkeys(range(4), 0.0)\n", "returned a dict; return a list"),
        ("def reward(completions, **_):\n    return {1, 2, 3, 4}\n", "returned a set; return a list"),
        ("import torch\ndef reward(**_):\n    return torch.zeros(4, 2)\n", "neither a number nor None: "),
        ("import torch\ndef reward(**_):\n    return torch.tensor(1.0)\n", "iteration over a 0-d tensor"),
        (
            "def reward(completions, **_):\n    return 1\n",
            "mine.py:reward failed: TypeError: 'int' object is not iterable",
        ),
        ("def reward(completions, **_):\n    x = {}\n    return x['y']\n", "mine.py, line 3: KeyError: 'y'"),
        ("def reward(completions):\n    return []\n", "TypeError: reward() got an unexpected keyword argument"),
        ("def rewards(**_): ...\n", "has no function 'reward'; did you mean 'rewards'?"),
        ("import nothing_of_this_name\n", "can't be imported: ModuleNotFoundError"),
        ("def reward(:\n", "can't be imported: SyntaxError"),
    ],
)
def test_what_is_wrong_with_a_function_is_named(
    group: Group, function: Callable[..., str], body: str, expected: str
) -> None:
    said = message(function(body), group)
    assert expected in said
    assert said.startswith("rewards: ")
    assert "mine.py" in said


def test_a_recipe_names_functions(make_config: Callable[..., Config], tmp_path: Path) -> None:
    from mr1.config import dump_config, load_config

    (tmp_path / "mine.py").write_text("def reward(**_):\n    return []\n")
    make_config()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text() + f"rewards:\n  {tmp_path}/mine.py:reward: 0.5\n")
    config = load_config(recipe)
    assert config.rewards == {f"{tmp_path}/mine.py:reward": 0.5}
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again) == config
    recipe.write_text(recipe.read_text().replace("mine.py", "yours.py"))
    with pytest.raises(UserError, match=r"rewards: there is no file .*yours.py; it is looked for from"):
        load_config(recipe)


def test_a_file_may_use_what_needs_its_module(group: Group, function: Callable[..., str]) -> None:
    name = function(
        "from __future__ import annotations\n"
        "import inspect, pickle, sys\n"
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "@dataclass\n"
        "class Score:\n"
        "    kinds: ClassVar[int] = 1\n"
        "    value: float = 0.5\n"
        "def reward(completions, **_):\n"
        "    kept = pickle.loads(pickle.dumps(Score(0.25)))\n"
        "    assert 'kinds' in inspect.getsource(Score)\n"
        "    assert sys.modules[__name__].reward is pickle.loads(pickle.dumps(reward))\n"
        "    return [kept.value] * len(completions)\n"
    )
    assert score_by_function(name, group)[0].tolist() == [0.25] * 4


def test_a_file_may_import_what_stands_beside_it(group: Group, tmp_path: Path) -> None:
    (tmp_path / "early_sibling.py").write_text("WORTH = 1.0\n")
    (tmp_path / "late_sibling").mkdir()
    (tmp_path / "late_sibling" / "__init__.py").write_text("WORTH = 2.0\n")
    (tmp_path / "with_siblings.py").write_text(
        "from early_sibling import WORTH\n"
        "def reward(completions, **_):\n"
        "    import late_sibling\n"
        "    return [WORTH + late_sibling.WORTH] * len(completions)\n"
    )
    before = [*sys.path]
    assert score_by_function(f"{tmp_path}/with_siblings.py:reward", group)[0].tolist() == [3.0] * 4
    assert sys.path == [*before, str(tmp_path)]


def test_files_of_one_name_are_two_modules(group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, worth in (("one", 1.0), ("two", 2.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(f"def reward(**_):\n    return [{worth}] * 4\n")
    score_groups([group], {f"{tmp_path}/one/same.py:reward": 1.0, f"{tmp_path}/two/same.py:reward": 10.0})
    assert group.rewards is not None
    assert group.rewards.tolist() == [21.0] * 4
    # The same words from elsewhere are another file.
    for folder, worth in (("one", 1.0), ("two", 2.0)):
        monkeypatch.chdir(tmp_path / folder)
        assert score_by_function("same.py:reward", group)[0].tolist() == [worth] * 4


def test_siblings_of_one_name_are_refused(group: Group, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twin_helpers.py").write_text(f"FOLDER = '{folder}'\n")
        (tmp_path / folder / f"uses_{folder}.py").write_text(
            "import twin_helpers\ndef reward(**_):\n    return [len(twin_helpers.FOLDER)] * 4\n"
        )
    assert score_by_function(f"{tmp_path}/one/uses_one.py:reward", group)[0].tolist() == [3.0] * 4
    said = message(f"{tmp_path}/two/uses_two.py:reward", group)
    assert said.endswith("two/twin_helpers.py are both imported as 'twin_helpers'; rename one of them")


def test_a_file_that_fails_is_run_again_once_it_is_fixed(group: Group, function: Callable[..., str]) -> None:
    assert "can't be imported: SystemExit: 3" in message(function("import sys\nsys.exit(3)\n"), group)
    assert score_by_function(function("def reward(**_):\n    return [1] * 4\n"), group)[0].tolist() == [1] * 4


def test_settings_are_read_without_running_anybodys_code(make_config: Callable[..., Config], tmp_path: Path) -> None:
    from mr1.config import read_config

    make_config()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "rewards: {gone.py:reward: 1}\n")
    assert read_config(recipe).rewards == {"gone.py:reward": 1}


@pytest.mark.parametrize("sleep", ["time.sleep(1)", "await asyncio.sleep(1)"])
def test_a_function_without_a_limit_that_takes_long_is_told_at_growing_intervals(
    group: Group, function: Callable[..., str], monkeypatch: pytest.MonkeyPatch, sleep: str
) -> None:
    monkeypatch.setattr(waiting, "FIRST", 0.1)
    kind = "async def" if sleep.startswith("await") else "def"
    name = function(f"import asyncio, time\n{kind} reward(completions, **_):\n    {sleep}\n    return [1.0] * 4\n")
    said: list[str] = []
    with called(RewardFunctions(), said.append):
        score_by_function(name, group)
        assert [line.partition(" so far")[0] for line in said[:4]] == [
            f"rewards: {name} has taken {seconds} s" for seconds in ("0.1", "0.2", "0.4", "0.8")
        ]
        assert f"(row {group.prompt.sample.id}, 4 completions)" in said[0]
        assert said[0].endswith("reward_functions.timeout sets a limit")
        said.clear()
        monkeypatch.setattr(waiting, "FIRST", 60.0)
        score_by_function(function("def reward(completions, **_):\n    return [1.0] * 4\n", "quick"), group)
    assert said == []
    assert not [thread for thread in threading.enumerate() if thread.name == "mr1-waiting"]
