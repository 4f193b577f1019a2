"""What is said to a vLLM server and what it answers: tokens in, tokens out (`/inference/v1/generate`, vLLM 0.32.0)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mr1.models.vlm import VLM
from mr1.rollout.vllm.images import image_features
from mr1.tasks.base import generator
from mr1.types import Completion, FinishReason, Prompt

if TYPE_CHECKING:
    from mr1.config import Rollout
    from mr1.rollout.engine import Begun, Key

FORBIDDEN = -100.0
"""Added to the logit of a token that may not be sampled, the most that vLLM takes off: a factor of 4e-44. The logits
are divided by the temperature after that; at the highest one that is allowed 2e-9 is left."""


@dataclass(frozen=True)
class Asked:
    """Some completions of one prompt."""

    prompt: Prompt
    tokens: Tensor
    """(P,) int64: the prompt's, and those of a completion that goes on."""
    sampling: Mapping[str, Any]
    """vLLM's `SamplingParams` of this request."""
    count: int = 1


def sampled(vlm: VLM, prompt: Prompt, settings: Rollout, key: Key) -> Asked:
    """G completions of a prompt; completion i has vLLM's seed of the first plus i."""
    seed = seed_of(key, prompt)
    params = _drawn(settings) | {"n": settings.group_size, "seed": seed, "max_tokens": settings.max_new_tokens}
    return Asked(prompt, prompt.input_ids, common(vlm) | params, settings.group_size)


def likeliest(vlm: VLM, prompt: Prompt, budget: int) -> Asked:
    """The likeliest completion of a prompt."""
    return Asked(prompt, prompt.input_ids, common(vlm) | {"temperature": 0.0, "max_tokens": budget})


def going_on(vlm: VLM, begun: Begun, settings: Rollout, key: Key | None, stop: Sequence[str]) -> Asked:
    """What is added to a completion; by the likeliest tokens where there is no key."""
    there = begun.completion.token_ids
    params = common(vlm) | {"max_tokens": begun.budget}
    if stop:  # strings are looked for in the text
        params |= {"stop": [*stop], "detokenize": True}
    if key is None:
        params |= {"temperature": 0.0}
    else:
        params |= _drawn(settings) | {"seed": seed_of(key, begun.prompt, len(there)) + begun.number}
    return Asked(begun.prompt, torch.cat([begun.prompt.input_ids, there]), params)


def common(vlm: VLM) -> dict[str, Any]:
    """What all requests have: the trainer's stop tokens and forbidden tokens, and each token's log-prob."""
    forbidden = (vlm.token_bias() == -torch.inf).nonzero()[:, 0].tolist()
    return {
        "logprobs": 0,
        "ignore_eos": True,
        "stop_token_ids": vlm.stop_tokens(),
        "logit_bias": {str(token): FORBIDDEN for token in forbidden},
        "detokenize": False,
    }


def _drawn(settings: Rollout) -> dict[str, Any]:
    return {"temperature": settings.temperature, "top_p": settings.top_p}


def seed_of(key: Key, prompt: Prompt, place: int = 0) -> int:
    """Below 2^62: from the run's seed and step, the sample, and how often it has been drawn for the same step.

    Args:
        key: the run's seed and the step.
        prompt: whose sample it is.
        place: tokens of the completion that are there.
    """
    return int(generator("vllm", *key, prompt.sample.id, prompt.attempt, place).integers(2**62))


def body(vlm: VLM, asked: Asked, version: str) -> dict[str, Any]:
    """The request, whose cached keys, values and image features are those of one version of the weights."""
    said: dict[str, Any] = {
        "token_ids": asked.tokens.tolist(),
        "sampling_params": dict(asked.sampling),
        "cache_salt": version,
    }
    features = image_features(vlm, asked.prompt, version)
    return said | ({"features": features} if features else {})


@dataclass(frozen=True)
class Choice:
    """A completion as a server gives it."""

    tokens: list[int]
    logprobs: list[float]
    finish_reason: str
    stop_reason: int | str | None
    versions: frozenset[str]
    """Of the weights that wrote it."""


def choices(answer: Any, count: int) -> list[Choice]:
    """The completions of an answer, in their order.

    Raises:
        ValueError: it is no such answer, or one is missing or was cut off.
    """
    try:
        found = sorted(answer["choices"], key=lambda each: each["index"])
        made = [_choice(each) for each in found]
    except (KeyError, TypeError) as error:
        raise ValueError(f"an answer that can't be read ({type(error).__name__}: {error})") from error
    if len(made) != count:
        raise ValueError(f"{len(made)} completions, where {count} were asked for")
    for each in made:
        if each.finish_reason not in ("stop", "length") or not each.tokens:
            raise ValueError(f"a completion that was not finished ({each.finish_reason})")
        if len(each.tokens) != len(each.logprobs) or not all(map(math.isfinite, each.logprobs)):
            raise ValueError("a completion without a log-prob for each of its tokens")
    return made


def _choice(each: Mapping[str, Any]) -> Choice:
    return Choice(
        tokens=[int(token) for token in each["token_ids"]],
        logprobs=[float(token["logprob"]) for token in each["logprobs"]["content"]],
        finish_reason=each["finish_reason"],
        stop_reason=each["stop_reason"],
        versions=frozenset(span["version"] for span in each["weight_versions"] or ()),
    )


def completion(vlm: VLM, choice: Choice) -> Completion:
    """A completion as the trainer has it; with the log-probs that it was drawn with."""
    tokens = torch.tensor(choice.tokens)
    reason: FinishReason = "length" if choice.finish_reason == "length" else "stop"
    if isinstance(choice.stop_reason, str):
        reason = "string"
    return Completion(
        token_ids=tokens,
        logprobs=torch.tensor(choice.logprobs),
        text=vlm.tokenizer.decode(tokens, skip_special_tokens=True),
        mask=torch.ones(len(tokens), dtype=torch.bool),
        finish_reason=reason,
        origin="engine",
    )


def scored(prompt: Prompt, tokens: Tensor) -> Asked:
    """The log-probs of given tokens behind a prompt, at temperature 1 over the whole vocabulary."""
    params = {"max_tokens": 1, "prompt_logprobs": 0, "temperature": 0.0, "detokenize": False}
    return Asked(prompt, torch.cat([prompt.input_ids, tokens]), params)


def prompt_logprobs(answer: Any, tokens: Sequence[int]) -> Tensor:
    """The log-probs of the last tokens of what was asked for by `scored`, (T,) float32.

    Raises:
        ValueError: it is no such answer.
    """
    try:
        found = answer["prompt_logprobs"][-len(tokens) :]
        return torch.tensor([each[str(token)]["logprob"] for each, token in zip(found, tokens, strict=True)])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"an answer without log-probs ({type(error).__name__}: {error})") from error
