"""One update on the bundled model, against its equations written out: what counts, with which weight, in any split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import pytest
import torch

from mr1.algo.objective import grpo_loss
from mr1.config import Config
from mr1.errors import UserError
from mr1.methods.base import Method, give_each_token
from mr1.methods.grpo import GRPO
from mr1.methods.sft import SFT
from mr1.models.loading import load_vlm
from mr1.models.policy import make_policy
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.train.fitting import Budget
from mr1.train.optimizer import Optimizer
from mr1.train.packing import Rows, plain_rows
from mr1.train.scoring import predictors, token_logprobs
from mr1.train.update import one_microbatch, score_reference, update
from mr1.types import Completion, Group, LossInputs, LossOutput, Prompt

BETA = 0.3
TEMPERATURE = 0.7
GRPO_SETTINGS = {
    "method": "grpo",
    "kl__weight": BETA,
    "kl__minimum": "null",
    "kl__maximum": "null",
    "kl__exploration": "null",
    "clip__low": 0.1,
    "clip__high": 0.3,
    "rollout__temperature": TEMPERATURE,
}
SFT_SETTINGS = {
    "method": "sft",
    "kl__minimum": "null",
    "kl__maximum": "null",
    "kl__exploration": "null",
    "rollout__temperature": TEMPERATURE,
}


class Watched(Optimizer):
    """The optimizer, which remembers the gradient that it stepped along."""

    gradient: dict[str, torch.Tensor]

    def __init__(self, vlm: VLM, config: Config) -> None:
        super().__init__(vlm, config)
        self.vlm = vlm

    def clip(self) -> dict[str, float]:
        named = self.vlm.model.named_parameters()
        self.gradient = {name: each.grad.clone() for name, each in named if each.grad is not None}
        return super().clip()


@pytest.fixture
def masked(make_groups: Callable[[int], list[Group]]) -> Callable[[], list[Group]]:
    """Two groups with advantages, some of whose tokens the policy did not write: at the start, inside, at the end."""

    def make() -> list[Group]:
        groups = make_groups(2)
        patterns = cycle([[True], [True, False], [False, True, True], [True, True, True, False]])
        for group, pattern in zip(groups, ([0.5, -1.5, 1.0, 0.0], [2.0, -0.5, -1.5]), strict=True):
            group.rewards = torch.tensor(pattern)
            for completion in group.completions:
                shape = next(patterns)
                completion.mask = torch.tensor([shape[index % len(shape)] for index in range(len(completion))])
            give_each_token(group, group.rewards)
        return groups

    return make


def _completions(groups: Sequence[Group]) -> list[Completion]:
    return [completion for group in groups for completion in group.completions]


def _score(vlm: VLM, groups: Sequence[Group]) -> list[torch.Tensor]:
    """Each completion's log-probs, masked tokens included, from rows of one completion without sharing anything."""
    return [logprobs for logprobs, _ in _score_with_entropies(vlm, groups)]


def _score_with_entropies(vlm: VLM, groups: Sequence[Group]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    scores = []
    for group in groups:
        for completion in group.completions:
            whole = replace(completion, mask=torch.ones(len(completion), dtype=torch.bool))
            rows = plain_rows([Group(group.prompt, [whole])], vlm.adapter)
            scores.append(token_logprobs(vlm, rows, TEMPERATURE, entropies="learned"))
    return scores


def _policy(config: Config) -> VLM:
    return make_policy(load_vlm("tiny"), config)


def _updated(config: Config, method: Method, groups: list[Group], reference: VLM) -> tuple[dict[str, Any], Watched]:
    policy = _policy(config)
    optimizer = Watched(policy, config)
    if method.needs_reference(0):
        score_reference(reference, groups, config)
    return update(policy, groups, method, optimizer, config, 0), optimizer


def _shift(groups: Sequence[Group], scores: Sequence[torch.Tensor]) -> None:
    """Old log-probs of a policy that has since moved: ratios on both sides of both bounds."""
    generator = torch.Generator().manual_seed(0)
    for completion, score in zip(_completions(groups), scores, strict=True):
        moved = score.detach() + 0.3 * torch.randn(len(score), generator=generator)
        completion.old_logprobs = moved[completion.mask]


def test_each_completion_counts_alike_by_the_tokens_that_it_wrote(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config]
) -> None:
    groups = masked()
    weights = GRPO(make_config(**GRPO_SETTINGS)).token_weights(groups)
    completions = _completions(groups)
    assert weights == [1 / (7 * int(each.mask.sum())) for each in completions]
    assert any(not each.mask.all() for each in completions)
    shares = [weight * int(each.mask.sum()) for weight, each in zip(weights, completions, strict=True)]
    assert shares == pytest.approx([1 / 7] * 7)


