"""Omni-Thinker: each task has rewards of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mr1.config import Config, divide, load_config
from mr1.errors import UserError
from mr1.methods.omni_thinker import OmniThinker
from mr1.train.metrics import batch_metrics
from mr1.train.run import _sample_rows
from mr1.types import Group

SETTINGS: dict[str, object] = {
    **dict.fromkeys(("kl__minimum", "kl__maximum", "kl__exploration"), "null"),
    **{"kl__weight": 0, "task": "[counting, geometry]"},
}
Made = Callable[..., OmniThinker]


@pytest.fixture
def make(make_config: Callable[..., Config]) -> Made:
    def made(own: str, **settings: object) -> OmniThinker:
        method = f"{{name: omni-thinker, rewards: {own}}}"
        return OmniThinker(make_config(**{"method": method} | SETTINGS | settings))

    return made


def test_each_task_is_scored_by_its_own_rewards(
    make: Made, make_groups: Callable[[int], list[Group]], tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text("def sizes(completions, **_):\n    return [float(len(text)) for text in completions]\n")
    sizes = f"{path}:sizes"
    rewards = f"{{'{sizes}': 0, accuracy: 1, format: 0.5}}"
    method = make(
        f"{{counting: {{accuracy: 1, format: 0.5}}, geometry: {{'{sizes}': 0.5, format: 2}}}}", rewards=rewards
    )
    counting, geometry = groups = make_groups(2)
    method.score(groups)
    assert counting.rewards is not None
    assert geometry.rewards is not None
    formed = [torch.tensor([1.0, 1, 0, 1]), torch.tensor([1.0, 1, 0])]
    right = [float(counting.prompt.sample.answer == each) for each in "13?0"]
    torch.testing.assert_close(counting.rewards, torch.tensor(right) + 0.5 * formed[0])
    lengths = torch.tensor([float(len(each.text)) for each in geometry.completions])
    torch.testing.assert_close(geometry.rewards, 0.5 * lengths + 2 * formed[1])
    assert [*counting.scores] == [*geometry.scores] == [*method.config.rewards]
    assert counting.scores[sizes].isnan().all()
    assert geometry.scores["accuracy"].isnan().all()
    assert method.metrics == {
        "task/counting/groups": 1,
        "task/counting/reward": pytest.approx(counting.rewards.mean().item()),
        "task/geometry/groups": 1,
        "task/geometry/reward": pytest.approx(geometry.rewards.mean().item()),
    }
    metrics = batch_metrics(groups, method.config.rewards)
    assert metrics[f"reward/{sizes}"] == pytest.approx(lengths.mean().item())
    assert metrics["reward/accuracy"] == pytest.approx(sum(right) / 4)
    assert metrics[f"not_finite/{sizes}"] == 0
    method.assign_advantages(groups)
    assert _sample_rows(0, groups).num_rows == 7


@pytest.mark.parametrize(
    ("rewards", "settings", "message"),
    [
        ("{countng: {format: 1}}", {}, "method.rewards.countng: there is no such task; did you mean 'counting'?"),
        ("{counting: {facts: 1}}", {}, "method.rewards.counting: the run has no reward facts; add it to rewards, with"),
        ("{counting: {format: 0}}", {}, "method.rewards.counting: none has a weight other than 0"),
        (
            "{counting: {format: 1}}",
            {"kl__controller": "accuracy", "kl__minimum": 0, "kl__maximum": 1, "kl__weight": "null"},
            "method.rewards.counting: kl.controller=accuracy looks at accuracy; add it, a weight of 0 is enough",
        ),
    ],
)
def test_what_cannot_work_is_refused(make: Made, rewards: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make(rewards, **settings)
    assert str(caught.value).startswith(message)


def test_the_recipes_are_stages_of_one_task_each_but_for_the_joint_one() -> None:
    for name in ("methods/omni-thinker", "methods/omni-thinker-paper"):
        config = load_config(name)
        stages = divide(config)
        assert [stage.config.tasks for stage in stages] == [[task] for task in config.tasks]
        assert [stage.name for stage in stages] == config.tasks
    joint, staged = load_config("methods/omni-thinker-joint"), load_config("methods/omni-thinker")
    plain = {"name": joint.name, "stages": {}}
    assert staged.model_copy(update=plain) == joint
