"""The in-process engine: the policy itself writes the completions.

A prompt is prefilled and its image encoded once for each group; the completions are decoded side by side. Those that
have ended leave the batch once they are half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor

from mr1.models.layers import OneDNNLinear, blocked_weights
from mr1.models.routing import Routing
from mr1.models.vlm import VLM
from mr1.rollout.engine import Begun, Key, joined
from mr1.rollout.repeated import RepeatedPrompts
from mr1.rollout.sampling import greedy_tokens, sample_tokens, uniform_numbers
from mr1.rollout.shared import SharedPrompts, can_share
from mr1.types import Completion, FinishReason, Group, Prompt, Routes

if TYPE_CHECKING:
    from mr1.config import Rollout

Choose = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""(R, V) logits, (R,) numbers of their completions in the batch, the token's place -> (R,) tokens, (R,) log-probs."""
IsFree = Callable[[Sequence[Prompt]], bool]
"""Whether running these prompts ahead of the rollout takes no more memory than the update does in any case."""


T = TypeVar("T", bound=Prompt | Begun)


class Decoder(Protocol):
    """Runs the model on R rows, one for each completion, and keeps what it has seen."""

    place: int
    """Tokens of each row that have been run, beside its prompt."""
    routing: Routing | None
    """Set, it has the choices of experts in the last forward, (R, L, k)."""
    prompt_routes: list[Tensor]
    """Then each prompt's, (P, L, k), once they have been run."""
    layers: list[OneDNNLinear]
    """Layers that each token passes, and whose weights are still to be laid out for it."""

    def prefill(self) -> Tensor:
        """Run the prompts. Returns each row's last hidden state, (R, H)."""

    def step(self, tokens: Tensor) -> Tensor:
        """Run one more token of each row, (R,). Returns (R, H)."""

    def shrink(self, active: Tensor) -> Tensor | None:
        """Leave out rows, where that pays, once half of them are no longer active, (R,) bool.

        Returns:
            The numbers of the rows that are kept, ascending, some of which may have ended; None where all are.
        """