def test_a_completion_that_wrote_nothing_has_no_share_and_breaks_nothing(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM
) -> None:
    groups, config = masked(), make_config(**GRPO_SETTINGS)
    groups[0].completions[1].mask[:] = False
    metrics, optimizer = _updated(config, GRPO(config), groups, tiny)
    assert metrics["loss"] == pytest.approx(-sum([0.5, 1.0, 0.0, 2.0, -0.5, -1.5]) / 7, abs=1e-5)
    assert all(gradient.isfinite().all() for gradient in optimizer.gradient.values())


def test_sft_counts_each_written_token_of_the_batch_alike(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config]
) -> None:
    groups = masked()
    written = sum(int(each.mask.sum()) for each in _completions(groups))
    assert written < sum(map(len, _completions(groups)))
    assert SFT(make_config(**SFT_SETTINGS)).token_weights(groups) == [1 / written] * 7


@pytest.mark.parametrize("budget", [100_000, 200, 1])
def test_grpo_with_masked_tokens_by_its_equation(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], budget: int
) -> None:
    groups, config = masked(), make_config(tokens_per_microbatch=budget, **GRPO_SETTINGS)
    policy, reference = _policy(config), load_vlm("tiny")
    with torch.no_grad():
        for parameter in reference.model.parameters():
            parameter.mul_(1.02)
    both = _score_with_entropies(policy, groups)
    scores = [score for score, _ in both]
    _shift(groups, scores)
    completions = _completions(groups)
    entropy = sum(
        each[1][completion.mask].mean().item() / 7 for each, completion in zip(both, completions, strict=True)
    )
    for completion in completions:
        assert completion.old_logprobs is not None
        completion.logprobs = torch.full((len(completion),), -9.0)
        completion.logprobs[completion.mask] = completion.old_logprobs + 0.25

    loss, kl, clipped = torch.zeros(()), 0.0, 0.0
    advantages = [0.5, -1.5, 1.0, 0.0, 2.0, -0.5, -1.5]
    with torch.no_grad():
        references = _score(reference, groups)
    for completion, score, ref, advantage in zip(_completions(groups), scores, references, advantages, strict=True):
        mask = completion.mask
        assert completion.old_logprobs is not None
        ratio = (score[mask] - completion.old_logprobs).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.9, 1.3) * advantage)
        k3 = (ref[mask] - score[mask]).exp() - (ref[mask] - score[mask]) - 1
        loss = loss - (gain - BETA * k3).mean() / 7
        kl += k3.mean().item() / 7
        lost = (ratio > 1.3) if advantage > 0 else (ratio < 0.9) if advantage < 0 else torch.zeros(len(ratio))
        clipped += lost.float().mean().item() / 7
    loss.backward()
    expected = {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}

    metrics, optimizer = _updated(config, GRPO(config), groups, reference)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["kl"] == pytest.approx(kl, abs=1e-6)
    assert kl > 0
    assert metrics["clip_fraction"] == pytest.approx(clipped, abs=1e-5)
    assert 0.1 < clipped < 0.9
    assert metrics["entropy"] == pytest.approx(entropy, abs=1e-5)
    assert metrics["sampler/logprob_gap"] == pytest.approx(0.25, abs=1e-5)
    _assert_equal_gradients(optimizer.gradient, expected)


