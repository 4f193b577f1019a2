"""Methods: what each hands to the loop, which settings it takes, and its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mr1.config import Config
from mr1.data.source import open_sources
from mr1.errors import UnusableError, UserError
from mr1.methods import METHODS, method_class
from mr1.methods.base import Method
from mr1.methods.grpo import GRPO
from mr1.methods.grpo_d import GRPOD
from mr1.methods.sft import SFT
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.tasks import load_task
from mr1.types import Group, Prompt

WITHOUT_SCHEDULE = {"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null"}
ADAPTIVE: dict[str, object] = {
    **{"method": "grpo", "kl__controller": "adaptive", "kl__exploration": "null"},
    **{"kl__weight": 0.05, "kl__minimum": 0, "kl__maximum": 0.1, "kl__target": 0.01},
}


def test_each_name_is_its_class(make_config: Callable[..., Config]) -> None:
    found = {name: method_class(name) for name in METHODS}
    assert found.items() >= {"grpo": GRPO, "grpo-d": GRPOD, "sft": SFT}.items()
    assert len({*found.values()}) == len(found)
    assert all(issubclass(each, Method) for each in found.values())
    assert method_class(make_config().method.name) is GRPOD


def test_a_method_refuses_another_ones_state(make_config: Callable[..., Config]) -> None:
    sft = SFT(make_config(method="sft", **WITHOUT_SCHEDULE))
    grpo = GRPO(make_config(method="grpo", kl__weight=0.1, **WITHOUT_SCHEDULE))
    dynamic = GRPOD(make_config())
    assert [each.state_dict() for each in (sft, grpo)] == [{}, {"kl": {"value": 0.1}}]
    assert dynamic.state_dict() == {"kl": {"steps": 3, "minimum": 0.02, "maximum": 0.1, "exploration": 0.3}}
    for method in (sft, grpo, dynamic):
        method.load_state_dict(method.state_dict())
    with pytest.raises(ValueError, match=r"the checkpoint's method state is {'kl'.*}, this run's {}"):
        sft.load_state_dict(grpo.state_dict())
    with pytest.raises(ValueError, match="the checkpoint's KL weight was set by"):
        grpo.load_state_dict(dynamic.state_dict())


def test_weights_of_the_kl_term_follow_the_settings(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    groups = make_groups(1)
    grpo = GRPO(make_config(method="grpo", kl__weight=0.1, **WITHOUT_SCHEDULE))
    sft = SFT(make_config(method="sft", **WITHOUT_SCHEDULE))
    dynamic = GRPOD(make_config(steps=10))
    for method, weights in ((grpo, [0.1] * 3), (sft, [0.0] * 3), (dynamic, [0.06, 0.02, 0.1])):
        for step, weight in zip((0, 3, 10), weights, strict=True):
            assert method.kl_weights(groups, step) == pytest.approx([weight] * 4)
            assert method.needs_reference(step) is (weight > 0)


def test_a_schedule_that_never_rises_is_allowed_and_one_upside_down_is_not(make_config: Callable[..., Config]) -> None:
    assert GRPOD(make_config(kl__minimum=0.1)).state_dict()["kl"]["minimum"] == 0.1
    with pytest.raises(UserError, match=r"^kl.minimum: 0.11 is above kl.maximum=0.1$"):
        make_config(kl__minimum=0.11)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "grpo"}, "kl.exploration: method grpo does not use it; leave it out, set it back to null, or"),
        ({"method": "grpo", **WITHOUT_SCHEDULE}, "kl.weight: missing; method grpo needs it"),
        (
            {"method": "sft", **WITHOUT_SCHEDULE, "kl__weight": 0},
            "kl.weight: method sft does not use it; leave it out, set",
        ),
        (
            {"method": "sft", **WITHOUT_SCHEDULE, "clip__low": 0.1},
            "clip.low: method sft does not use it; leave it out, set it back to null",
        ),
        ({"method": "sft", **WITHOUT_SCHEDULE, "clip__high": 0.3}, "clip.high: method sft does not use it"),
        ({"method": "sft", **WITHOUT_SCHEDULE, "rewards__format": 0.5}, "rewards: method sft does not use it"),
        ({"demonstrations__reasoning": False}, "demonstrations.reasoning: method grpo-d does not use it"),
        ({"demonstrations__teacher": "hasty"}, "demonstrations.teacher: method grpo-d does not use it"),
        ({"kl__exploration": "null"}, "kl.exploration: missing; method grpo-d needs it"),
        ({"kl__minimum": "null"}, "kl.minimum: missing; method grpo-d needs it"),
        (
            {"kl__controller": "constant"},
            "kl.controller: constant is not the schedule that makes a run GRPO-D; choose method grpo with",
        ),
        (
            {"method": "sft", **WITHOUT_SCHEDULE, "kl__controller": "constant"},
            "kl.controller: method sft does not use it; leave it out, set it back to null",
        ),
        ({"method": "sft", **WITHOUT_SCHEDULE, "kl__estimator": "k2"}, "kl.estimator: method sft does not use it"),
        (
            {"method": "grpo", "kl__controller": "grpo-d", "kl__weight": 1},
            "kl.weight: method grpo with kl.controller=grpo-d does not use it; leave it out, set it back to null",
        ),
        (
            {"method": "grpo", **WITHOUT_SCHEDULE, "kl__controller": "linear", "kl__weight": 1},
            "kl.final: missing; method grpo with kl.controller=linear needs it",
        ),
        (
            {"method": "grpo", **WITHOUT_SCHEDULE, "kl__weight": 1, "kl__horizon": 5},
            "kl.horizon: method grpo does not use it; leave it out, set it back to 10.0",
        ),
        (
            {**ADAPTIVE, "kl__weight": 0.2},
            "kl.weight: 0.2 is not within kl.minimum=0.0 and kl.maximum=0.1",
        ),
        ({**ADAPTIVE, "kl__weight": 0}, "kl.weight: 0 stays 0 whatever the KL is; begin above it"),
        (
            {"method": "grpo", **WITHOUT_SCHEDULE, "kl__weight": 0, "kl__reset_every": 3},
            "kl.reset_every: beta is 0 at every step, so there is no reference to reset; leave it out",
        ),
        ({"kl__reset_every": 1, "updates_per_rollout": 3}, "kl.reset_every: 1 is no multiple of updates_per_rollout=3"),
        (
            {"kl__reset_patience": 1, "updates_per_rollout": 3},
            "evaluation.every: 2 is no multiple of updates_per_rollout=3; a batch of rollouts can't be left half used",
        ),
        (
            {"kl__reset_patience": 1, "evaluation__every": 0},
            "kl.reset_patience: needs evaluation.every, which says when accuracy is measured",
        ),
        (
            {"method": "sft", **WITHOUT_SCHEDULE, "kl__reset_patience": 2},
            "kl.reset_patience: method sft does not use it; leave it out, set it back to 0, or choose another method",
        ),
        ({**ADAPTIVE, "kl__minimum": 0.2}, "kl.minimum: 0.2 is above kl.maximum=0.1"),
        ({**ADAPTIVE, "kl__target": 0}, "kl.target: input should be greater than 0, got 0"),
        ({"clip__dual": 1.2}, "clip.dual: 1.2 is not above the end of the clip range, 1 + 0.2; set it higher"),
        ({"method": "sft", **WITHOUT_SCHEDULE, "loss__entropy": 1}, "loss.entropy: method sft does not use it"),
    ],
)
def test_settings_of_another_method_are_refused(
    make_config: Callable[..., Config], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        make_config(**settings)
    assert str(caught.value).startswith(message)


def test_a_demonstration_is_one_completion_of_reward_and_advantage_1(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]], tiny: VLM
) -> None:
    sft = SFT(make_config(method="sft", task="[counting,geometry]", **WITHOUT_SCHEDULE))
    prompts = [group.prompt for group in make_groups(2)]
    groups = sft.rollout(LocalEngine(tiny), prompts, 0)
    sft.score(groups)
    sft.assign_advantages(groups)
    assert [group.prompt for group in groups] == prompts
    for group in groups:
        assert group.rewards is not None
        assert (group.rewards.tolist(), group.scores) == ([1.0], {})
        (completion,) = group.completions
        assert completion.advantages is not None
        assert completion.advantages.tolist() == [1.0] * len(completion)
        sample = group.prompt.sample
        shown = load_task(sample.id.partition("/")[0]).demonstrate(sample, "perfect")
        assert completion.text == f"<think>{shown.reasoning}</think><answer>{sample.answer}</answer>"


@pytest.mark.parametrize(
    ("opened", "reasoning", "text"),
    [
        ("", True, "<think>{}</think><answer>{}</answer>"),
        ("", False, "<answer>{1}</answer>"),
        ("<think>\n", True, "{}</think><answer>{}</answer>"),
        ("<think>\n", False, "</think><answer>{1}</answer>"),
        ("<think></think>", False, "<answer>{1}</answer>"),
        ("<think></think><answer>", False, "{1}</answer>"),
    ],
)
def test_a_demonstration_goes_on_where_the_template_stopped(
    make_config: Callable[..., Config],
    make_prompt: Callable[..., Prompt],
    tiny: VLM,
    opened: str,
    reasoning: bool,
    text: str,
) -> None:
    sft = SFT(make_config(method="sft", demonstrations__reasoning=reasoning, **WITHOUT_SCHEDULE))
    prompt = replace(make_prompt(), opened=opened)
    shown = load_task("counting").demonstrate(prompt.sample, "perfect")
    (group,) = sft.rollout(LocalEngine(tiny), [prompt], 0)
    assert group.completions[0].text == text.format(shown.reasoning, shown.answer)


def test_thoughts_that_the_template_has_closed_cannot_be_taught(
    make_config: Callable[..., Config], make_prompt: Callable[..., Prompt], tiny: VLM
) -> None:
    sft = SFT(make_config(method="sft", **WITHOUT_SCHEDULE))
    with pytest.raises(UserError) as caught:
        sft.rollout(LocalEngine(tiny), [replace(make_prompt(), opened="<think></think>")], 0)
    assert str(caught.value) == (
        "demonstrations.reasoning: the model's chat template closes its thoughts before the answer; set it to false, "
        "or choose another template"
    )


def test_what_has_no_reasoning_to_teach_is_named(make_config: Callable[..., Config], tmp_path: Path, tiny: VLM) -> None:
    path = tmp_path / "rows.jsonl"
    rows: list[dict[str, object]] = [{"question": "How many?", "answer": "<|im_end|>", "why": ""}]
    path.write_text("\n".join(map(json.dumps, rows)))
    own = {"method": "sft", "task": "own", "sources__own__path": path, "evaluation__tasks": "[counting]"}
    with pytest.raises(UserError, match=r"^demonstrations.reasoning: source own has none; name its column by"):
        SFT(make_config(**own, **WITHOUT_SCHEDULE))
    config = make_config(sources__own__columns__reasoning="why", **own, **WITHOUT_SCHEDULE)
    prompt = tiny.prompt(open_sources(config)[0].sample("train", 0, 0), "{question}")
    with pytest.raises(UnusableError, match=r"^it has no reasoning, which demonstrations.reasoning asks for"):
        SFT(config).rollout(LocalEngine(tiny), [prompt], 0)
    bare = SFT(make_config(demonstrations__reasoning=False, **own, **WITHOUT_SCHEDULE))
    with pytest.raises(UnusableError, match=r"^its demonstration holds the special token '<\|im_end\|>'; remove it"):
        bare.require(tiny, prompt)
