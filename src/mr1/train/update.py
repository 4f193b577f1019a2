"""One optimiser step on a batch of groups, in micro-batches whose sizes never change the result.

Every token's weight in the loss is known before the first backward (`Method.token_weights`), so a micro-batch's loss is
simply its part of a sum.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from mr1.algo.correction import truncated_ratios
from mr1.config import Config, Rollout
from mr1.methods.base import Method
from mr1.models.determinism import repeatable
from mr1.models.routing import Routing
from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.parallel.rounds import rounds
from mr1.parallel.shares import own_share, share_out, shared
from mr1.train.optimizer import Optimizer, rate_factor
from mr1.train.packing import Rows, completion_rows, make_rows, microbatches, rows_size
from mr1.train.scoring import Entropies, predictors, token_logprobs
from mr1.types import Completion, Group, LossInputs, LossOutput, MicroBatch, Prompt


def one_microbatch(policy: VLM, config: Config, prompts: Sequence[Prompt]) -> bool:
    """Whether an update on these prompts holds all activations at once, with completions as long as they may be.

    Then images and prompts may as well be run ahead, for the rollout and the update alike: until the update their
    activations take memory, but the most that is taken stays the same.
    """
    longest = [[config.rollout.max_new_tokens] * config.rollout.group_size] * len(prompts)
    size = rows_size(prompts, longest, policy.adapter)
    return size <= config.tokens_per_microbatch and not config.gradient_checkpointing


def score_reference(reference: VLM, groups: Sequence[Group], config: Config) -> None:
    """Fill in `ref_logprobs` where they are missing: once for each batch of rollouts, however often it is used."""
    missing = [group for group in groups if any(each.ref_logprobs is None for each in group.completions)]
    own = own_share(missing, reference.adapter, indivisible=False)
    batches = [*microbatches(own, config.tokens_per_microbatch, reference.adapter)]
    for each in rounds(batches, missing, reference):
        rows = make_rows(each.groups, reference.adapter)
        with torch.no_grad():
            measure = partial(token_logprobs, reference, rows, config.rollout.temperature, entropies="none")
            (logprobs, _), _ = each.run(reference, measure)
        if each.counts:
            for completion, part in _by_completion(each.groups, logprobs):
                completion.ref_logprobs = part
    share_out(missing, own, "ref_logprobs")


def look(policy: VLM, groups: Sequence[Group], method: Method, config: Config, step: int) -> None:
    """Let a method look at a fresh batch before it gives advantages (`Method.look`)."""

    @torch.no_grad()
    def measure(vlm: VLM, head: Callable[[Tensor], Tensor] | None) -> list[Tensor]:
        found: dict[int, Tensor] = {}

        def run(batch: list[Group]) -> None:
            rows = make_rows(batch, vlm.adapter)
            hidden = predictors(vlm, rows, _routing(rows, config))
            if vlm is policy:
                logprobs, _ = token_logprobs(vlm, rows, config.rollout.temperature, entropies="none", hidden=hidden)
                _remember_old(batch, logprobs)
            if head is not None:
                found.update({id(completion): part for completion, part in _by_completion(batch, head(hidden))})

        own = own_share(groups, vlm.adapter, method.indivisible)
        for each in rounds([*microbatches(own, config.tokens_per_microbatch, vlm.adapter)], groups, vlm):
            each.run(vlm, partial(run, each.groups))
        if vlm is policy:
            share_out(groups, own, "old_logprobs")
        return shared(groups, found) if head is not None else []

    method.look(policy, groups, step, measure)


def update(
    policy: VLM, groups: Sequence[Group], method: Method, optimizer: Optimizer, config: Config, step: int
) -> dict[str, float | None]:
    """Forward and backward over the batch, then one optimiser step; none where the loss or its gradient is not finite.

    Returns:
        The batch's metrics: `loss`, `kl` (None where the reference was not run), `entropy`, `grad_norm` and the
        method's own, of the policy as it is before this step; and `sampler/logprob_gap`, the mean distance between what
        the sampler and the batch's first update said of the same tokens, under the policy that sampled them (absent
        where a teacher wrote all of them);
        `routing/differs`, the share of choices of experts that are not the sampler's, where these were recorded;
        `kl_weight`, the completions' mean, and `kl_weight/min` and `kl_weight/max` where they may differ;
        `update/skipped`, 1 where no step was made, and nothing that learns has changed, else 0.
    """
    places = find_places(groups, method, step)

    def undo() -> None:
        optimizer.zero_grad()
        let_go(groups)

    sums = repeatable(lambda: backward(policy, groups, method, config, places, step), undo)
    let_go(groups)
    optimizer.add_up_over_ranks()
    method.after_backward(policy, optimizer)

    norms = optimizer.clip()
    finite = all(map(math.isfinite, (sums["loss"], *norms.values())))
    if finite:
        optimizer.step(rate_factor(step, config.steps, config.optimizer))
    optimizer.zero_grad()  # now, so that gradients take no memory in the rollout

    metrics: dict[str, float | None] = {"loss": sums.pop("loss"), "kl": None, "entropy": sums.pop("entropy")}
    metrics["update/skipped"] = int(not finite)
    gap = sums.pop("gap")
    if routed := sums.pop("routed", 0):
        metrics["routing/differs"] = sums.pop("differ") / routed
    if sampled := [each for each in _completions(groups) if each.logprobs is not None]:
        metrics["sampler/logprob_gap"] = gap / max(sum(int(each.mask.sum()) for each in sampled), 1)
    return metrics | dict(sums) | norms | _kl_weights(places.values(), method)


@dataclass(frozen=True)
class Place:
    """A completion's in the whole batch."""

    completion: int
    group: int
    weight: float
    """In the batch's loss, of each of its tokens."""
    share: float
    """Of the batch's means, that each of its tokens has."""
    kl_weight: float


