"""Whether a server computes what the trainer computes: the same weights, the same prompt, the same pixels.

After each sync a server scores the same tokens behind the same prompt as the trainer, at temperature 1 over the whole
vocabulary. Where they differ by more than rounding explains the run stops, and says what the server seems to have: the
earlier weights whose scores these are, or the base model's, or those with the low-rank weights twice, or other pixels.
Steps may be too small to be told from rounding. A server whose scores stay the same to the last bit while the trainer's
move has missed the sync too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from mr1.errors import RolloutError
from mr1.models.lora import lora_as, lora_off
from mr1.models.vlm import VLM
from mr1.rollout.vllm.server import FaultError, Server
from mr1.rollout.vllm.wire import Asked, body, choices, common, prompt_logprobs, scored
from mr1.train.guards import ROUNDING
from mr1.train.packing import make_rows
from mr1.train.scoring import predictors
from mr1.types import Completion, Group, Prompt

TOKENS = 16
"""Tokens that are scored."""
MOVED = 1e-2
"""What the trainer's scores have moved by at least, as a share of what rounding explains, before a server whose own
have not moved at all is said to have missed a sync."""
SEED = 0


class UntrueError(RolloutError):
    """A server has other weights or sees another prompt than the trainer."""


@dataclass
class Trust:
    """What is compared, and what has been found so far."""

    vlm: VLM
    prompt: Prompt
    tokens: Tensor
    """(T,) int64."""
    own: dict[str, Tensor] = field(default_factory=dict)
    """The trainer's scores, (T,), by the weights' version."""
    theirs: dict[str, tuple[str, Tensor]] = field(default_factory=dict)
    """Each server's last scores, with their version."""

    @property
    def rounding(self) -> float:
        """Nats per token that it explains."""
        return ROUNDING[str(self.vlm.adapter.dtype).removeprefix("torch.")]

    def check(self, server: Server, theirs: Tensor, version: str) -> float:
        """The mean distance of a server's scores, (T,), from the trainer's, in nats per token.

        Raises:
            UntrueError: it has other weights, or sees something else.
        """
        if version not in self.own:
            self.own[version] = score(self.vlm, self.prompt, self.tokens)
        own = self.own[version]
        before, self.theirs[server.url] = self.theirs.get(server.url), (version, theirs)
        if before and before[0] in self.own and torch.equal(before[1], theirs):
            moved = _gap(own, self.own[before[0]])
            if moved > MOVED * self.rounding:
                raise UntrueError(
                    f"rollout.servers: the sync to {version} has changed nothing at {server}: the trainer's log-probs "
                    f"moved by {moved:.1e} nats per token, the server's not at all"
                )
        gap = _gap(own, theirs)
        if not gap <= self.rounding:
            raise UntrueError(
                f"rollout.servers: {server} is {gap:.1e} nats per token away from the trainer after the sync to "
                f"{version}, and rounding explains {self.rounding:.0e}: {self._named(server, theirs, version)}"
            )
        return gap

    def score(self, server: Server, prompt: Prompt, version: str) -> Tensor:
        """A server's scores, (T,), of the tokens behind a prompt. Raises FaultError."""
        return ask_scores(self.vlm, server, scored(prompt, self.tokens), self.tokens, version)

    def _named(self, server: Server, theirs: Tensor, version: str) -> str:
        """What the server seems to have."""
        for name, own in self.own.items():
            if name != version and _gap(theirs, own) <= self.rounding:
                return f"it still has the weights of {name}"
        if self.vlm.lora is not None:
            for times, words in ((0, "are not in it"), (2, "are in it twice")):
                if _gap(theirs, self._with_lora(times)) <= self.rounding:
                    return f"the low-rank weights {words}"
        if self.prompt.vision and not self.vlm.adapter.needs_images:
            text = without_images(self.prompt)
            own = score(self.vlm, text, self.tokens)
            if _gap(own, self.score(server, text, version)) <= self.rounding:
                return "on text alone they agree, so it sees other pixels, or its vision tower is another"
        return "is it the same model, in the same dtype (loading.dtype)?"

    def _with_lora(self, times: int) -> Tensor:
        """The trainer's scores with the low-rank products counted so often."""
        if times == 0:
            with lora_off(self.vlm) as vlm:
                return score(vlm, self.prompt, self.tokens)
        weights = {
            name: times * each.detach() for name, each in self.vlm.model.named_parameters() if ".lora_B." in name
        }
        with lora_as(self.vlm, weights) as vlm:
            return score(vlm, self.prompt, self.tokens)


def ask_scores(vlm: VLM, server: Server, asked: Asked, tokens: Tensor, version: str) -> Tensor:
    """A server's log-probs of the last tokens of what is asked, (T,) float32. Raises FaultError."""
    answer: Any = server.generate(body(vlm, asked, version))
    try:
        return prompt_logprobs(answer, tokens.tolist())
    except ValueError as error:
        raise FaultError(f"gave {error}") from None


@torch.no_grad()
def score(vlm: VLM, prompt: Prompt, tokens: Tensor) -> Tensor:
    """The trainer's log-probs of tokens behind a prompt, (T,) float32, at temperature 1 over the whole vocabulary."""
    written = Completion(tokens, None, "", torch.ones(len(tokens), dtype=torch.bool), "length")
    rows = make_rows([Group(replace(prompt, ahead=None), [written])], vlm.adapter)
    logprobs = torch.log_softmax(vlm.adapter.head()(predictors(vlm, rows)).float(), dim=-1)
    return logprobs.gather(-1, tokens.to(vlm.device)[:, None])[:, 0].cpu()


def some_tokens(vlm: VLM, server: Server, prompt: Prompt, version: str) -> Tensor:
    """Tokens that are sampled behind a prompt, (T,) int64, beyond stop tokens too. Raises FaultError.

    Likely tokens are compared because rounding is small there: a logit's largest part is their normaliser's as well.
    """
    params = common(vlm) | {"temperature": 1.0, "seed": SEED, "max_tokens": TOKENS, "stop_token_ids": []}
    answer = server.generate(body(vlm, Asked(prompt, prompt.input_ids, params), version))
    try:
        return torch.tensor(choices(answer, 1)[0].tokens)
    except ValueError as error:
        raise FaultError(f"gave {error}") from None


def without_images(prompt: Prompt) -> Prompt:
    """A prompt's last token alone, with nothing before it to be seen."""
    axes = len(prompt.position_ids)
    start = torch.zeros(axes, 1, dtype=torch.int64)
    alone: dict[str, Any] = {"position_ids": start, "next_position": 1, "features": None, "ahead": None}
    return replace(prompt, input_ids=prompt.input_ids[-1:], vision={}, **alone)


def _gap(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().mean())