@pytest.mark.parametrize("budget", [100_000, 1])
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_what_another_program_sampled_is_corrected_by_its_equation(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], budget: int, level: str
) -> None:
    settings: dict[str, object] = {"tokens_per_microbatch": budget, "kl__weight": 0}
    settings |= {"rollout__correction": level, "rollout__correction_cap": 1.25}
    groups, config = masked(), make_config(**GRPO_SETTINGS | settings)
    policy = _policy(config)
    scores = _score(policy, groups)
    _shift(groups, scores)
    generator = torch.Generator().manual_seed(0)
    loss, mean, capped = torch.zeros(()), 0.0, 0.0
    advantages = [0.5, -1.5, 1.0, 0.0, 2.0, -0.5, -1.5]
    for completion, score, advantage in zip(_completions(groups), scores, advantages, strict=True):
        mask, old = completion.mask, completion.old_logprobs
        assert old is not None
        away = 0.5 * torch.rand(len(old), generator=generator) - 0.25
        completion.logprobs = torch.full((len(completion),), -9.0)
        completion.logprobs[mask] = old - away
        ratios = (away.sum() if level == "sequence" else away).exp().clamp(max=1.25).expand(len(old))
        ratio = (score[mask] - old).exp()
        gain = ratios * torch.minimum(ratio * advantage, ratio.clamp(0.9, 1.3) * advantage)
        loss = loss - gain.mean() / 7
        mean += ratios.mean().item() / 7
        capped += (ratios >= 1.25).float().mean().item() / 7
    loss.backward()
    expected = {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}

    metrics, optimizer = _updated(config, GRPO(config), groups, policy)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["sampler/correction"] == pytest.approx(mean, abs=1e-5)
    assert metrics["sampler/capped_fraction"] == pytest.approx(capped, abs=1e-5)
    assert 0 < capped < 0.9
    _assert_equal_gradients(optimizer.gradient, expected)


@pytest.mark.parametrize("budget", [100_000, 1])
def test_a_constant_and_an_entropy_bonus_by_their_equations(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM, budget: int
) -> None:
    settings = {"tokens_per_microbatch": budget, "loss__aggregation": "constant", "loss__entropy": 0.05}
    groups, config = masked(), make_config(**GRPO_SETTINGS | settings | {"kl__weight": 0})
    policy = _policy(config)
    both = _score_with_entropies(policy, groups)
    written = sum(int(each.mask.sum()) for each in _completions(groups))
    advantages = [0.5, -1.5, 1.0, 0.0, 2.0, -0.5, -1.5]
    gain, entropy = torch.zeros(()), torch.zeros(())
    for completion, (score, entropies), advantage in zip(_completions(groups), both, advantages, strict=True):
        gain = gain + advantage * (score - score.detach()).exp()[completion.mask].sum() / (7 * 48)
        entropy = entropy + entropies[completion.mask].sum() / written
    loss = -gain - 0.05 * entropy
    loss.backward()
    expected = {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}

    metrics, optimizer = _updated(config, GRPO(config), groups, tiny)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert metrics["entropy"] == pytest.approx(entropy.item(), abs=1e-5)
    _assert_equal_gradients(optimizer.gradient, expected)


@pytest.mark.parametrize("budget", [100_000, 200, 1])
def test_sft_with_masked_tokens_by_its_equation(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM, budget: int
) -> None:
    groups, config = masked(), make_config(tokens_per_microbatch=budget, **SFT_SETTINGS)
    for group in groups:
        give_each_token(group, torch.ones(len(group.completions)))
    policy = _policy(config)
    scores = _score(policy, groups)
    written = torch.cat([score[each.mask] for score, each in zip(scores, _completions(groups), strict=True)])
    (-written.mean()).backward()
    expected = {name: each.grad for name, each in policy.model.named_parameters() if each.grad is not None}

    metrics, optimizer = _updated(config, SFT(config), groups, tiny)
    assert metrics["loss"] == pytest.approx(-written.mean().item(), abs=1e-5)
    assert metrics["kl"] is None
    _assert_equal_gradients(optimizer.gradient, expected)


@pytest.mark.invariant
@pytest.mark.parametrize("settings", [GRPO_SETTINGS, SFT_SETTINGS], ids=["grpo", "sft"])
def test_tokens_put_in_behind_the_end_change_nothing(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM, settings: dict[str, object]
) -> None:
    """What the policy is not answerable for, and nothing that it wrote can see, has no part in loss or metrics."""
    results = []
    config = make_config(**settings)
    method = (GRPO if settings is GRPO_SETTINGS else SFT)(config)
    for text in ("", "3 red", "no"):
        extra = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
        groups = masked()
        for completion, score in zip(_completions(groups), _score(tiny, groups), strict=True):
            completion.logprobs = score.detach() + 0.25
            completion.token_ids = torch.cat([completion.token_ids, torch.tensor(extra, dtype=torch.long)])
            completion.logprobs = torch.cat([completion.logprobs, torch.full((len(extra),), -9.0)])
            completion.mask = torch.cat([completion.mask, torch.zeros(len(extra), dtype=torch.bool)])
            assert completion.advantages is not None
            completion.advantages = torch.cat([completion.advantages, torch.full((len(extra),), torch.nan)])
        results.append(_updated(config, method, groups, tiny))
    (metrics, optimizer), *others = results
    assert metrics["sampler/logprob_gap"] == pytest.approx(0.25, abs=1e-4)
    for other, moved in others:
        assert other.keys() == metrics.keys()
        for key, value in metrics.items():
            close = None if value is None else pytest.approx(value, rel=1e-4, abs=1e-6)
            assert other[key] == close, key
        _assert_equal_gradients(moved.gradient, optimizer.gradient)


