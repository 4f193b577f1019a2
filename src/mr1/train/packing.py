"""Rows for the model's forward, made from groups.

Flat: one row holds all groups without padding, each prompt once and its completions behind it. A completion's tokens
see the prompt and their own completion; their positions go on where the prompt's ended. That is exact, and the prompt
with its image is computed once instead of G times.

Packed: the same with a row for each group and a mask over it. Families go this way in which a token does not simply see
all that came before: where a layer looks back no farther than a window, or an image's tokens see each other.

Plain: a row holds the prompt and one completion, as in any other trainer, under the model's own mask. It is slower, and
the reference for the others: all yield the same log-probs in the same order. Families that are not known to be packed
exactly go this way; their images are encoded once for each group all the same.

Where the prompts have been run before by the same weights, and what they left is still there, flat rows hold the
completions alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mr1.models.adapter import Adapter
from mr1.models.sharing import FlatRow, Span
from mr1.types import Completion, Group, Prefix, Prompt, Routes


@dataclass
class Rows:
    """B rows of S tokens, and where in them the N tokens are that count. Tokens come in the order of the groups."""

    input_ids: Tensor
    """(B, S) int64."""
    position_ids: Tensor
    """(A, B, S) int64."""
    mask: Tensor | FlatRow
    """Flat: who attends to whom.
    Packed: (B, 1, S, S) bool, True where the token of the third axis sees that of the fourth.
    Plain: (B, S) bool, True for what is no padding; the model makes its own mask of it."""
    prompts: list[Prompt]
    """(B,): whose images each row's placeholders stand for."""
    source: Tensor
    """(N,) int64 into the B * S flattened tokens: whose hidden state predicts token n."""
    targets: Tensor
    """(N,) int64: token n."""
    ends: Tensor | None = None
    """(E, H) hidden states of prompts that have been run before; they come before the B * S tokens' own."""
    routes: Tensor | None = None
    """(B * S, L, k) int16: the experts that each token went to as it was sampled; -1 where unknown, None where nothing
    was recorded."""

    def to(self, device: torch.device) -> Rows:
        """The same rows on another device."""
        return Rows(
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            mask=self.mask.to(device) if isinstance(self.mask, Tensor) else self.mask,
            prompts=self.prompts,
            source=self.source.to(device),
            targets=self.targets.to(device),
            ends=self.ends,
            routes=self.routes if self.routes is None else self.routes.to(device),
        )


PROMPT_END = -1
"""In `_Behind.source`: the prompt's last token, which predicts the first one of every completion."""


@dataclass
class _Behind:
    """Some of a prompt's completions, one after another, as they stand behind it: C tokens, N of which count."""

    prompt: Prompt
    lengths: tuple[int, ...]
    """Tokens of each completion."""
    input_ids: Tensor
    """(C,) int64."""
    position_ids: Tensor
    """(A, C) int64."""
    segments: Tensor
    """(C,) 1, 2, ...: the number of the completion that each token is of."""
    source: Tensor
    """(N,) int64: which of the C tokens predicts token n, or PROMPT_END."""
    targets: Tensor
    """(N,) int64: token n."""
    routes: Routes | None
    """The completions', one behind the other; None where one of them has none."""

    def sources(self, end: int, first: int) -> Tensor:
        """(N,) places in a row where the prompt's last token is at `end` and the completions begin at `first`."""
        return torch.where(self.source == PROMPT_END, end, first + self.source)


def make_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """Flat or packed where the family allows it, else plain."""
    if adapter.shares:
        return flat_rows(groups)
    return packed_rows(groups, adapter) if adapter.packs else plain_rows(groups, adapter)


def flat_rows(groups: Sequence[Group]) -> Rows:
    """One row for all groups: a prompt, its completions, the next prompt, its completions."""
    parts = [_behind(group.prompt, group.completions) for group in groups]
    input_ids, position_ids, spans, source = [], [], [], []
    start = 0
    for part in parts:
        first = start + len(part.prompt)
        input_ids += [part.prompt.input_ids, part.input_ids]
        position_ids += [part.prompt.position_ids, part.position_ids]
        spans.append(Span(start, len(part.prompt), part.lengths))
        source.append(part.sources(end=first - 1, first=first))
        start = first + len(part.input_ids)
    return Rows(
        input_ids=torch.cat(input_ids)[None],
        position_ids=torch.cat(position_ids, dim=1)[:, None],
        mask=FlatRow(spans),
        prompts=[part.prompt for part in parts],
        source=torch.cat(source),
        targets=torch.cat([part.targets for part in parts]),
        routes=_placed_routes(parts),
    )


