"""Guards by histories made by hand: where each begins to hold, that it stays silent just within, and that it clears."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
from benchmarks.guard_room import room, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_folders import make_run

from mr1.config import Config
from mr1.config.tree import GuardName
from mr1.config.tree import Guards as Limits
from mr1.errors import UserError
from mr1.train.guards import GUARDS, Frame, Guards, accuracy, fall, frame, holding, known, standard_errors

WINDOW = 10
HEALTHY: dict[str, Any] = {
    "reward/total": 1.0,
    "kl": 0.02,
    "entropy": 1.0,
    "sampler/logprob_gap": 1e-7,
    "advantage/zero_std_fraction": 0.25,
    "judge/undecided": 0,
    "completion/length_mean": 30.0,
    "completion/truncated_fraction": 0.0,
    "spread/accuracy": 0.6,
    "spread/format": 0.4,
}
"""A step of 3 prompts with 4 completions each."""

LENGTH, ENTROPY = "completion/length_mean", "entropy"
LIMITS: list[tuple[str, dict[str, Any], dict[str, Any], float]] = [
    ("length", {LENGTH: 60.0}, {LENGTH: 60.5}, 2.0),
    ("length", {LENGTH: 15.0}, {LENGTH: 14.9}, 0.5),
    ("dominance", {"spread/format": 0.95}, {"spread/format": 0.951}, 0.95),
    ("no_spread", {"advantage/zero_std_fraction": 0.8}, {"advantage/zero_std_fraction": 0.81}, 0.8),
    ("entropy", {ENTROPY: 0.2}, {ENTROPY: 0.19}, 0.2),
    ("kl", {"kl": 0.5}, {"kl": 0.51}, 0.5),
    ("truncated", {"completion/truncated_fraction": 0.2}, {"completion/truncated_fraction": 0.21}, 0.2),
    ("undecided", {"judge/undecided": 0.239}, {"judge/undecided": 0.25}, 0.02),
    ("sampler_gap", {"sampler/logprob_gap": 1e-4}, {"sampler/logprob_gap": 1.1e-4}, 1.0),
]
"""Guard, what a step at its limit has, what one beyond it has, and the limit."""

Made = Callable[..., tuple[Guards, list[str]]]


@pytest.fixture
def make(make_config: Callable[..., Config]) -> Made:
    """The guards of a run, and what they say."""

    def build(recorded: Iterable[Any] = (), **given: object) -> tuple[Guards, list[str]]:
        said: list[str] = []
        config = make_config(steps=200, **{f"guards__{key}": value for key, value in given.items()})
        return Guards(config, recorded, said.append), said

    return build


def run(guards: Guards, count: int, **values: Any) -> list[set[str]]:
    """The guards that hold at each of some further steps."""
    first = len(guards.lines)
    steps = ({**HEALTHY, **values, "step": first + step} for step in range(count))
    return [{*holding(guards.look(line))} for line in steps]


def test_every_guard_has_a_limit_and_every_limit_a_guard() -> None:
    assert {*GUARDS} == {*get_args(GuardName)} == Limits.model_fields.keys() - {"window", "stop", "not_finite"}
    assert {name for name, *_ in LIMITS} == GUARDS.keys() - {"held_out"}


@pytest.mark.parametrize(("name", "at", "beyond", "limit"), LIMITS)
def test_a_guard_holds_beyond_its_limit_alone(
    make: Made, name: str, at: dict[str, Any], beyond: dict[str, Any], limit: float
) -> None:
    guards, said = make()
    assert not any(run(guards, WINDOW) + run(guards, 2 * WINDOW, **at))
    assert said == []

    guards, said = make()
    run(guards, WINDOW)
    held = run(guards, 2 * WINDOW, **beyond)
    assert held[-1] == {name}
    assert guards.lines[-1][f"guard/{name}/limit"] == limit
    (line,) = said
    first = WINDOW + [*map(bool, held)].index(True)
    assert line.startswith(f"guard {name}, step {first}: ")
    assert line.endswith(f" docs/guards.md#{name}")
    assert GUARDS[name].advice in line
    assert guards.stop == ""

    assert run(guards, 2 * WINDOW)[-1] == set()
    assert len(said) == 1
    run(guards, 2 * WINDOW, **beyond)
    assert len(said) == 2, "it has cleared, and is said again"


@pytest.mark.parametrize(("name", "beyond"), [(name, beyond) for name, _, beyond, _ in LIMITS])
def test_a_guard_without_a_limit_is_switched_off(make: Made, name: str, beyond: dict[str, Any]) -> None:
    guards, said = make(**{name: "null"})
    run(guards, WINDOW)
    assert not any(run(guards, 2 * WINDOW, **beyond))
    assert said == []


@pytest.mark.parametrize(("limit", "stops"), [(2, [False, True, False, True]), ("null", [False] * 4)])
def test_steps_skipped_in_a_row_end_a_run_and_a_resumed_one_has_as_many_again(
    make: Made, limit: object, stops: list[bool]
) -> None:
    recorded: list[dict[str, Any]] = [{**HEALTHY, "update/skipped": 1}, {**HEALTHY, "update/skipped": 0}]
    for expected in stops:
        guards, said = make(recorded, not_finite=limit)  # the run goes on
        guards.look(recorded[0] | {"step": len(recorded)})
        assert bool(guards.stop) is expected
        assert said == []
        recorded.append(recorded[0])
    if limit == 2:
        assert guards.stop.startswith("guard not_finite at step 5: 4 steps in a row were skipped")


def test_nothing_is_said_before_there_are_whole_windows(make: Made) -> None:
    worst = {key: value for _, _, beyond, _ in LIMITS for key, value in beyond.items()}
    guards, said = make()
    assert not any(run(guards, WINDOW - 1, **worst))
    assert run(guards, 1, **worst) == [{*GUARDS} - {"length", "entropy", "held_out"}]
    assert len(said) == 6
    guards, _ = make()
    run(guards, WINDOW - 1)
    assert not any(run(guards, WINDOW, **{LENGTH: 1.0, ENTROPY: 0.0})), "the first window isn't wholly behind"
    assert run(guards, 1, **{LENGTH: 1.0, ENTROPY: 0.0}) == [{"length", "entropy"}]


def test_what_comes_and_goes_about_the_limit_is_said_once(make: Made) -> None:
    guards, said = make(window=4)
    run(guards, 4, kl=0.6)
    for _ in range(10):
        held = run(guards, 2, kl=0.1) + run(guards, 4, kl=0.6)
        assert [*map(bool, held)] == [True, False, False, False, True, True], "three steps without it"
    assert len(said) == 1
    held = run(guards, 3, kl=0.1) + run(guards, 4, kl=0.6)
    assert [*map(bool, held)].count(False) == 4
    assert len(said) == 2


def test_the_window_is_counted_in_batches(make_config: Callable[..., Config]) -> None:
    config = make_config(steps=40, updates_per_rollout=2, guards__window=3, loading__dtype="bfloat16")
    assert frame(config) == Frame(
        window=6, completions=36, accuracies=("eval/counting/accuracy",), samples=4, rounding=0.02
    )
    off = make_config(evaluation__every=0, evaluation__tasks="[geometry]", task="counting")
    assert (frame(off).accuracies, frame(off).samples) == (("eval/geometry/accuracy",), 0), "none is trained: all count"


def test_a_source_is_measured_on_the_rows_that_it_has(make_config: Callable[..., Config], tmp_path: Any) -> None:
    rows = [{"question": f"What is {number}?", "answer": str(number)} for number in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"sources__own__path": tmp_path / "rows.jsonl", "sources__own__held_out": 0.2, "task": "own"}
    config = make_config(**source, evaluation__tasks="[own,counting]", evaluation__samples=100)
    assert 0 < frame(config).samples < 20


def test_what_few_of_the_lines_have_does_not_stand_for_all() -> None:
    lines = [{"kl": 9.0}, {}, {}, {"kl": 9.0}]
    assert known(lines, "kl") == [9.0, 9.0]
    assert known([*lines, {}], "kl") == []
    assert known([], "kl") == []


def test_standard_errors_by_hand() -> None:
    assert standard_errors(0.6, 0.4, 200) == pytest.approx(4.0)  # sqrt(2 * 0.25 / 200) = 0.05
    assert standard_errors(0.25, 0.0, 64) == pytest.approx(0.25 / (2 * 0.125 * 0.875 / 64) ** 0.5)
    assert standard_errors(0.4, 0.6, 200) == pytest.approx(-4.0)
    assert standard_errors(1.0, 1.0, 8) == standard_errors(0.0, 0.0, 8) == 0.0


def validated(accuracies: list[float], rewards: list[float], every: int = 4) -> list[dict[str, float]]:
    """Steps with a validation at every so many; the reward goes by the validation."""
    lines = [{**HEALTHY, "reward/total": rewards[step // every]} for step in range(len(accuracies) * every)]
    for number, found in enumerate(accuracies):
        lines[number * every]["eval/counting/accuracy"] = found
    return lines


@pytest.mark.parametrize(
    ("accuracies", "rewards", "fell"),
    [
        ([0.5, 0.6, 0.4, 0.4], [1.0, 1.1, 1.2, 1.3], 4.0),
        ([0.5, 0.6, 0.3, 0.4], [1.0, 1.1, 1.2, 1.3], 4.0),  # the smaller of the last two
        ([0.5, 0.6, 0.3, 0.6], [1.0, 1.1, 1.2, 1.3], 0.0),  # it has come back
        ([0.5, 0.6, 0.6, 0.4], [1.0, 1.1, 1.2, 1.3], 0.0),  # once is chance
        ([0.5, 0.6, 0.4, 0.4], [1.0, 1.1, 1.2, 1.1], None),  # the reward is where it was
        ([0.5, 0.6, 0.4, 0.4], [1.0, 1.2, 1.1, 1.0], None),  # both fall: something else is wrong
        ([0.6, 0.4], [1.0, 1.3], None),  # too few
    ],
)
def test_held_out_accuracy_falls_while_the_reward_rises(
    accuracies: list[float], rewards: list[float], fell: float | None
) -> None:
    measured = Frame(window=4, completions=48, accuracies=("eval/counting/accuracy",), samples=200, rounding=1e-4)
    found = fall(validated(accuracies, rewards), measured)
    assert found == (None if fell is None else pytest.approx(fell))
    assert fall([{**line, "reward/total": 0.0} for line in validated(accuracies, rewards)], measured) is None
    unscored = [
        {key: value for key, value in line.items() if key != "reward/total"} for line in validated(accuracies, rewards)
    ]
    assert fall(unscored, measured) is None


def warned(generator: random.Random, accuracies: list[float]) -> bool:
    """Whether the guard would speak where each validation has 128 new samples, and the reward rises all the time."""
    drawn = Frame(window=1, completions=1, accuracies=("eval/a/accuracy",), samples=128, rounding=1.0)
    lines: list[dict[str, float]] = []
    for step, each in enumerate(accuracies):
        right = sum(generator.random() < each for _ in range(128))
        lines.append({"eval/a/accuracy": right / 128, "reward/total": float(step)})
        if (fallen := fall(lines, drawn)) is not None and fallen > Limits().held_out:  # type: ignore[operator]
            return True
    return False


def test_chance_seldom_looks_like_a_fall_and_a_fall_is_seen() -> None:
    generator = random.Random(0)
    still = sum(warned(generator, [0.5] * 20) for _ in range(200))
    fallen = sum(warned(generator, [0.5] * 10 + [0.35] * 10) for _ in range(200))
    assert still <= 30  # 16 are expected, with a standard deviation of 4
    assert fallen >= 190


def test_the_guard_of_held_out_accuracy_holds_between_validations_and_clears(
    make_config: Callable[..., Config],
) -> None:
    said: list[str] = []
    config = make_config(evaluation__every=4, evaluation__samples=200, guards__window=4, steps=60)
    guards = Guards(config, [], said.append)
    lines = validated([0.5, 0.6, 0.4, 0.45, 0.6], [1.0, 1.1, 1.2, 1.3, 1.4])
    held = [holding(guards.look({**line, "step": step})) for step, line in enumerate(lines)]
    assert held == [[]] * 12 + [["held_out"]] * 4 + [[]] * 4
    (told,) = said
    assert "step 12: validation accuracy is 3.0 standard errors below its best, and the training reward rises" in told
    within = Guards(config, [], said.append)
    for step, line in enumerate(validated([0.5, 0.6, 0.48, 0.49], [1.0, 1.1, 1.2, 1.3])):
        assert within.look({**line, "step": step}) == {}
    # On a resume nothing is measured any more: what was fallen by is not known.
    unmeasured = Guards(make_config(evaluation__every=0, guards__window=4), lines[:12], said.append)
    assert [holding(unmeasured.look({**line, "step": 12})) for line in lines[12:]] == [[]] * 8


def test_the_accuracy_is_the_mean_over_tasks_where_all_were_measured() -> None:
    line = {"eval/counting/accuracy": 0.25, "eval/geometry/accuracy": 0.75}
    assert accuracy(line, ["eval/counting/accuracy", "eval/geometry/accuracy"]) == 0.5
    assert accuracy(line, ["eval/counting/accuracy", "eval/other/accuracy"]) is None


def test_what_a_teacher_writes_trips_nothing(make: Made) -> None:
    guards, said = make()
    taught = dict.fromkeys(HEALTHY) | {"judge/undecided": 0}  # the rest is null
    for step in range(60):
        written = {ENTROPY: 0.5**step, LENGTH: 1.0 + step, "completion/truncated_fraction": 1.0, "loss": 0.1}
        assert guards.look({**taught, **written, "eval/counting/accuracy": 1.0 - step / 60, "step": step}) == {}
    assert said == []


def test_what_is_not_finite_or_no_number_is_not_looked_at(make: Made) -> None:
    guards, said = make()
    assert not any(run(guards, 30, kl=float("nan"), **{"spread/format": float("inf"), LENGTH: "long"}))
    assert said == []


def test_the_reward_that_dominates_is_named_as_it_is(make: Made) -> None:
    guards, said = make(window=2)
    run(guards, 2, **{"spread/{mine}.py:of[x]": 0.97, "spread/format": 0.02, "spread/accuracy": 0.01})
    assert "step 1: {mine}.py:of[x] makes 97.0% of the differences between totals" in said[0]


def test_a_guard_that_is_to_stop_the_run_asks_for_it(make: Made) -> None:
    guards, said = make(stop="[truncated,kl]", window=2)
    run(guards, 2, **{"advantage/zero_std_fraction": 1.0})
    assert guards.stop == ""
    run(guards, 2, kl=2.0)
    assert guards.stop == "guard kl at step 2: the policy is 1.01 nats per token away from its reference (limit 0.5)"
    run(guards, 3, kl=0.1, **{"completion/truncated_fraction": 1.0})
    assert "kl" in guards.stop, "why it is to end, until it does"
    # Who goes on has been told: what still holds does not stop the run again.
    again, said = make(guards.lines, stop="[truncated,kl]", window=2)
    run(again, 3, **{"completion/truncated_fraction": 1.0})
    assert (again.stop, said) == ("", [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"guards__stop": "[kl]", "guards__kl": "null"}, r"guards\.stop: guards\.kl is null, which switches it off"),
        ({"guards__stop": "[held_out]", "evaluation__every": 0}, r"guards\.stop: held_out needs evaluation\.every"),
        ({"guards__stop": "[klo]"}, r"guards\.stop\.0: "),
        ({"guards__length": 1}, r"guards\.length: "),
        ({"guards__truncated": 1}, r"guards\.truncated: "),
        ({"guards__window": 0}, r"guards\.window: "),
    ],
)
def test_limits_that_mean_nothing_are_refused(make_config: Callable[..., Config], given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_config(**given)


VALUE = st.sampled_from([None, 0.0, 0.01, 0.3, 0.97, 1.0, 30.0, 80.0])
STEP = st.fixed_dictionaries(
    dict.fromkeys(HEALTHY, VALUE), optional={"eval/counting/accuracy": st.sampled_from([0.0, 0.5, 1.0])}
)


@given(steps=st.lists(STEP, min_size=4, max_size=16), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_guards_that_are_taken_up_again_go_on_as_if_nothing_had_been(make: Made, steps: list[Any], data: Any) -> None:
    cut = data.draw(st.integers(0, len(steps)))
    whole, said = make(window=2)
    recorded = [{**line, "step": step, **whole.look({**line, "step": step})} for step, line in enumerate(steps)]
    written = [json.loads(json.dumps(line)) for line in recorded]
    resumed, said_later = make(written[:cut], window=2)
    for line, expected in zip(steps[cut:], recorded[cut:], strict=True):
        assert {**line, "step": expected["step"], **resumed.look({**line, "step": expected["step"]})} == expected
    assert said_later == [line for line in said if int(line.split(":")[0].rpartition(" ")[2]) >= cut]
    assert resumed.lines == whole.lines


@given(
    key=st.sampled_from(["kl", ENTROPY, LENGTH, "sampler/logprob_gap", "spread/format"]),
    spoilt=st.sets(st.integers(10, 29), max_size=4),
    value=st.floats(0, 1e9),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fewer_than_half_of_a_windows_batches_trip_nothing(
    make: Made, key: str, spoilt: set[int], value: float
) -> None:
    guards, said = make()
    for step in range(30):
        run(guards, 1, **({key: value} if step in spoilt else {}))
    assert said == []


def test_one_batch_trips_no_share(make: Made) -> None:
    guards, said = make()
    run(guards, 15)
    run(guards, 1, **{"completion/truncated_fraction": 1.0, "advantage/zero_std_fraction": 1.0})
    run(guards, 15)
    assert said == []


def test_every_guard_has_its_words_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs/guards.md").read_text(encoding="utf-8")
    for name in GUARDS:
        assert f"\n## {name}\n" in page
        assert f"| [`{name}`](#{name}) | " in page


def test_how_near_a_run_came_to_its_limits(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a-run")  # 20 steps, its KL rises by 0.01 each, every seventh is missing
    found = room(folder)
    assert found["no_spread"] == (0.25, 0.25)
    assert found["kl"] == pytest.approx((0.045, 0.15))
    assert found.keys() == {"no_spread", "kl"}
    assert "| no_spread | 0.25 |" in table([folder])
    assert "| kl | 0.045 to 0.15 |" in table([folder])