class _Written:
    """What has been written so far to N completions, each with room for its own budget of tokens."""

    def __init__(self, budgets: Sequence[int], device: torch.device) -> None:
        count, longest = len(budgets), max(budgets)
        self.tokens = torch.zeros(count, longest, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(count, longest, device=device)
        self.lengths = torch.tensor(budgets, device=device)
        self.routes: Tensor | None = None
        """(N, T, L, k), where they are noted; -1 for tokens that have not been run."""
        self.ended: dict[FinishReason, Tensor] = {
            reason: torch.zeros(count, dtype=torch.bool, device=device) for reason in ("stop", "string")
        }
        """(N,) bool: those that did not just use up their budgets."""

    def append(self, place: int, rows: Tensor, tokens: Tensor, logprobs: Tensor) -> None:
        """Write one token of each of these rows; where one has ended it does not count."""
        self.tokens[rows, place] = tokens
        self.logprobs[rows, place] = logprobs

    def route(self, place: int, rows: Tensor, choices: Tensor) -> None:
        """Note the experts, (R, L, k), that one token of each of these rows went to."""
        if self.routes is None:
            self.routes = choices.new_full((*self.tokens.shape, *choices.shape[1:]), -1)
        self.routes[rows, place] = choices

    def end(self, place: int, rows: Tensor, here: Tensor, reason: FinishReason) -> None:
        """End rows with the token of this place, where `here`, (R,) bool, and where they had not ended before."""
        now = here & (self.lengths[rows] > place)
        self.ended[reason][rows] |= now
        self.lengths[rows] = torch.where(now, place + 1, self.lengths[rows])

    def active(self, place: int, rows: Tensor) -> Tensor:
        """(R,) bool: which of the rows go on behind this place."""
        return self.lengths[rows] > place + 1


class _Strings:
    """Strings that end a completion."""

    def __init__(self, strings: Sequence[str], tokenizer: Any) -> None:
        self.strings, self.tokenizer = strings, tokenizer
        # A token that is written is at least a byte; one more, because some tokenizers leave out a blank in front.
        self.reach = max(len(string.encode()) for string in strings) + 1

    def end_at(self, place: int, tokens: Tensor) -> Tensor:
        """Whether the token of a place completes one of them. (R, T) tokens to (R,) bool."""
        latest = tokens[:, max(0, place + 1 - self.reach) : place + 1].cpu()
        texts = self.tokenizer.batch_decode(latest, skip_special_tokens=True)
        return torch.tensor([any(string in text for string in self.strings) for text in texts], device=tokens.device)


class LocalEngine:
    """Samples from a model that lives in this process. See `engine.Engine`."""

    def __init__(self, vlm: VLM, ahead_is_free: IsFree = lambda _: False) -> None:
        self.vlm, self.ahead_is_free = vlm, ahead_is_free

    def prepare(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Run images and prompts once for both the rollout and the first update behind it, where that is free."""
        prefixes = can_share(self.vlm)
        if self.ahead_is_free(prompts) and (prefixes or not self.vlm.features_frozen):
            return self.vlm.run_ahead(prompts, prefixes)
        return list(prompts)

    def sample(self, prompts: Sequence[Prompt], settings: Rollout, key: Key) -> list[Group]:
        size, length = settings.group_size, settings.max_new_tokens
        groups = []
        for batch in self._batches(prompts, max(1, settings.batch_size // size)):
            numbers = [
                uniform_numbers(key, prompt.sample.id, number, length, prompt.attempt)
                for prompt in batch
                for number in range(size)
            ]
            budgets = [length] * len(numbers)
            routed = self.vlm.adapter.routes and settings.routing != "free"
            completions = self._complete(batch, size, budgets, self._draw(numbers, settings), routed=routed)
            groups += [Group(prompt, completions[i * size : (i + 1) * size]) for i, prompt in enumerate(batch)]
        return groups

    def greedy(self, prompts: Sequence[Prompt], max_new_tokens: int, batch_size: int = 128) -> list[Completion]:
        return [
            completion
            for batch in self._batches(prompts, batch_size)
            for completion in self._complete(batch, 1, [max_new_tokens] * len(batch), _likeliest)
        ]

    def extend(
        self, begun: Sequence[Begun], settings: Rollout, key: Key | None, stop: Sequence[str] = ()
    ) -> list[Completion]:
        return [
            completion
            for batch in self._batches(begun, settings.batch_size)
            for completion in self._extend(batch, settings, key, stop)
        ]

    def sync(self, policy: VLM) -> None:
        """Nothing: the policy's weights are the ones that are sampled from."""
        assert policy is self.vlm, "an engine of another model"

    def metrics(self) -> dict[str, float]:
        return {}

    def _batches(self, items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        """Neighbours that are decoded side by side; of one length each where the family's rows can't be padded."""
        alike = [items] if self.vlm.adapter.pads else [[*same] for _, same in groupby(items, key=_length)]
        for part in alike:
            for start in range(0, len(part), size):
                yield part[start : start + size]

    def _extend(
        self, begun: Sequence[Begun], settings: Rollout, key: Key | None, stop: Sequence[str]
    ) -> list[Completion]:
        """What is there is run as a part of the prompt."""
        with torch.no_grad():
            features = self.vlm.features([each.prompt for each in begun])
        prompts = [
            replace(_with_tokens(each.prompt, each.completion.token_ids), features=made)
            for each, made in zip(begun, features, strict=True)
        ]
        budgets = [each.budget for each in begun]
        choose: Choose = _likeliest
        if key is not None:
            numbers = []
            for each in begun:
                there, length = len(each.completion), len(each.completion) + max(budgets)
                numbers.append(
                    uniform_numbers(key, each.prompt.sample.id, each.number, length, each.prompt.attempt)[there:]
                )
            choose = self._draw(numbers, settings)
        added = self._complete(prompts, 1, budgets, choose, _Strings(stop, self.vlm.tokenizer) if stop else None)
        return [joined(each.completion, new, self.vlm.tokenizer) for each, new in zip(begun, added, strict=True)]

    def _draw(self, numbers: Sequence[Tensor], settings: Rollout) -> Choose:
        """Sample by each completion's random numbers, one for each place."""
        uniform = torch.stack([*numbers]).to(self.vlm.device)

        def choose(logits: Tensor, rows: Tensor, place: int) -> tuple[Tensor, Tensor]:
            return sample_tokens(logits, uniform[rows, place], settings.temperature, settings.top_p)

        return choose

    def _complete(
        self,
        prompts: Sequence[Prompt],
        copies: int,
        budgets: Sequence[int],
        choose: Choose,
        strings: _Strings | None = None,
        routed: bool = False,
    ) -> list[Completion]:
        """`copies` completions of each prompt, in the prompts' order, with a budget of tokens for each."""
        decoder = self.decoder(prompts, copies, max(budgets))
        decoder.routing = Routing() if routed else None
        with torch.no_grad():
            hidden = decoder.prefill()
        written = _Written(budgets, self.vlm.device)
        rows = torch.arange(len(budgets), device=self.vlm.device)
        bias, head = self.vlm.token_bias(), self.vlm.adapter.head()
        stops = torch.zeros_like(bias, dtype=torch.bool)
        stops[[token for token in self.vlm.stop_tokens() if 0 <= token < len(stops)]] = True

        # Of what is made in inference mode nothing may stay that a gradient is taken of, such as image features.
        with blocked_weights(decoder.layers), torch.inference_mode():
            for place in range(max(budgets)):
                tokens, logprobs = choose(head(hidden).float() + bias, rows, place)
                written.append(place, rows, tokens, logprobs)
                written.end(place, rows, stops[tokens], "stop")
                if strings:
                    written.end(place, rows, strings.end_at(place, written.tokens[rows]), "string")
                active = written.active(place, rows)
                left = int(active.sum())
                if left == 0:
                    break
                if 2 * left <= len(rows) and (kept := decoder.shrink(active)) is not None:
                    rows, tokens = rows[kept], tokens[kept]
                hidden = decoder.step(tokens)
                if decoder.routing is not None:
                    written.route(place, rows, decoder.routing.made())
        return self._completions(written, [routes for routes in decoder.prompt_routes for _ in range(copies)])

    def decoder(self, prompts: Sequence[Prompt], copies: int, length: int) -> Decoder:
        """What runs the model: by shared prompts where that is exact."""
        return (SharedPrompts if can_share(self.vlm) else RepeatedPrompts)(self.vlm, prompts, copies, length)

    def _completions(self, written: _Written, prompt_routes: Sequence[Tensor]) -> list[Completion]:
        lengths = written.lengths.tolist()
        tokens = [row[:size].clone() for row, size in zip(written.tokens.cpu(), lengths, strict=True)]
        logprobs = [row[:size].clone() for row, size in zip(written.logprobs.cpu(), lengths, strict=True)]
        routes = _routes(written, prompt_routes)
        texts = self.vlm.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        reasons: list[FinishReason] = ["length"] * len(lengths)
        for reason, ended in written.ended.items():
            for row in ended.nonzero()[:, 0].tolist():
                reasons[row] = reason
        return [
            Completion(
                token_ids=tokens[row],
                logprobs=logprobs[row],
                text=texts[row],
                mask=torch.ones(size, dtype=torch.bool),
                finish_reason=reasons[row],
                routes=routes[row],
            )
            for row, size in enumerate(lengths)
        ]


def _routes(written: _Written, of_prompts: Sequence[Tensor]) -> list[Routes | None]:
    """Each completion's."""
    lengths = written.lengths.tolist()
    if not of_prompts:
        return [None] * len(lengths)
    unknown = of_prompts[0].new_full((*written.tokens.shape, *of_prompts[0].shape[1:]), -1)
    own = unknown if written.routes is None else written.routes.cpu()  # a completion of one token has not been run
    return [Routes(prompt, row[:size].clone()) for prompt, row, size in zip(of_prompts, own, lengths, strict=True)]


def _likeliest(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return greedy_tokens(logits)


def _with_tokens(prompt: Prompt, tokens: Tensor) -> Prompt:
    """A prompt with a completion's first tokens, (T,), as its last ones."""
    axes, more = len(prompt.position_ids), len(tokens)
    positions = prompt.next_position + torch.arange(more).expand(axes, more)
    return replace(
        prompt,
        input_ids=torch.cat([prompt.input_ids, tokens]),
        position_ids=torch.cat([prompt.position_ids, positions], dim=1),
        next_position=prompt.next_position + more,
        ahead=None,
    )


def _length(item: Prompt | Begun) -> int:
    """Tokens that are there."""
    return len(item) if isinstance(item, Prompt) else len(item.prompt) + len(item.completion)