def completion_rows(groups: Sequence[Group], prefixes: Sequence[Prefix]) -> Rows:
    """One row for all groups' completions; of the prompts, run before, the last states stand in front."""
    parts = [_behind(group.prompt, group.completions) for group in groups]
    spans, source = [], []
    start = 0
    for number, part in enumerate(parts):
        spans.append(Span(start, len(part.prompt), part.lengths))
        source.append(part.sources(end=number, first=len(parts) + start))
        start += len(part.input_ids)
    return Rows(
        input_ids=torch.cat([part.input_ids for part in parts])[None],
        position_ids=torch.cat([part.position_ids for part in parts], dim=1)[:, None],
        mask=FlatRow(spans, prefixes),
        prompts=[],
        source=torch.cat(source),
        targets=torch.cat([part.targets for part in parts]),
        ends=torch.stack([prefix.hidden for prefix in prefixes]),
    )


def packed_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """One row for each group."""
    parts = [_behind(group.prompt, group.completions) for group in groups]
    return _padded(parts, adapter, partial(_packed_mask, two_way=adapter.two_way))


def plain_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """One row for each completion."""
    parts = [_behind(group.prompt, [completion]) for group in groups for completion in group.completions]
    # Of a row alone the model can't tell where a prompt that sees itself ends.
    mask_of = partial(_packed_mask, two_way=True) if adapter.two_way else lambda segments: segments >= 0
    return _padded(parts, adapter, mask_of)


def microbatches(
    groups: Sequence[Group], tokens: int, adapter: Adapter, indivisible: bool = False
) -> Iterator[list[Group]]:
    """Split groups, in their order, so that no micro-batch's rows take more than `tokens` with their padding.

    A group that alone takes more is torn apart: its prompt is then computed once for each part of its completions. A
    completion that takes more with its prompt comes alone; so does a group that is `indivisible`.

    Args:
        groups: any number.
        tokens: the limit.
        adapter: of the model that the rows are for.
        indivisible: whether groups stay whole in any case.
    """
    batch: list[Group] = []
    for group in groups:
        for part in [group] if indivisible else _parts(group, tokens, adapter):
            if batch and tokens_of([*batch, part], adapter) > tokens:
                yield batch
                batch = []
            batch.append(part)
    if batch:
        yield batch


def _parts(group: Group, tokens: int, adapter: Adapter) -> Iterator[Group]:
    """The group itself where its rows take no more than `tokens`, else its completions in as few parts as do."""
    if tokens_of([group], adapter) <= tokens or len(group.completions) == 1:
        yield group
        return
    start = 0
    while start < len(group.completions):
        end = start + 1
        while end < len(group.completions) and tokens_of([_part(group, start, end + 1)], adapter) <= tokens:
            end += 1
        yield _part(group, start, end)
        start = end


def _part(group: Group, start: int, end: int) -> Group:
    return Group(group.prompt, group.completions[start:end])


def tokens_of(groups: Sequence[Group], adapter: Adapter) -> int:
    """Tokens, with padding, of the rows that `make_rows` would make."""
    completions = [[len(completion) for completion in group.completions] for group in groups]
    return rows_size([group.prompt for group in groups], completions, adapter)


def rows_size(prompts: Sequence[Prompt], completions: Sequence[Sequence[int]], adapter: Adapter) -> int:
    """Tokens, with padding, of the rows that `make_rows` would make of prompts and completions of these lengths."""
    if not adapter.packs:
        rows = sum(map(len, completions))
        return rows * max(len(prompt) + max(lengths) for prompt, lengths in zip(prompts, completions, strict=True))
    sizes = [len(prompt) + sum(lengths) for prompt, lengths in zip(prompts, completions, strict=True)]
    return sum(sizes) if adapter.shares else len(sizes) * max(sizes)


