"""What a batch of groups says about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mr1.algo.advantage import alike, spread_shares
from mr1.rewards.judgements import JUDGEMENTS
from mr1.types import Group


def batch_metrics(groups: Sequence[Group], rewards: Mapping[str, float]) -> dict[str, float | int | None]:
    """Rewards, lengths and waste of a batch.

    Args:
        groups: the batch.
        rewards: the weight of each reward in the total.

    Returns:
        `reward/total` and `reward/<name>`, means over the completions that they apply to (None where there is none);
        what a teacher wrote beside the policy counts neither in these nor in `completion/*`;
        `not_finite/<name>` of a reward of one's own, the completions for which it gave NaN or infinity, or failed, and
        of a judge's, those for which it failed;
        `spread/<name>` of each reward with a weight, where several have one: the mean of its `spread_shares` over the
        groups in which at least two differ (None where there is none);
        `advantage/zero_std_fraction`, the share of groups whose completions all got the same total and teach nothing;
        `completion/length_mean` in tokens, `completion/truncated_fraction`, `completion/empty_fraction`, the share
        without a word, such as special tokens alone; `tokens`, those of the prompts, each once,
        and of the completions.
    """
    completions = [completion for group in groups for completion in group.completions]
    written = [group.completions[place] for group in groups for place in _own(group)]
    scored = [(group, group.rewards) for group in groups if group.rewards is not None and group.scores]
    metrics: dict[str, float | int | None] = {
        "reward/total": _mean([total[_own(group)] for group, total in scored]),
    }
    for name in rewards:
        metrics[f"reward/{name}"] = _mean([group.scores[name][_own(group)] for group in groups if name in group.scores])
        if ":" in name or name in JUDGEMENTS:
            metrics[f"not_finite/{name}"] = sum(
                int(group.not_finite[name].sum()) for group in groups if group.not_finite
            )
    metrics |= _spreads(groups, rewards)
    equal = [bool(alike(total)) for _, total in scored]
    metrics["advantage/zero_std_fraction"] = sum(equal) / len(equal) if equal else None
    metrics["completion/length_mean"] = sum(map(len, written)) / len(written)
    truncated = sum(completion.finish_reason == "length" for completion in written)
    metrics["completion/truncated_fraction"] = truncated / len(written)
    metrics["completion/empty_fraction"] = sum(not completion.text.strip() for completion in written) / len(written)
    metrics["tokens"] = sum(len(group.prompt) for group in groups) + sum(map(len, completions))
    return metrics


def known(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """The same metrics, None for what is not finite."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in metrics.items()}


def _spreads(groups: Sequence[Group], rewards: Mapping[str, float]) -> dict[str, float | None]:
    weights = {name: weight for name, weight in rewards.items() if weight}
    if len(weights) < 2:
        return {}
    scored = [
        torch.stack([group.scores[name] for name in weights])
        for group in groups
        if weights.keys() <= group.scores.keys()
    ]
    shares = [spread_shares(scores, torch.tensor([*weights.values()])) for scores in scored]
    return {f"spread/{name}": _mean([share[[place]] for share in shares]) for place, name in enumerate(weights)}


def _own(group: Group) -> list[int]:
    """The places of the completions that no teacher wrote; of all where a teacher wrote all."""
    places = [place for place, each in enumerate(group.completions) if each.origin != "expert"]
    return places or [*range(len(group.completions))]


def _mean(values: Sequence[Tensor]) -> float | None:
    """The mean of what is not NaN."""
    mean = torch.cat([*values]).nanmean().item() if values else math.nan
    return None if math.isnan(mean) else mean
