"""Completions that are hardly any: of no token, of special tokens alone, without an end. Everything takes them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mr1.algo.advantage import group_advantage, leave_one_out_advantage, mean_advantage
from mr1.config import Config
from mr1.methods.base import make_method
from mr1.models.loading import load_vlm
from mr1.models.policy import make_policy
from mr1.models.vlm import VLM
from mr1.rewards import REWARDS, score_groups
from mr1.train.metrics import batch_metrics
from mr1.train.optimizer import Optimizer
from mr1.train.packing import flat_rows, make_rows, microbatches, packed_rows, plain_rows
from mr1.train.run import _sample_rows
from mr1.train.scoring import token_logprobs
from mr1.train.update import update
from mr1.types import Completion, Group, Prompt

KINDS = st.sampled_from(["nothing", "stop", "special", "endless", "plain", "not its own"])
GROUP = st.lists(KINDS, min_size=2, max_size=4)
lean = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def completion(vlm: VLM, kind: str) -> Completion:
    tokenizer = vlm.tokenizer
    words, stop = tokenizer("<think>3 red</think>", add_special_tokens=False)["input_ids"], vlm.stop_tokens()[0]
    special = [token for token in tokenizer.all_special_ids if math.isfinite(vlm.token_bias()[token])]
    ids = {
        "nothing": [],
        "stop": [stop],
        "special": special * 3,
        "endless": (words * 9)[:40],
        "plain": [*words, stop],
        "not its own": words,
    }[kind]
    tokens = torch.tensor(ids, dtype=torch.long)
    return Completion(
        token_ids=tokens,
        logprobs=torch.full((len(ids),), -1.0),
        text=tokenizer.decode(tokens, skip_special_tokens=True),
        mask=torch.full((len(ids),), kind != "not its own"),
        finish_reason="stop" if ids and ids[-1] == stop else "length",
    )


def made(vlm: VLM, prompts: list[Prompt], kinds: list[list[str]]) -> list[Group]:
    return [
        Group(prompt, [completion(vlm, kind) for kind in group]) for prompt, group in zip(prompts, kinds, strict=False)
    ]


@pytest.fixture
def prompts(make_prompt: Callable[..., Prompt]) -> list[Prompt]:
    return [make_prompt(0), make_prompt(1)]


@given(kinds=st.lists(GROUP, min_size=1, max_size=2))
@lean
def test_they_are_scored_counted_and_recorded(tiny: VLM, prompts: list[Prompt], kinds: list[list[str]]) -> None:
    groups = made(tiny, prompts, kinds)
    weights = dict.fromkeys(REWARDS, 1.0)
    score_groups(groups, weights)
    for group in groups:
        assert group.rewards is not None
        assert group.rewards.isfinite().all()
        for advantage in (group_advantage, mean_advantage, leave_one_out_advantage):
            assert advantage(group.rewards).isfinite().all()
        for each, own in zip(group.completions, group_advantage(group.rewards), strict=True):
            each.advantages = own.expand(len(each))
    metrics = batch_metrics(groups, weights)
    flat = [kind for group in kinds for kind in group]
    empty = [kind in ("nothing", "stop", "special") for kind in flat]
    assert metrics["completion/empty_fraction"] == sum(empty) / len(flat)
    table = _sample_rows(0, groups)
    assert table.num_rows == len(flat)
    assert table["tokens"].to_pylist() == [len(each) for group in groups for each in group.completions]


@given(kinds=st.lists(GROUP, min_size=1, max_size=2))
@lean
def test_all_kinds_of_rows_have_the_same_log_probs(tiny: VLM, prompts: list[Prompt], kinds: list[list[str]]) -> None:
    groups = made(tiny, prompts, kinds)
    count = sum(int(each.mask.sum()) for group in groups for each in group.completions)
    with torch.no_grad():
        plain, *others = (
            token_logprobs(tiny, rows, 1.0)[0]
            for rows in (plain_rows(groups, tiny.adapter), flat_rows(groups), packed_rows(groups, tiny.adapter))
        )
        alone = microbatches(groups, 1, tiny.adapter)
        torn = [token_logprobs(tiny, make_rows(part, tiny.adapter), 1.0)[0] for part in alone]
    assert len(plain) == count
    for other in (*others, torch.cat(torn)):
        torch.testing.assert_close(other, plain, atol=1e-4, rtol=1e-4)


def test_an_update_on_them_is_finite(make_config: Callable[..., Config], prompts: list[Prompt]) -> None:
    """Also where nothing is left to learn from."""
    without = {"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0}
    config = make_config(method="reinforce", **without)
    policy = make_policy(load_vlm("tiny"), config)
    method, optimizer = make_method(config, policy), Optimizer(policy, config)
    every = ["nothing", "stop", "special", "endless", "plain", "not its own"]
    for kinds in ([every, every], [["nothing", "nothing"]], [["not its own", "nothing"], ["stop", "stop"]]):
        groups = made(policy, prompts, kinds)
        for group in groups:
            group.rewards = torch.arange(float(len(group.completions)))
        method.assign_advantages(groups)
        metrics = update(policy, groups, method, optimizer, config, 0)
        assert metrics["update/skipped"] == 0
        assert all(value is None or math.isfinite(value) for value in metrics.values())
    assert all(parameter.isfinite().all() for parameter in policy.model.parameters())
