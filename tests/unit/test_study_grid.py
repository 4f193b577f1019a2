"""A study's settings, the runs that they are, and what has to be alike among them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr1.config import load_config
from mr1.config.text import write_yaml
from mr1.errors import UserError
from mr1.recipes import STUDIES, recipe_names
from mr1.study.fair import check_fair, samples_seen
from mr1.study.grid import Cell, digest, runs_of, study_cells, tuning_cells
from mr1.study.progress import Progress, seconds_left
from mr1.study.record import Cost, Record
from mr1.study.run import check_study
from mr1.study.settings import Study, load_study
from mr1.study.tuning import choose
from mr1.study.tuning import chosen as chosen_of

SMALL: dict[str, Any] = {
    "name": "small",
    "settings": {"steps": "6", "kl.weight": "0.04", "method": "grpo", "evaluation.every": "2"},
    "tasks": ["counting", "geometry"],
    "seeds": ["0", "1"],
    "tuning_seed": "9",
    "methods": {
        "plain": {"tune": [{"optimizer.learning_rate": "1e-4"}, {"optimizer.learning_rate": "1e-3"}]},
        "tied": {
            "settings": {"kl.weight": "0.5"},
            "by_task": {"geometry": {"kl.weight": "0.25"}},
            "tune": [{"optimizer.learning_rate": "1e-4"}, {"optimizer.learning_rate": "2e-4"}],
        },
    },
    "sweeps": {"beta": {"key": "kl.weight", "values": ["0", "0.04"], "methods": ["plain"], "tasks": ["counting"]}},
}


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """Reads the small study with changes, each a key of it, and overrides."""

    def read(*overrides: str, **changes: Any) -> Study:
        file = tmp_path / "study.yaml"
        file.write_text(write_yaml(SMALL | {"output": str(tmp_path / "studies")} | changes))
        return load_study(file, overrides)

    return read


def chosen(study: Study, number: int = 0) -> dict[tuple[str, str], Any]:
    return {(name, task): arm.tune[number] for name, arm in study.methods.items() for task in study.tasks}


def of(cells: list[Cell], **wanted: Any) -> list[Cell]:
    return [cell for cell in cells if all(getattr(cell, key) == value for key, value in wanted.items())]


def test_settings_are_put_over_each_other_from_the_general_to_the_special(study: Callable[..., Study]) -> None:
    small = study()
    cells = study_cells(small, chosen(small, 1))
    weights = {(cell.method, cell.task): cell.config.kl.weight for cell in of(cells, seed=0, sweep="")}
    assert weights == {
        ("plain", "counting"): 0.04,
        ("plain", "geometry"): 0.04,
        ("tied", "counting"): 0.5,
        ("tied", "geometry"): 0.25,
    }
    assert {cell.config.optimizer.learning_rate for cell in of(cells, method="tied")} == {2e-4}
    assert all(cell.config.seed == cell.seed and cell.config.task == cell.task for cell in cells)


def test_a_run_that_stands_in_two_places_is_made_once(study: Callable[..., Study]) -> None:
    small = study()
    cells = study_cells(small, chosen(small))
    assert len(cells) == 2 * (4 + 2)
    assert len([*runs_of(cells)]) == 2 * (4 + 1)
    swept = of(cells, sweep="beta", value="0.04", seed=0)[0]
    assert swept.run == of(cells, method="plain", task="counting", sweep="", seed=0)[0].run


def test_a_method_with_tasks_of_its_own_is_one_run_for_all_that_it_is_measured_by(study: Callable[..., Study]) -> None:
    """It trains on what it says, and each row of the tables that it stands in is of the same run."""
    one_by_one = {name: {"settings": {"task": name}} for name in ("geometry", "counting")}
    methods = {
        "alone": {},
        "joint": {"settings": {"task": ["counting", "geometry"]}},
        "staged": {"settings": {"task": ["counting", "geometry"], "stages": one_by_one}},
        "by-way": {"by_task": {"counting": {"task": ["counting", "geometry"]}}},
    }
    small = study(methods=methods, sweeps={}, seeds=["0"])
    check_study(small)
    cells = study_cells(small, {})
    assert {(cell.method, cell.task): cell.config.task for cell in cells} == {
        ("alone", "counting"): "counting",
        ("alone", "geometry"): "geometry",
        ("joint", "counting"): ["counting", "geometry"],
        ("joint", "geometry"): ["counting", "geometry"],
        ("staged", "counting"): ["counting", "geometry"],
        ("staged", "geometry"): ["counting", "geometry"],
        ("by-way", "counting"): ["counting", "geometry"],
        ("by-way", "geometry"): "geometry",
    }
    assert len([*runs_of(cells)]) == 4  # `by-way` is `joint` for the one task and `alone` for the other


def test_a_folder_that_holds_a_run_is_found_whatever_it_is_called(study: Callable[..., Study]) -> None:
    small = study()
    cell = study_cells(small, chosen(small))[0]
    (small.cells / f"another-study-s-name-{digest(cell.config)}").mkdir(parents=True)
    assert study_cells(small, chosen(small))[0].run == f"another-study-s-name-{digest(cell.config)}"


def test_a_runs_digest_goes_by_what_it_learns_and_not_by_its_place(study: Callable[..., Study]) -> None:
    small = study()
    config = study_cells(small, chosen(small))[0].config
    assert digest(config.model_copy(update={"name": "x", "output": "y"})) == digest(config)
    assert digest(config.model_copy(update={"seed": 7})) != digest(config)


def test_tuning_tries_every_candidate_with_a_seed_of_its_own(study: Callable[..., Study]) -> None:
    tried = tuning_cells(study())
    assert len(tried) == 8
    assert {cell.seed for cell in tried} == {9}
    assert [cell.config.optimizer.learning_rate for cell in of(tried, method="tied", task="geometry")] == [1e-4, 2e-4]


def test_the_candidate_that_did_best_at_the_end_is_taken(study: Callable[..., Study]) -> None:
    small = study()
    accuracies = {("plain", 0): [0.9, 0.3, 0.3], ("plain", 1): [0.1, 0.3, 0.4], ("tied", 0): [0.5] * 3}
    tried = [
        (cell, record(cell.task, accuracies[cell.method, cell.candidate or 0]))
        for cell in tuning_cells(small)
        if (cell.method, cell.candidate) in accuracies
    ]
    found = choose(small, tried)
    assert [(each.accuracy, each.chosen) for each in found] == [(0.3, False), (0.35, True)] * 2 + [(0.5, False)] * 2
    # The second candidate of the other method is not done yet.
    assert chosen_of(found) == {("plain", task): {"optimizer.learning_rate": "1e-3"} for task in small.tasks}


def record(task: str, accuracies: list[float]) -> Record:
    """Of a run whose held-out accuracy was this."""
    validation = {task: [*enumerate(accuracies)]}
    return Record(1, "", 1, {}, [], {}, validation, {}, Cost(1, 1, 1, 1.0, 1.0), {})


def test_what_is_not_tuned_yet_has_no_runs(study: Callable[..., Study]) -> None:
    small = study()
    cells = study_cells(small, {("plain", "counting"): {}})
    assert {(cell.method, cell.task) for cell in cells} == {("plain", "counting")}


def test_overrides_reach_the_study_and_all_of_its_runs(study: Callable[..., Study]) -> None:
    small = study("settings.rollout.group_size=4", "seeds=[5]", "name=other")
    assert small.folder.name == "other"
    assert {(cell.seed, cell.config.rollout.group_size) for cell in study_cells(small, chosen(small))} == {(5, 4)}


@pytest.mark.parametrize("written", [{"rollout": {"group_size": "2"}}, {"rollout.group_size": "2"}])
def test_an_override_takes_the_place_of_what_is_written(study: Callable[..., Study], written: dict[str, Any]) -> None:
    small = study("settings.rollout.group_size=6", settings=SMALL["settings"] | written)
    assert {cell.config.rollout.group_size for cell in study_cells(small, chosen(small))} == {6}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ["0", "0"]}, "seeds: one of [0, 0] stands twice"),
        ({"tuning_seed": "1"}, "tuning_seed: 1 is one of seeds"),
        ({"tuning_seed": None}, "tuning_seed: missing; methods.plain.tune needs it"),
        ({"relative_to": "sft"}, "relative_to: unknown 'sft'"),
        ({"by_task": {"county": {}}}, "by_task: unknown 'county'; did you mean 'counting'?"),
        ({"sweeps": {"beta": {"key": "seed", "values": [1]}}}, "sweeps.beta.key: seed is not a setting"),
        ({"sweeps": {"beta": {"key": "kl.weight", "values": []}}}, "sweeps.beta.values"),
        ({"sweeps": {"b": {"key": "kl.weight", "values": ["1", "1.0"]}}}, "sweeps.b.values: 1 and 1.0 are the same"),
        ({"settings": {"steps": "6", "metod": "grpo"}}, "methods.plain, trained on counting: unknown key 'metod'"),
        ({"settings": {"steps": "6", "method": "grpo"}}, "methods.plain, trained on counting: kl.weight: missing"),
        ({"tests": {"counting": "geo"}}, "evaluation.tasks lacks geo"),
    ],
)  # fmt: skip
def test_mistakes_are_named(study: Callable[..., Study], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check_study(study(**changes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"steps": "8"},
            "training samples (steps / updates_per_rollout * prompts_per_step) is 128, that of",
        ),
        ({"evaluation.final_samples": "64"}, "evaluation is"),
        ({"evaluation.prompt": "{question}!"}, "evaluation is"),
        ({"rollout.max_new_tokens": "9"}, "rollout.max_new_tokens is 9, that of plain is 512"),
        ({"model": "elsewhere"}, "model is elsewhere, that of plain is tiny"),
    ],
)
def test_methods_that_are_not_equal_are_refused(
    study: Callable[..., Study], settings: dict[str, str], message: str
) -> None:
    methods = SMALL["methods"] | {"tied": SMALL["methods"]["tied"] | {"settings": settings}}
    with pytest.raises(UserError, match=re.escape(f"methods.tied, trained on counting: {message}")):
        check_study(study(methods=methods))
    check_study(study(methods=methods, equal="false"))


def test_a_method_that_is_tuned_more_often_is_refused(study: Callable[..., Study]) -> None:
    methods = SMALL["methods"] | {"tied": {"tune": []}}
    with pytest.raises(UserError, match=re.escape("methods.tied.tune: 0 candidates where plain has 2")):
        check_study(study(methods=methods))


def test_a_candidate_that_sees_more_is_refused(study: Callable[..., Study]) -> None:
    tune = [SMALL["methods"]["tied"]["tune"][0], {"steps": "8"}]
    methods = SMALL["methods"] | {"tied": SMALL["methods"]["tied"] | {"tune": tune}}
    with pytest.raises(UserError, match=re.escape("methods.tied, trained on counting: training samples")):
        check_study(study(methods=methods))


def test_sweeps_are_there_to_differ(study: Callable[..., Study]) -> None:
    check_study(study(sweeps={"longer": {"key": "steps", "values": ["8"]}}))


def test_updates_on_the_same_rollouts_see_no_new_samples(study: Callable[..., Study]) -> None:
    small = study()
    config = study_cells(small, chosen(small))[0].config
    assert samples_seen(config) == 6 * 16
    assert samples_seen(config.model_copy(update={"updates_per_rollout": 2})) == 3 * 16


@pytest.mark.parametrize("name", recipe_names(STUDIES))
def test_every_study_can_be_run_and_is_fair(name: str) -> None:
    found = load_study(name)
    assert found.name == name
    check_study(found)


def test_a_cells_settings_are_those_of_an_ordinary_run(study: Callable[..., Study], tmp_path: Path) -> None:
    from mr1.config import dump_config

    small = study()
    for cell in study_cells(small, chosen(small)):
        (tmp_path / "run.yaml").write_text(dump_config(cell.config))
        assert load_config(tmp_path / "run.yaml") == cell.config
    check_fair(small, study_cells(small, chosen(small)))


def test_what_is_left_goes_by_what_was_taken(study: Callable[..., Study]) -> None:
    small = study()
    runs = [Progress(cell) for cell in runs_of(study_cells(small, chosen(small)))]
    assert seconds_left(runs, 2) is None
    for run in runs:
        if run.cell.method == "plain":
            run.status, run.seconds = "done", 10.0 if run.cell.task == "counting" else 30.0
    left = [run for run in runs if run.status == "waiting"]
    assert {run.cell.method for run in left} == {"tied"}
    plain = [run.seconds for run in runs if run.seconds]
    # Nothing of the method is done yet: the mean of all that is.
    assert seconds_left(runs, 2) == pytest.approx(len(left) * sum(plain) / len(plain) / 2)
    left[0].status, left[0].seconds = "done", 50.0
    # Now one of the method is: 50 seconds for each.
    assert seconds_left(runs, 1) == pytest.approx(50.0 * (len(left) - 1))
