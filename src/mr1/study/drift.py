"""How far a run has carried its model: the exact KL of what it is now from what it began with.

The `kl` of a run's metrics is an estimate from one token at each place, on training samples, and method sft has none.
This measures all methods alike, once a run is done: the policy writes one completion to each of the same held-out
prompts, and at each of its tokens both models' whole distributions are compared. Temperature is 1, and samples, prompts
and random numbers are the same for every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mr1.algo.distribution import exact_entropy, exact_kl
from mr1.config import Config
from mr1.data.prompts import fresh_prompt, rows_of, usable_prompt
from mr1.data.unusable import LeftOut
from mr1.errors import UserError
from mr1.evaluate.evaluate import available
from mr1.models.fingerprint import weights_fingerprint
from mr1.models.loading import load_vlm
from mr1.models.lora import merge_lora
from mr1.models.policy import prompt_limit
from mr1.models.vlm import VLM
from mr1.rollout.engine import Begun, nothing
from mr1.rollout.local import LocalEngine
from mr1.tasks import load_task
from mr1.train.checkpoint import Checkpoints
from mr1.train.evaluations import protocol
from mr1.train.packing import Rows, make_rows, microbatches
from mr1.train.scoring import predictors
from mr1.types import Group, Prompt

SAMPLES = 128
SEED = 0
"""Of the sampling, in all runs."""
CHUNK = 512
"""Tokens whose distributions exist at once, under both models."""


@dataclass(frozen=True)
class Drift:
    """How far a policy is from its beginning on one task; means over all tokens of its completions."""

    kl: float
    """KL(policy || beginning) in nats per token."""
    entropy: float
    """Of the policy, in nats per token."""
    tokens: int
    samples: int
    """Prompts, with one completion each."""


def measure_drift(folder: Path, config: Config, samples: int = SAMPLES) -> dict[str, Drift]:
    """The drift of a finished run's last checkpoint on each task that it evaluates.

    Both models are in memory at once.

    Args:
        folder: the run's, with its checkpoint.
        config: the run's settings.
        samples: prompts of each task, the first ones of its validation split, or of its test split where the run
            measured no other; all where there are fewer. 0 for no measurement.

    Returns:
        By task; empty where nothing was asked for or the run has no evaluation.

    Raises:
        UserError: no whole checkpoint; the model that the run began with can't be loaded or has changed.
    """
    if not samples or not config.measured_splits:
        return {}
    checkpoint = Checkpoints(folder / "checkpoints", config.checkpoint.keep).latest()
    policy = load_vlm(str(checkpoint.path), config.loading)
    policy.max_prompt_tokens = prompt_limit(policy.model.config, config)
    beginning = _beginning(config, checkpoint.state["origin"])
    split = "validation" if "validation" in config.measured_splits else "test"
    found = {}
    for task in config.evaluation.tasks:
        prompts = _prompts(policy, config, task, split, samples)
        found[task] = drift(beginning, write(policy, prompts, config), policy, config.tokens_per_microbatch)
    return found


def write(policy: VLM, prompts: Iterable[Prompt], config: Config) -> list[Group]:
    """One completion to each prompt, sampled at temperature 1 from all tokens, as long as the run's may be."""
    settings = config.rollout.model_copy(update={"temperature": 1.0, "top_p": 1.0})
    begun = [Begun(prompt, nothing(), number=0, budget=settings.max_new_tokens) for prompt in prompts]
    completions = LocalEngine(policy).extend(begun, settings, key=(SEED, 0))
    return [Group(each.prompt, [completion]) for each, completion in zip(begun, completions, strict=True)]


@torch.no_grad()
def drift(beginning: VLM, groups: Sequence[Group], policy: VLM, tokens: int) -> Drift:
    """Both models' distributions at each token of what the policy wrote.

    Args:
        beginning: the model that the policy was.
        groups: prompts with the policy's completions.
        policy: the model that it is.
        tokens: that pass through a model at once.
    """
    divergence, entropy, count = 0.0, 0.0, 0
    for batch in microbatches(groups, tokens, policy.adapter):
        rows = make_rows(batch, policy.adapter)
        for now, then in zip(_distributions(policy, rows), _distributions(beginning, rows), strict=True):
            divergence += float(exact_kl(now, then).double().sum())
            entropy += float(exact_entropy(now).double().sum())
            count += len(now)
    return Drift(max(0.0, divergence / count), entropy / count, count, len(groups))


def _distributions(vlm: VLM, rows: Rows) -> Iterator[Tensor]:
    """(CHUNK, V) log-probs of what may follow at each of the rows' places, chunk by chunk."""
    hidden, bias, head = predictors(vlm, rows), vlm.token_bias(), vlm.adapter.head()
    for part in hidden.split(CHUNK):
        yield torch.log_softmax(head(part).float() + bias, dim=-1)


def _beginning(config: Config, origin: Mapping[str, Any]) -> VLM:
    """The model that a run began with, by what its checkpoint says of it."""
    loading = config.loading.model_copy(update={"revision": origin["commit"] or config.loading.revision})
    beginning = merge_lora(load_vlm(config.model, loading))
    if weights_fingerprint(beginning) != origin["weights"]:
        raise UserError(
            f"model: the weights of {config.model} have changed since run {config.name} was started, whose KL is "
            "measured against them; bring them back as they were, or run it again"
        )
    return beginning


def _prompts(vlm: VLM, config: Config, name: str, split: str, samples: int) -> Iterator[Prompt]:
    """A task's first held-out prompts; rows that can't be used are left out."""
    task, left_out = load_task(name, config.sources), LeftOut(config.data.max_unusable)
    for number in range(available(task, split, samples)):
        template = protocol(config).prompt
        found = usable_prompt(partial(fresh_prompt, vlm), task, split, 0, number, template, left_out)
        if isinstance(found, Prompt):
            yield found
        else:
            left_out.add(found, rows_of(task, split, number + 1))