def test_a_single_token_counts_whole(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM
) -> None:
    (group, _), config = masked(), make_config(**GRPO_SETTINGS)
    completion = group.completions[2]
    alone = Group(group.prompt, [completion], rewards=torch.ones(1))
    give_each_token(alone, torch.ones(1))
    completion.mask = torch.arange(len(completion)) == 1
    completion.logprobs = _score(tiny, [alone])[0].detach() + 0.25
    assert GRPO(config).token_weights([alone]) == [1.0]
    metrics, _ = _updated(config, GRPO(config), [alone], tiny)
    assert metrics["loss"] == pytest.approx(-1.0, abs=1e-5)
    assert metrics["sampler/logprob_gap"] == pytest.approx(0.25, abs=1e-4)


def test_a_gradient_that_is_not_finite_changes_nothing(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM
) -> None:
    groups, config = masked(), make_config(**GRPO_SETTINGS)
    give_each_token(groups[0], torch.tensor([torch.inf, 0.0, 0.0, 0.0]))
    policy = _policy(config)
    before = [parameter.detach().clone() for parameter in policy.model.parameters()]
    optimizer = Optimizer(policy, config)
    score_reference(tiny, groups, config)
    metrics = update(policy, groups, GRPO(config), optimizer, config, 7)
    assert metrics["update/skipped"] == 1
    assert all(torch.equal(one, other) for one, other in zip(before, policy.model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in policy.model.parameters())
    assert not optimizer.adamw.state


def test_a_loss_that_is_not_finite_is_enough(
    masked: Callable[[], list[Group]], make_config: Callable[..., Config], tiny: VLM
) -> None:
    class Infinite(GRPO):
        def loss(self, inputs: LossInputs) -> LossOutput:
            made = super().loss(inputs)
            return LossOutput(made.loss + torch.tensor(torch.inf), made.metrics)

    config = make_config(**GRPO_SETTINGS)
    metrics, optimizer = _updated(config, Infinite(config), masked(), tiny)
    assert all(gradient.isfinite().all() for gradient in optimizer.gradient.values())
    assert metrics["update/skipped"] == 1


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[bool]]:
    """Make memory for so many tokens at once, and no more; tells of each micro-batch whether it was too large."""

    def make(tokens: int) -> list[bool]:
        asked: list[bool] = []

        def limited(vlm: VLM, rows: Rows, *others: Any) -> torch.Tensor:
            asked.append(rows.input_ids.numel() > tokens)
            if asked[-1]:
                raise torch.OutOfMemoryError("stub: out\nof memory")
            return predictors(vlm, rows, *others)

        for module in ("update", "scoring"):
            monkeypatch.setattr(f"mr1.train.{module}.predictors", limited)
        return asked

    return make


def test_an_update_that_ran_out_of_memory_is_that_of_a_smaller_budget(
    masked: Callable[[], list[Group]],
    make_config: Callable[..., Config],
    tiny: VLM,
    room: Callable[[int], list[bool]],
) -> None:
    """To the bit: what the attempts had filled in and added up is gone."""
    said: list[str] = []

    def run(tokens: int) -> tuple[Any, ...]:
        config = make_config(tokens_per_microbatch=tokens, **GRPO_SETTINGS)
        groups, policy, asked = masked(), _policy(config), room(115)
        method, optimizer = GRPO(config), Watched(policy, config)

        def attempt(fitting: Config) -> dict[str, Any]:
            torch.rand(1)
            score_reference(tiny, groups, fitting)
            return update(policy, groups, method, optimizer, fitting, 0)

        torch.manual_seed(0)
        metrics = Budget(policy, said.append).fit(attempt, config, groups, method, optimizer)
        old = [each.old_logprobs for each in _completions(groups)]
        return metrics, optimizer.gradient, old, torch.get_rng_state(), asked

    one, gradient, old, drawn, asked = run(8192)
    other, expected, old_too, drawn_too, _ = run(58)
    # 114 + 119 tokens at once; then 114 and 116 of the second group, so that the attempt had begun; then each alone.
    assert asked == [True, False, True] + [False] * 14
    assert [line.partition(";")[2].split(",")[0] for line in said] == [
        f" from here on tokens_per_microbatch={tokens}" for tokens in (116, 58)
    ]
    assert said[0].endswith("(stub: out of memory)")
    assert one == other
    assert all(torch.equal(made, expected[name]) for name, made in gradient.items())
    assert all(map(torch.equal, [*old, drawn], [*old_too, drawn_too]))


