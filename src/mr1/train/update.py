"""One optimiser step on a batch of groups, in micro-batches whose sizes never change the result.

Every token's share of the loss is known before the first backward (`Method.token_weights`), so a micro-batch's loss is
simply its part of a sum.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from mr1.config import Config
from mr1.methods.base import Method
from mr1.models.determinism import repeatable
from mr1.models.vlm import VLM
from mr1.rollout.shared import can_share
from mr1.train.optimizer import Optimizer, rate_factor
from mr1.train.packing import completion_rows, make_rows, microbatches, rows_size
from mr1.train.scoring import token_logprobs
from mr1.types import Completion, Group, LossInputs, Prompt


def run_ahead(policy: VLM, prompts: Sequence[Prompt], config: Config) -> None:
    """Run images and prompts once for both the rollout and the first update after it, where that is free.

    The update needs the activations of this pass for its gradient, and until then they take memory. Where it is a
    single micro-batch, it would hold all of them at once in any case, so that the most that is taken stays the same.
    """
    longest = [[config.rollout.max_new_tokens] * config.rollout.group_size] * len(prompts)
    at_once = rows_size(prompts, longest, policy.adapter) <= config.tokens_per_microbatch
    prefixes = can_share(policy)
    if at_once and not config.gradient_checkpointing and (prefixes or not policy.features_frozen):
        policy.run_ahead(prompts, prefixes)


def score_reference(reference: VLM, groups: Sequence[Group], config: Config) -> None:
    """Fill in `ref_logprobs` where they are missing: once for each batch of rollouts, however often it is used."""
    missing = [group for group in groups if any(each.ref_logprobs is None for each in group.completions)]
    for batch in microbatches(missing, config.tokens_per_microbatch, reference.adapter):
        rows = make_rows(batch, reference.adapter)
        with torch.no_grad():
            logprobs, _ = token_logprobs(reference, rows, config.rollout.temperature, entropies=False)
        for completion, part in _by_completion(batch, logprobs):
            completion.ref_logprobs = part


def update(
    policy: VLM, groups: Sequence[Group], method: Method, optimizer: Optimizer, config: Config, step: int
) -> dict[str, float | None]:
    """Forward and backward over the batch, then one optimiser step.

    Returns:
        The batch's metrics: `loss`, `kl` (None where the reference was not run), `entropy`, `grad_norm` and the
        method's own, of the policy as it is before this step; and `sampler/logprob_gap`, the mean distance between what
        the sampler and the batch's first update said of the same tokens, under the policy that sampled them.

    Raises:
        FloatingPointError: the gradient is not finite; no parameter has been changed.
    """
    beta = method.kl_weight(step)
    shares = {
        id(completion): share
        for completion, share in zip(_completions(groups), method.token_weights(groups), strict=True)
    }

    def undo() -> None:
        optimizer.zero_grad()
        policy.forget()

    sums = repeatable(lambda: _backward(policy, groups, method, config, shares, beta), undo)
    policy.forget()

    norm = optimizer.clip()
    if not math.isfinite(norm):
        raise FloatingPointError(
            f"step {step}: the gradient's norm is {norm}; a lower optimizer.learning_rate may keep it finite"
        )
    optimizer.step(rate_factor(step, config.steps, config.optimizer))
    optimizer.zero_grad()  # now, so that gradients take no memory in the rollout

    metrics: dict[str, float | None] = {"loss": sums.pop("loss"), "kl": None, "entropy": sums.pop("entropy")}
    gap = sums.pop("gap")
    if all(completion.logprobs is not None for completion in _completions(groups)):
        metrics["sampler/logprob_gap"] = gap / max(sum(int(each.mask.sum()) for each in _completions(groups)), 1)
    return metrics | dict(sums) | {"grad_norm": norm}


def _backward(
    policy: VLM, groups: Sequence[Group], method: Method, config: Config, shares: dict[int, float], beta: float
) -> dict[str, float]:
    """Add the batch's gradient up, micro-batch by micro-batch. Returns sums of metrics."""
    sums: defaultdict[str, float] = defaultdict(float)
    batches = [*microbatches(groups, config.tokens_per_microbatch, policy.adapter)]
    if len(batches) > 1:
        policy.forget()
    for batch in batches:
        with policy.training():
            prefixes = policy.known_prefixes([group.prompt for group in batch])
            rows = completion_rows(batch, prefixes) if prefixes else make_rows(batch, policy.adapter)
            logprobs, entropy = token_logprobs(policy, rows, config.rollout.temperature)
            _remember_old(batch, logprobs)
            inputs = _loss_inputs(batch, logprobs, shares, beta)
            output = method.loss(inputs)
            output.loss.backward()
        sums["loss"] += output.loss.item()
        sums["entropy"] += float((entropy * inputs.weights).sum())
        sums["gap"] += _sampler_gap(batch)
        for name, value in output.metrics.items():
            sums[name] += value.item()
    return sums


def _loss_inputs(batch: Sequence[Group], logprobs: Tensor, shares: dict[int, float], beta: float) -> LossInputs:
    """A micro-batch's tokens, flattened in the order of its rows."""
    old, ref, advantages, weights = [], [], [], []
    for group in batch:
        assert group.advantages is not None, "the loop assigns them before the update"
        for completion, advantage in zip(group.completions, group.advantages.tolist(), strict=True):
            count = int(completion.mask.sum())
            assert completion.old_logprobs is not None, "set just before"
            old.append(completion.old_logprobs)
            ref.append(completion.ref_logprobs)
            advantages.append(torch.full((count,), advantage))
            weights.append(torch.full((count,), shares[id(completion)]))
    device = logprobs.device
    known = [part for part in ref if part is not None]
    return LossInputs(
        logprobs=logprobs,
        old_logprobs=torch.cat(old),
        ref_logprobs=torch.cat(known) if beta > 0 else None,
        advantages=torch.cat(advantages).to(device),
        weights=torch.cat(weights).to(device),
        kl_weight=beta,
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
