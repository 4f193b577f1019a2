"""What may change on a resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mr1.config import Config, flat
from mr1.errors import UserError
from mr1.methods import method_class
from mr1.train.resume import RULES, Change, Rule, compare_data, compare_model, compare_settings, rule_of

OWN = {"sources.own.path": "rows.jsonl", "task": "own", "evaluation.tasks": "[own]"}


def test_every_rule_is_about_a_setting() -> None:
    known = {*Config.model_fields, "data"}
    assert {key.split(".")[0] for key in RULES} <= known
    for key, rule in RULES.items():
        section, _, name = key.partition(".")
        field = Config.model_fields.get(section)
        if name and field is not None and section != "sources":
            assert name in field.annotation.model_fields, key  # type: ignore[union-attr]
        assert rule is not Rule.NEVER, key  # what is in no rule


def test_the_longest_name_that_fits_holds() -> None:
    assert rule_of("evaluation.every") is Rule.FREELY
    assert rule_of("evaluation.tasks") is Rule.LOGGED
    assert rule_of("checkpoint.keep") is Rule.FREELY
    assert rule_of("sources.*.skip") is Rule.LOGGED
    assert rule_of("sources.*.columns.answer") is Rule.NEVER
    assert rule_of("rewards.accuracy") is Rule.NEVER


FREE: dict[str, Any] = {"image_cache": 0, "samples_every": 5, "checkpoint__every": 2, "evaluation__every": 1}
LOGGED: dict[str, Any] = {
    "tokens_per_microbatch": 100,
    "max_prompt_tokens": 4000,
    "optimizer__learning_rate": 1e-7,
    "evaluation__tasks": "[counting]",
}


def test_changes_that_do_not_touch_what_is_learned(make_config: Callable[..., Config]) -> None:
    was = make_config()
    for rule, given in ((Rule.FREELY, FREE), (Rule.LOGGED, LOGGED)):
        changes = compare_settings(was, make_config(**given), 1, "run.yaml")
        assert {change.key for change in changes} == {key.replace("__", ".") for key in given}
        assert {change.rule for change in changes} == {rule}
    assert compare_settings(was, make_config(), 1, "run.yaml") == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": 1}, r"--resume: seed was 0, now it is 1; it can't change within a run; resume with seed=0 "),
        ({"kl__maximum": 0.2}, r"kl\.maximum was 0\.1, now it is 0\.2"),
        ({"rewards__format": 0.5}, r"rewards\.format was 1\.0, now it is 0\.5"),
        ({"steps": 6}, r"steps was 3, now it is 6; the KL weight of every step depends on it"),
        ({"steps": 2}, r"steps was 3, now it is 2; it may grow, not shrink \(1 are done\)"),
    ],
)
def test_changes_that_would_make_another_run(make_config: Callable[..., Config], given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        compare_settings(make_config(), make_config(**given), 1, "x/run.yaml")
    assert "all settings as they were: x/run.yaml" in str(caught.value)


def test_steps_grow_where_the_method_lets_them(make_config: Callable[..., Config]) -> None:
    grpo: dict[str, Any] = {"method": "grpo", "kl__weight": 0.04, "kl__minimum": "null", "kl__maximum": "null"}
    grpo["kl__exploration"] = "null"
    (change,) = compare_settings(make_config(**grpo), make_config(**grpo, steps=9), 3, "run.yaml")
    assert str(change) == "steps: 3 -> 9 (the learning rate's schedule goes by it from here on)"
    linear = grpo | {"kl__controller": "linear", "kl__final": 0}
    for method, settings, fixed in (("grpo", grpo, False), ("grpo-d", {}, True), ("grpo", linear, True)):
        assert bool(method_class(method).steps_are_fixed(make_config(**settings))) is fixed
    with pytest.raises(UserError, match="steps was 3, now it is 9; the KL weight of every step depends on it; resume"):
        compare_settings(make_config(**linear), make_config(**linear, steps=9), 3, "run.yaml")


def test_a_change_as_one_would_type_it() -> None:
    assert str(Change("name", "a", "b", Rule.FREELY)) == "name: a -> b"
    assert str(Change("sources.own.skip", None, ["é"], Rule.LOGGED, "why")) == 'sources.own.skip: null -> ["é"] (why)'


@pytest.mark.parametrize("name", ["own", "my.own", "columns", "path"])
def test_a_sources_settings_have_rules_whatever_its_name(make_config: Callable[..., Config], name: str) -> None:
    def make(**settings: object) -> Config:
        extra = {"my": {"path": "other.jsonl"}, name: {"path": "rows.jsonl", "skip": ["1"]} | settings}
        return make_config(sources=str(extra))

    with pytest.raises(UserError, match=rf"sources\.{name}\.columns\.answer was null, now it is key; it can't change"):
        compare_settings(make(), make(columns={"answer": "key"}), 1, "run.yaml")
    changes = compare_settings(make(), make(path="moved.jsonl", skip=["2"]), 1, "run.yaml")
    assert changes == [
        Change(f"sources.{name}.path", "rows.jsonl", "moved.jsonl", Rule.LOGGED),
        Change(f"sources.{name}.skip", ["1"], ["2"], Rule.LOGGED, "the rows come in another order from here on"),
    ]


def test_a_source_that_is_not_trained_on_may_come_and_go(make_config: Callable[..., Config]) -> None:
    one, two = (make_config(sources=f"{{{name}: {{path: rows.jsonl, columns: {{answer: key}}}}}}") for name in "ab")
    changes = compare_settings(one, two, 1, "run.yaml")
    assert {change.rule for change in changes} == {Rule.LOGGED}
    found = {change.key: (change.was, change.now) for change in changes}
    assert found["sources.a.columns.answer"] == ("key", None)
    assert found["sources.b.columns.answer"] == (None, "key")


def test_rows_and_weights_that_have_changed(make_config: Callable[..., Config]) -> None:
    was = {"own": {"commit": None, "train": "abc"}}
    compare_data(was, {"own": {"commit": None, "train": "abc"}, "more": {"commit": None}})
    compare_data(was, {})  # no longer read
    with pytest.raises(UserError) as caught:
        compare_data(was, {"own": {"commit": None, "train": "abd"}})
    assert str(caught.value) == (
        "--resume: the rows of source own have changed since the run was started (train: was abc, now it is abd); "
        "bring them back as they were, or start a run of another name"
    )
    with pytest.raises(UserError, match=r"\(commit: was c0, now it is c1\); set sources\.own\.revision=c0, or"):
        compare_data({"own": {"commit": "c0"}}, {"own": {"commit": "c1"}})
    compare_model("m", "1", "1")
    with pytest.raises(UserError) as caught:
        compare_model("m", "1", "2")
    assert str(caught.value) == (
        "--resume: the weights of model m have changed since the run was started, which needs them; bring them back as "
        "they were, or start a run of another name"
    )
    assert flat(make_config().model_dump())["kl.maximum"] == 0.1