def test_what_does_not_fit_alone_says_what_to_change(
    masked: Callable[[], list[Group]],
    make_config: Callable[..., Config],
    tiny: VLM,
    room: Callable[[int], list[bool]],
) -> None:
    groups, config = masked(), make_config(**GRPO_SETTINGS)
    policy = _policy(config)
    optimizer = Watched(policy, config)
    score_reference(tiny, groups, config)
    room(90)
    with pytest.raises(UserError, match=r"^out of memory with one completion at a time, 102 tokens .*max_new_tokens"):
        Budget(policy, lambda _: None).fit(
            lambda fitting: update(policy, groups, GRPO(config), optimizer, fitting, 0),
            config, groups, GRPO(config), optimizer,
        )  # fmt: skip
    assert all(parameter.grad is None for parameter in policy.model.parameters())


def test_no_room_for_the_optimizers_state_is_told_apart(
    make_config: Callable[..., Config], tiny: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("stub")

    optimizer = Optimizer(tiny, make_config(**GRPO_SETTINGS))
    monkeypatch.setattr(optimizer.adamw, "step", fail)
    with pytest.raises(UserError, match=r"^optimizer: no memory is left for AdamW's state.*lora.rank.*\(stub\)$"):
        optimizer.step(1.0)


def test_prompts_are_run_ahead_where_that_takes_no_memory(
    make_groups: Callable[[int], list[Group]],
    make_config: Callable[..., Config],
    tiny: VLM,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompts = [group.prompt for group in make_groups(2)]
    size = sum(map(len, prompts)) + 2 * 4 * 48
    asked: list[bool] = []

    def ahead(_: VLM, got: Sequence[Prompt], prefixes: bool) -> list[Prompt]:
        asked.append(prefixes and got is prompts)
        return [*got]

    monkeypatch.setattr(VLM, "run_ahead", ahead)

    def asks(frozen: bool = False, shares: bool = True, **settings: object) -> list[bool]:
        asked.clear()
        with monkeypatch.context() as patch:
            patch.setattr(tiny, "features_frozen", frozen)
            patch.setattr("mr1.rollout.local.can_share", lambda _: shares)
            config = make_config(**{"tokens_per_microbatch": size, **settings})
            LocalEngine(tiny, partial(one_microbatch, tiny, config)).prepare(prompts)
        return [*asked]

    assert asks() == asks(frozen=True) == [True]
    assert asks(shares=False) == [False]  # the images alone
    assert asks(frozen=True, shares=False) == []
    assert asks(tokens_per_microbatch=size - 1) == asks(gradient_checkpointing=True) == []


def test_the_clip_of_a_recipe_reaches_the_loss(make_config: Callable[..., Config]) -> None:
    method = GRPO(make_config(**GRPO_SETTINGS))
    ratio = torch.tensor([1.2, 0.85, 1.35, 0.7])
    inputs = LossInputs(
        *(ratio.log(), torch.zeros(4), None, torch.tensor([1.0, -1.0, 1.0, -1.0]), torch.ones(4), torch.ones(4)),
        *(torch.zeros(4), torch.arange(4), torch.zeros(4, dtype=torch.long), torch.zeros(4)),
    )
    assert method.loss(inputs).loss.item() == pytest.approx(-(1.2 - 0.9 + 1.3 - 0.9))
    assert method.loss(inputs).metrics["clip_fraction"].item() == 3
    assert grpo_loss(inputs, 0.3, 0.1).loss.item() != pytest.approx(method.loss(inputs).loss.item(), abs=1e-3)


def _assert_equal_gradients(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert (gradient - other[name]).norm() <= 1e-4 * max(float(other[name].norm()), 0.1), name
    assert sum(float(gradient.norm()) for gradient in one.values()) > 0.1