Places = dict[int, Place]
"""By the completions' identities: parts of a torn group hold the same ones."""


def find_places(groups: Sequence[Group], method: Method, step: int) -> Places:
    """Of all completions of a batch."""
    owners = [number for number, group in enumerate(groups) for _ in group.completions]
    weights, shares = method.token_weights(groups), method.token_shares(groups)
    each = zip(_completions(groups), owners, weights, shares, method.kl_weights(groups, step), strict=True)
    return {
        id(completion): Place(number, group, weight, share, kl_weight)
        for number, (completion, group, weight, share, kl_weight) in enumerate(each)
    }


def _kl_weights(places: Iterable[Place], method: Method) -> dict[str, float]:
    weights = [place.kl_weight for place in places]
    least, most = min(weights), max(weights)
    # The mean of equal fractions is rounded, and so may not be exactly they.
    mean = least if least == most else fmean(weights)
    return {"kl_weight": mean} | ({"kl_weight/min": least, "kl_weight/max": most} if method.kl_weights_differ else {})


def backward(
    policy: VLM, groups: Sequence[Group], method: Method, config: Config, places: Places, step: int
) -> dict[str, float]:
    """Add the gradient of a batch, or of a part of it, up by micro-batches. Returns sums of metrics."""
    sums: defaultdict[str, float] = defaultdict(float)
    own = own_share(groups, policy.adapter, method.indivisible)
    batches = [*microbatches(own, config.tokens_per_microbatch, policy.adapter, method.indivisible)]
    if len(batches) > 1:
        let_go(groups)
    for each in rounds(batches, groups, policy):
        with policy.training():
            compute = partial(_losses if each.counts else _nothing, policy, each.groups, method, config, places, step)
            (loss, parts), beside = each.run(policy, compute)
            whole = loss if beside is None else loss + beside
            if whole.requires_grad:  # words alone reach nothing that learns where the vision tower alone does
                whole.backward()
        if not each.counts:
            continue
        sums["gap"] += _sampler_gap(each.groups)
        for part in parts:
            sums["loss"] += part.loss.item()
            for name, value in part.metrics.items():
                sums[name] += value.item()
    return ranks.totals(sums, "the update") if ranks.several() else sums


def _losses(
    policy: VLM, batch: list[Group], method: Method, config: Config, places: Places, step: int
) -> tuple[Tensor, list[LossOutput]]:
    """A micro-batch's loss and its parts: its tokens', with `entropy` among the metrics, and the method's extra one."""
    if "features" in method.reads:
        batch = _with_features(policy, batch)
    prefixes = policy.known_prefixes([group.prompt for group in batch])
    rows = completion_rows(batch, prefixes) if prefixes else make_rows(batch, policy.adapter)
    routing = _routing(rows, config)
    hidden = predictors(policy, rows, routing)
    entropies: Entropies = "learned" if "entropy" in method.reads else "measured"
    logprobs, entropy = token_logprobs(policy, rows, config.rollout.temperature, entropies=entropies, hidden=hidden)
    _remember_old(batch, logprobs)
    inputs = _loss_inputs(batch, logprobs, places, method, step)
    corrected = _correct(inputs, config.rollout)
    if "hidden" in method.reads:
        inputs.hidden = hidden
    if "entropy" in method.reads:
        inputs.entropy = entropy
    features = policy.features([group.prompt for group in batch]) if "features" in method.reads else []
    of_tokens = method.loss(inputs)
    extra = method.extra_loss(policy, MicroBatch(batch, inputs, features, partial(_run_beside, batch)))
    of_tokens.metrics |= {"entropy": (entropy.detach() * inputs.shares).sum(), **corrected}
    if routing is not None:
        of_tokens.metrics |= {
            "routed": entropy.new_tensor(routing.known()),
            "differ": entropy.new_tensor(routing.differing()),
        }
    parts = [of_tokens, extra] if extra else [of_tokens]
    return torch.stack([part.loss for part in parts]).sum(), parts


