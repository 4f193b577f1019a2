"""The order of tasks: forecasts by hand, the best of all orders, and what is read of a study."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest
from study_records import make_placed, make_study

from mr1.algo.task_order import EXHAUSTIVE, Transfer, backward_transfer, best_order, forecast
from mr1.errors import UserError
from mr1.study.order import describe, main, read_measured
from mr1.study.results import collect

ALONE = {"a": 0.5, "b": 0.6, "c": 0.7}
TRANSFER = {
    "a": {"a": 0.2, "b": -0.1, "c": 0.05},
    "b": {"a": 0.1, "b": 0.3, "c": -0.2},
    "c": {"a": 0.0, "b": 0.15, "c": 0.4},
}


def test_a_forecast_by_hand() -> None:
    """Of a, b, c: a gets 0.1 of b and 0 of c, b gets 0.15 of c. Of c, b, a: c gets -0.2 of b and 0.05 of a."""
    assert forecast(ALONE, TRANSFER, "abc") == pytest.approx({"a": 0.6, "b": 0.75, "c": 0.7})
    assert forecast(ALONE, TRANSFER, "cba") == pytest.approx({"c": 0.55, "b": 0.5, "a": 0.5})
    assert best_order(TRANSFER, "cba") == ["a", "b", "c"]


def any_transfer(tasks: Sequence[str], seed: int) -> Transfer:
    numbers = random.Random(seed)
    return {i: {j: numbers.uniform(-1, 1) for j in tasks} for i in tasks}


def test_no_order_is_better_and_of_equals_the_first_is_taken() -> None:
    tasks = "abcde"
    for seed in range(5):
        transfer = any_transfer(tasks, seed)
        means = {
            order: fmean(forecast(dict.fromkeys(tasks, 0.5), transfer, order).values())
            for order in itertools.permutations(tasks)
        }
        assert means[tuple(best_order(transfer, tasks))] == pytest.approx(max(means.values()))
    assert best_order({i: dict.fromkeys(tasks, 0.1) for i in tasks}, "bdace") == [*"bdace"]


def test_many_tasks_are_ordered_greedily() -> None:
    """Where each task harms those before it in one order alone, the greedy choice finds that order, too."""
    tasks = "hgfedcba"
    assert len(tasks) > EXHAUSTIVE
    transfer = {i: {j: 0.1 if i > j else -0.1 for j in tasks} for i in tasks}
    assert best_order(transfer, tasks) == sorted(tasks)


def test_backward_transfer_by_hand() -> None:
    """(0.4 - 0.6) and (0.5 - 0.7), of the first two of three."""
    measured = [[0.6, 0.1, 0.2], [0.5, 0.7, 0.2], [0.4, 0.5, 0.9]]
    assert backward_transfer(measured) == pytest.approx(-0.2)
    with pytest.raises(ValueError, match="needs two tasks, got 1"):
        backward_transfer([[1.0]])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Of a study whose method grpo forgets geometry where it learns counting, and not the other way round."""
    study = make_study()
    gains = {("grpo", "counting", "counting"): 0.3, ("grpo", "counting", "geometry"): -0.3}
    gains |= {("grpo", "geometry", "geometry"): 0.3}
    file = tmp_path / "results.json"
    file.write_text(json.dumps(collect(study, make_placed(study, gains)).plain()))
    return file


def test_a_study_says_in_which_order_to_train(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = read_measured(results, "grpo")
    held = json.loads(results.read_text())
    (arm,) = (arm for arm in held["arms"] if (arm["method"], arm["trained"]) == ("grpo", "counting"))
    change = arm["scores"]["geometry"]["accuracy"]["value"] - held["untrained"]["geometry"]["accuracy"]["value"]
    assert measured.transfer["counting"]["geometry"] == pytest.approx(change)
    assert change < -0.1
    assert measured.alone["counting"] == arm["scores"]["counting"]["accuracy"]["value"]
    lines = describe(measured)
    assert lines[-3:] == [
        "stages:",
        "  counting: {settings: {task: counting}}",
        "  geometry: {settings: {task: geometry}}",
    ]
    assert any(line.startswith("worst order: geometry, counting; forecast: geometry ") for line in lines)
    back = measured.transfer["geometry"]["counting"]
    gap = abs(back - change) / 2
    errors = [measured.errors["geometry"]["counting"], measured.errors["counting"]["geometry"]]
    assert f"between them: {gap:.3f}, standard error {(errors[0] ** 2 + errors[1] ** 2) ** 0.5 / 2:.3f}" in lines
    main([str(results), "--method", "grpo"])
    assert capsys.readouterr().out == "\n".join(lines) + "\n"


def test_what_a_run_in_that_order_came_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage, accuracies in (("one", (0.6, 0.1)), ("two", (0.45, 0.7))):
        (tmp_path / stage).mkdir()
        summary = {task: {"accuracy": each} for task, each in zip(("a", "b"), accuracies, strict=True)}
        (tmp_path / stage / "summary.json").write_text(json.dumps(summary))
    main(["--stages", f"a={tmp_path / 'one'}", f"b={tmp_path / 'two'}"])
    assert capsys.readouterr().out == "BWT -0.150\n"
    with pytest.raises(SystemExit, match=r"error: --stages: .*two has no accuracy of c and b; make it by mr1 eval"):
        main(["--stages", f"c={tmp_path / 'two'}", f"b={tmp_path / 'two'}"])
    with pytest.raises(SystemExit, match="error: --stages: backward transfer needs two stages or more"):
        main(["--stages", f"c={tmp_path / 'two'}"])


def test_what_cannot_be_ordered_is_said(results: Path, tmp_path: Path) -> None:
    for method, message in (
        (None, r"^--method: the study has several; name one of sft, grpo, grpo-d"),
        ("gpro", r"^--method: unknown 'gpro'; did you mean 'grpo'"),
    ):
        with pytest.raises(UserError, match=message):
            read_measured(results, method)
    held = json.loads(results.read_text())
    held["arms"] = [arm for arm in held["arms"] if arm["trained"] == "counting"]
    results.write_text(json.dumps(held))
    with pytest.raises(UserError, match="grpo on geometry has no test on counting yet; finish the study first"):
        read_measured(results, "grpo")
    with pytest.raises(UserError, match=r"none.json is no results.json of a study: "):
        read_measured(tmp_path / "none.json")