def _behind(prompt: Prompt, completions: Sequence[Completion]) -> _Behind:
    """Lay completions out behind their prompt. Each one's positions go on where the prompt's ended."""
    lengths = tuple(map(len, completions))
    axes, starts = len(prompt.position_ids), [0, *itertools.accumulate(lengths)]
    source = []
    for start, completion in zip(starts, completions, strict=False):
        predictors = torch.arange(start - 1, start - 1 + len(completion))  # each token by the one before it
        predictors[:1] = PROMPT_END
        source.append(predictors[completion.mask])
    return _Behind(
        prompt=prompt,
        lengths=lengths,
        input_ids=torch.cat([completion.token_ids for completion in completions]),
        position_ids=torch.cat(
            [prompt.next_position + torch.arange(length).expand(axes, length) for length in lengths], dim=1
        ),
        segments=torch.cat([torch.full((length,), number) for number, length in enumerate(lengths, start=1)]),
        source=torch.cat(source),
        targets=torch.cat([completion.token_ids[completion.mask] for completion in completions]),
        routes=_routes([completion.routes for completion in completions]),
    )


def _routes(of_each: Sequence[Routes | None]) -> Routes | None:
    """Of a prompt's completions, one behind the other; None where one of them has none."""
    known = [routes for routes in of_each if routes is not None]
    if not known or len(known) < len(of_each):
        return None
    return Routes(known[0].prompt, torch.cat([routes.own for routes in known]))


def _placed_routes(parts: Sequence[_Behind], longest: int | None = None) -> Tensor | None:
    """Of all the rows' tokens, by rows of their own of this length, or else one behind the other."""
    if (some := next((part.routes for part in parts if part.routes is not None), None)) is None:
        return None
    placed = []
    for part in parts:
        size = len(part.prompt) + len(part.input_ids)
        row = some.own.new_full((longest or size, *some.own.shape[1:]), -1)
        if part.routes is not None:
            row[:size] = torch.cat([part.routes.prompt, part.routes.own])
        placed.append(row)
    return torch.cat(placed)


def _padded(parts: Sequence[_Behind], adapter: Adapter, mask_of: Callable[[Tensor], Tensor]) -> Rows:
    """A row for each prompt with what is behind it, of equal length.

    `mask_of` makes the mask from (B, S) segments: 0 for a prompt, the completions' numbers, -1 for padding.
    """
    longest = max(len(part.prompt) + len(part.input_ids) for part in parts)
    input_ids = torch.full((len(parts), longest), adapter.pad_token_id)
    position_ids = torch.zeros(adapter.position_axes, len(parts), longest, dtype=torch.long)
    segments = torch.full((len(parts), longest), -1)
    source = []
    for row, part in enumerate(parts):
        first, end = len(part.prompt), len(part.prompt) + len(part.input_ids)
        input_ids[row, :end] = torch.cat([part.prompt.input_ids, part.input_ids])
        position_ids[:, row, :end] = torch.cat([part.prompt.position_ids, part.position_ids], dim=1)
        segments[row, :first], segments[row, first:end] = 0, part.segments
        source.append(part.sources(end=row * longest + first - 1, first=row * longest + first))
    return Rows(
        input_ids=input_ids,
        position_ids=position_ids,
        mask=mask_of(segments),
        prompts=[part.prompt for part in parts],
        source=torch.cat(source),
        targets=torch.cat([part.targets for part in parts]),
        routes=_placed_routes(parts, longest),
    )


def _packed_mask(segments: Tensor, two_way: bool) -> Tensor:
    """(B, S) segments to a (B, 1, S, S) mask: causal, and only the prompt's tokens and those of one's own completion.

    Where a prompt is `two_way`, its tokens see all of it.
    Padding (segment -1) sees itself, so that its softmax has something to sum over; no token sees padding.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    prompt = (segments == 0)[:, None, :]
    seen = causal & (same | prompt)
    return (seen | (prompt & prompt.mT) if two_way else seen)[:, None]
