"""RL-PLUS: its loss by its equation, and what is told of a batch that holds what somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mr1.config import Config
from mr1.errors import UnusableError
from mr1.methods.base import make_method
from mr1.models.loading import load_vlm
from mr1.models.policy import make_policy
from mr1.rollout.local import LocalEngine
from mr1.train.metrics import batch_metrics
from mr1.train.optimizer import Optimizer
from mr1.train.packing import plain_rows
from mr1.train.scoring import token_logprobs
from mr1.train.update import update
from mr1.types import Group, Prompt

pytestmark = pytest.mark.loop

SHORT: dict[str, object] = {
    **{"kl__minimum": "null", "kl__maximum": "null", "kl__exploration": "null", "kl__weight": 0.1},
    **{"rollout__group_size": 3, "rollout__max_new_tokens": 4, "rollout__temperature": 4, "loss__entropy": 0.01},
}


@pytest.mark.parametrize("uniform", ["one", "vocabulary"])
def test_rl_plus_by_its_equation(
    make_groups: Callable[[int], list[Group]], make_config: Callable[..., Config], uniform: str
) -> None:
    config = make_config(**SHORT | {"method": f"{{name: rl-plus, uniform: {uniform}}}"})
    groups = make_groups(2)
    completions = [each for group in groups for each in group.completions]
    policy = make_policy(load_vlm("tiny"), config)
    method = make_method(config, policy)
    rows = plain_rows(groups, policy.adapter)
    scored, entropies = token_logprobs(policy, rows, 4.0, entropies="learned")
    sizes = [*map(len, completions)]
    loss, own, external = torch.zeros(()), 0, 0.0
    for number, (group, rewards) in enumerate(zip(groups, ([0.0, 1, 0, 1], [2.0, 0, 1]), strict=True)):
        group.rewards = torch.tensor(rewards)
        group.scores = {"accuracy": group.rewards}
        group.completions[-1].origin = "expert"
        for place, each in enumerate(group.completions):
            logprobs = scored.split(sizes)[4 * number + place]
            each.ref_logprobs, each.old_logprobs = logprobs.detach() + 0.5, logprobs.detach() - 0.25
            advantage = rewards[place] - sum(rewards) / len(rewards)
            if each is group.completions[-1]:
                old, u = each.old_logprobs.exp(), 1 if uniform == "one" else 1 / policy.adapter.vocabulary()
                ratio = 2 * logprobs.exp() / (old + (old + u) / 2)
                loss = loss - (ratio * (1 - logprobs.detach().exp()).sqrt() * advantage).sum() / (7 * 4)
                external += ratio.sum().item()
                continue
            k3 = (each.ref_logprobs - logprobs).exp() - (each.ref_logprobs - logprobs) - 1
            loss = loss - ((logprobs - each.old_logprobs).exp() * advantage - 0.1 * k3).sum() / (7 * 4)
            own += len(each)
    written = [
        entropy for entropy, each in zip(entropies.split(sizes), completions, strict=True) if each.origin != "expert"
    ]
    loss = loss - 0.01 * torch.cat(written).mean()
    loss.backward()
    norm = torch.cat([p.grad.double().flatten() for p in policy.model.parameters() if p.grad is not None]).norm().item()

    method.assign_advantages(groups)
    assert sum(share * size for share, size in zip(method.token_shares(groups), sizes, strict=True)) == pytest.approx(1)
    for budget in (8192, 1):
        learner = make_policy(load_vlm("tiny"), config)
        optimizer = Optimizer(learner, config)
        found = update(
            learner, groups, method, optimizer, config.model_copy(update={"tokens_per_microbatch": budget}), 0
        )
        assert found["loss"] == pytest.approx(loss.item(), rel=1e-4)
        assert found["grad_norm"] == pytest.approx(norm, rel=1e-4)
        assert found["entropy"] == pytest.approx(torch.cat(written).mean().item(), rel=1e-4)
        assert found["kl"] == pytest.approx(torch.tensor(0.5).exp().item() - 1.5, rel=1e-4)
        assert found["clip_fraction"] == 0
        assert found["external/ratio"] == pytest.approx(external / (sum(sizes) - own), rel=1e-4)


def test_an_external_completion_is_nobodys_sample(
    make_config: Callable[..., Config], make_prompt: Callable[..., Prompt]
) -> None:
    """It is scored and compared, but what is told of the policy's own completions does not hold it."""
    config = make_config(**SHORT | {"method": "rl-plus"})
    policy = make_policy(load_vlm("tiny"), config)
    method = make_method(config, policy)
    with pytest.raises(
        UnusableError, match=r"^its solution has \d\d tokens, and rollout.max_new_tokens is 4; raise it"
    ):
        method.require(policy, make_prompt(0))
    groups = method.rollout(LocalEngine(policy), [make_prompt(0), make_prompt(1)], 0)
    method.score(groups)
    method.assign_advantages(groups)
    for group in groups:
        external = group.completions[-1]
        assert [each.origin for each in group.completions] == ["policy", "policy", "expert"]
        assert external.logprobs is None
        assert external.text.endswith(f"<answer>{group.prompt.sample.answer}</answer>")
        assert group.rewards is not None
        assert group.rewards[-1] == 2
        assert external.advantages is not None
        assert external.advantages.tolist() == pytest.approx([2 - group.rewards.mean().item()] * len(external))
    assert method.metrics == {"external/reward": 2}
    assert method.kl_weights(groups, 0) == pytest.approx([0.1, 0.1, 0] * 2)
    told = batch_metrics(groups, config.rewards)
    own = [each for group in groups for each in group.completions[:-1]]
    rewards = [group.rewards[:-1] for group in groups if group.rewards is not None]
    assert told["reward/total"] == pytest.approx(torch.cat(rewards).mean().item())
    assert told["completion/length_mean"] == sum(map(len, own)) / 4
    for group in groups:
        for each in group.completions:
            each.ref_logprobs = torch.zeros(len(each))
    line = update(policy, groups, method, Optimizer(policy, config), config, 0)
    gap = line["sampler/logprob_gap"]
    assert gap is not None
    assert gap < 1e-5
    assert line["external/probability"] is not None
    assert 0 < line["external/probability"] < 1
