"""WeThink: a row says by what it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mr1.config import Config
from mr1.endpoint.client import Question
from mr1.endpoint.settings import Endpoint
from mr1.errors import UserError
from mr1.held import while_open
from mr1.methods.wethink import WeThink
from mr1.rewards.judged import _OPEN, JUDGE
from mr1.rewards.judgements import Numbers
from mr1.train.metrics import batch_metrics
from mr1.types import Group

SETTINGS: dict[str, object] = {
    **{"method": "wethink", "kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0},
    **{"endpoint__base_url": "http://localhost:1/v1", "endpoint__model": "m"},
}


class Half:
    """A judge that finds half of the answer 3 right, and can't judge others."""

    settings = Endpoint()

    def ask(self, questions: Sequence[Question[Numbers]]) -> list[Numbers | None]:
        return [(0.5,) if "<answer>3</answer>" in each.user else None for each in questions]


def says(group: Group, **meta: object) -> Group:
    sample = replace(group.prompt.sample, answer="3", meta=meta)
    return Group(replace(group.prompt, sample=sample), group.completions)


def totals(group: Group) -> list[float]:
    """Of the completions, -1 where one does not count."""
    assert group.rewards is not None
    total: list[float] = group.rewards.nan_to_num(-1).tolist()
    return total


def test_each_row_is_judged_as_it_says(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    """Of the texts the second is well-formed and right, the last well-formed and wrong, the third neither."""
    config = make_config(**SETTINGS | {"rewards": "{accuracy: 0.7, judge-tiers: 0.7, format: 0.3}"})
    group = make_groups(1)[0]
    groups = [says(group), says(group, reward="choice"), says(group, reward="judge"), says(group, reward="")]
    method = WeThink(config)
    half: Any = Half()
    with while_open(_OPEN, {JUDGE: half}):
        method.score(groups)
    by_rule, judged = groups[0], groups[2]
    for each in (groups[1], groups[3]):
        assert totals(each) == totals(by_rule)
    assert totals(by_rule) == pytest.approx([0.3, 1.0, 0.0, 0.3])
    assert by_rule.scores["judge-tiers"].isnan().all()
    assert judged.scores["accuracy"].isnan().all()
    assert totals(judged) == pytest.approx([-1, 0.65, -1, -1]), "where the judge fails, none"
    told = batch_metrics(groups, config.rewards)
    assert told["reward/accuracy"] == pytest.approx(1 / 4)
    assert told["reward/judge-tiers"] == pytest.approx(0.5)
    assert told["not_finite/judge-tiers"] == 3
    assert all([*each.scores] == [*config.rewards] for each in groups)


def test_what_a_row_says_has_to_mean_something(
    make_config: Callable[..., Config], make_groups: Callable[[int], list[Group]]
) -> None:
    group = make_groups(1)[0]
    method = WeThink(make_config(**SETTINGS | {"rewards": "{accuracy: 0.7, format: 0.3}"}))
    row = group.prompt.sample.id
    with pytest.raises(UserError, match=f"^method.column: 'reward' of {row} says 'rules'; did you mean 'rule'"):
        method.score([says(group, reward="rules")])
    with pytest.raises(
        UserError, match=f"^rewards: 'reward' of {row} says 'judge', which is judged by judge-tiers; name"
    ):
        method.score([says(group, reward="judge")])
    own = WeThink(make_config(**SETTINGS | {"method": "{name: wethink, column: how, judges: {m: format}}"}))
    assert own.judge(says(group, how="m").prompt.sample) == "format"
    assert own.judge(says(group, reward="judge").prompt.sample) == "accuracy"
    with pytest.raises(
        UserError, match=r"^rewards: method wethink judges rows that don't say how by accuracy; name it"
    ):
        WeThink.check(method.config.model_copy(update={"rewards": {"format": 1.0}}))
    with pytest.raises(
        UserError, match=r"^kl.controller: accuracy looks at accuracy, which not every row is judged by"
    ):
        make_config(
            **SETTINGS | {"kl__controller": "accuracy", "kl__weight": "null", "kl__minimum": 0, "kl__maximum": 1}
        )