def _nothing(
    policy: VLM, batch: list[Group], method: Method, config: Config, *_: object
) -> tuple[Tensor, list[LossOutput]]:
    """A stand-in's loss: 0, through the same layers as another process's micro-batch."""
    if "features" in method.reads:
        batch = _with_features(policy, batch)
    logprobs = token_logprobs(policy, make_rows(batch, policy.adapter), config.rollout.temperature, entropies="none")[0]
    return 0 * logprobs.sum(), []


def _routing(rows: Rows, config: Config) -> Routing | None:
    """What happens with the choices of experts, where they were recorded."""
    return Routing(rows.routes, config.rollout.routing == "replay") if rows.routes is not None else None


def _correct(inputs: LossInputs, rollout: Rollout) -> dict[str, Tensor]:
    """Weight each token by how much likelier it is for the trainer than it was for the sampler, where that is asked
    for; gives the mean weight, and the share of tokens that have the cap."""
    level, cap = rollout.correction_level, rollout.correction_cap
    if level == "none":
        return {}
    ratios = truncated_ratios(inputs.old_logprobs, inputs.behaviour_logprobs, inputs.completion, level, cap)
    inputs.weights = inputs.weights * ratios
    return {
        "sampler/correction": (ratios * inputs.shares).sum(),
        "sampler/capped_fraction": ((ratios >= cap) * inputs.shares).sum(),
    }


def _run_beside(batch: Sequence[Group], vlm: VLM) -> Tensor:
    """A micro-batch's tokens through another model than the policy (`MicroBatch.run`)."""
    with vlm.training():
        return predictors(vlm, make_rows(batch, vlm.adapter))


def _with_features(policy: VLM, batch: Sequence[Group]) -> list[Group]:
    """The same groups, whose images' features are made once for the forward and the method's extra loss alike."""
    prompts = [group.prompt for group in batch]
    if not policy.known_prefixes(prompts):
        prompts = policy.run_ahead(prompts, prefixes=False)
    return [replace(group, prompt=prompt) for group, prompt in zip(batch, prompts, strict=True)]


def let_go(groups: Sequence[Group]) -> None:
    """Of what was made of the prompts ahead: it has been used, or the weights are others now."""
    for group in groups:
        group.prompt.ahead = None


def _loss_inputs(batch: Sequence[Group], logprobs: Tensor, places: Places, method: Method, step: int) -> LossInputs:
    """A micro-batch's tokens, flattened in the order of its rows."""
    completions = _completions(batch)
    counts = torch.tensor([int(each.mask.sum()) for each in completions])
    own = [places[id(each)] for each in completions]
    device = logprobs.device

    def each_token(values: Sequence[Any], dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype).repeat_interleave(counts).to(device)

    def written(values: Iterable[Tensor | None]) -> Tensor:
        """(T,) of each completion to the (N,) that count."""
        return torch.cat(
            [
                torch.full((int(each.mask.sum()),), torch.nan) if value is None else value[each.mask]
                for each, value in zip(completions, values, strict=True)
            ]
        ).to(device)

    assert all(each.advantages is not None for each in completions), "the loop assigns them before the update"
    old = [each.old_logprobs for each in completions if each.old_logprobs is not None]
    ref = [each.ref_logprobs for each in completions if each.ref_logprobs is not None]
    return LossInputs(
        logprobs=logprobs,
        old_logprobs=torch.cat(old),
        ref_logprobs=torch.cat(ref) if method.needs_reference(step) else None,
        advantages=written(each.advantages for each in completions),
        weights=each_token([place.weight for place in own], torch.float32),
        shares=each_token([place.share for place in own], torch.float32),
        kl_weights=each_token([place.kl_weight for place in own], torch.float32),
        completion=each_token([place.completion for place in own], torch.int64),
        group=each_token([place.group for place in own], torch.int64),
        behaviour_logprobs=written(each.logprobs for each in completions),
        tensors={name: written(each.tensors[name] for each in completions) for name in completions[0].tensors},
    )


def _remember_old(batch: Sequence[Group], logprobs: Tensor) -> None:
    """On a batch's first update the policy is still the one that sampled: its log-probs are the old ones."""
    for completion, part in _by_completion(batch, logprobs.detach()):
        if completion.old_logprobs is None:
            completion.old_logprobs = part


def _sampler_gap(batch: Sequence[Group]) -> float:
    """Summed over tokens. It is the old log-probs' distance: in later updates the policy is no longer the sampler's."""
    return sum(
        float((completion.old_logprobs.cpu() - completion.logprobs[completion.mask]).abs().sum())
        for completion in _completions(batch)
        if completion.logprobs is not None and completion.old_logprobs is not None
    )


def _by_completion(batch: Sequence[Group], flat: Tensor) -> list[tuple[Completion, Tensor]]:
    """Each completion with its part of a (N,) tensor."""
    completions = _completions(batch)
    parts = flat.split([int(completion.mask.sum()) for completion in completions])
    return list(zip(completions, parts, strict=True))


def _completions(groups: Sequence[Group]) -> list[Completion]:
    return [completion for group in groups for completion in group.completions]
