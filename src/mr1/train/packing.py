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

import torch
from torch import Tensor

from mr1.models.adapter import Adapter
from mr1.models.attention import FlatRow, Span
from mr1.types import Completion, Group, Prefix, Prompt


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
        )


@dataclass
class _Row:
    input_ids: Tensor
    position_ids: Tensor
    segments: Tensor
    """(S,) 0 for the prompt, 1, 2, ... for the completions: what the mask is made from, -1 for padding."""
    source: Tensor
    targets: Tensor


def make_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """Flat or packed where the family allows it, else plain."""
    if adapter.shares:
        return flat_rows(groups)
    return packed_rows(groups, adapter) if adapter.packs else plain_rows(groups, adapter)


def flat_rows(groups: Sequence[Group]) -> Rows:
    """One row for all groups."""
    rows = [_row(group.prompt, group.completions) for group in groups]
    starts = [0, *itertools.accumulate(len(row.input_ids) for row in rows)]
    spans = [
        Span(start, len(group.prompt), tuple(len(completion) for completion in group.completions))
        for start, group in zip(starts, groups, strict=False)
    ]
    return Rows(
        input_ids=torch.cat([row.input_ids for row in rows])[None],
        position_ids=torch.cat([row.position_ids for row in rows], dim=1)[:, None],
        mask=FlatRow(spans),
        prompts=[group.prompt for group in groups],
        source=torch.cat([row.source + start for row, start in zip(rows, starts, strict=False)]),
        targets=torch.cat([row.targets for row in rows]),
    )


def completion_rows(groups: Sequence[Group], prefixes: Sequence[Prefix]) -> Rows:
    """One row for all groups' completions, behind prompts that have been run before."""
    rows = [_row(group.prompt, group.completions) for group in groups]
    prompts = [len(group.prompt) for group in groups]
    starts = [0, *itertools.accumulate(len(row.input_ids) - size for row, size in zip(rows, prompts, strict=True))]
    source = []
    for number, (row, size, start) in enumerate(zip(rows, prompts, starts, strict=False)):
        behind = row.source - size + len(groups) + start
        source.append(torch.where(row.source < size, number, behind))
    spans = [
        Span(start, size, tuple(len(completion) for completion in group.completions))
        for start, size, group in zip(starts, prompts, groups, strict=False)
    ]
    positions = [row.position_ids[:, size:] for row, size in zip(rows, prompts, strict=True)]
    return Rows(
        input_ids=torch.cat([row.input_ids[size:] for row, size in zip(rows, prompts, strict=True)])[None],
        position_ids=torch.cat(positions, dim=1)[:, None],
        mask=FlatRow(spans, prefixes),
        prompts=[],
        source=torch.cat(source),
        targets=torch.cat([row.targets for row in rows]),
        ends=torch.stack([prefix.hidden for prefix in prefixes]),
    )


def packed_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """One row for each group."""
    rows = [_row(group.prompt, group.completions) for group in groups]
    return _pad(rows, [group.prompt for group in groups], adapter, _packed_mask)


def plain_rows(groups: Sequence[Group], adapter: Adapter) -> Rows:
    """One row for each completion."""
    pairs = [(group.prompt, completion) for group in groups for completion in group.completions]
    rows = [_row(prompt, [completion]) for prompt, completion in pairs]
    return _pad(rows, [prompt for prompt, _ in pairs], adapter, lambda segments: segments >= 0)


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
            if batch and _size([*batch, part], adapter) > tokens:
                yield batch
                batch = []
            batch.append(part)
    if batch:
        yield batch


def _parts(group: Group, tokens: int, adapter: Adapter) -> Iterator[Group]:
    """The group itself where its rows take no more than `tokens`, else its completions in as few parts as do."""
    if _size([group], adapter) <= tokens or len(group.completions) == 1:
        yield group
        return
    start = 0
    while start < len(group.completions):
        end = start + 1
        while end < len(group.completions) and _size([_part(group, start, end + 1)], adapter) <= tokens:
            end += 1
        yield _part(group, start, end)
        start = end


def _part(group: Group, start: int, end: int) -> Group:
    return Group(group.prompt, group.completions[start:end])


def _size(groups: Sequence[Group], adapter: Adapter) -> int:
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


def _row(prompt: Prompt, completions: Sequence[Completion]) -> _Row:
    """A prompt and some of its completions as one row."""
    start, axes = len(prompt), prompt.position_ids.shape[0]
    ids, positions, segments = [prompt.input_ids], [prompt.position_ids], [torch.zeros(start, dtype=torch.long)]
    source, targets = [], []
    for number, completion in enumerate(completions, start=1):
        length = len(completion)
        ids.append(completion.token_ids)
        positions.append(prompt.next_position + torch.arange(length).expand(axes, length))
        segments.append(torch.full((length,), number))
        # The prompt's last token predicts the first token of every completion, each token after that the next one.
        predictors = torch.arange(start - 1, start + length - 1)
        predictors[:1] = len(prompt) - 1
        source.append(predictors[completion.mask])
        targets.append(completion.token_ids[completion.mask])
        start += length
    return _Row(torch.cat(ids), torch.cat(positions, dim=1), torch.cat(segments), torch.cat(source), torch.cat(targets))


def _pad(rows: Sequence[_Row], prompts: list[Prompt], adapter: Adapter, mask_of: Callable[[Tensor], Tensor]) -> Rows:
    """Rows of equal length; `mask_of` makes their mask from their (B, S) segments."""
    longest = max(len(row.input_ids) for row in rows)
    input_ids = torch.full((len(rows), longest), adapter.pad_token_id)
    position_ids = torch.zeros(adapter.position_axes, len(rows), longest, dtype=torch.long)
    segments = torch.full((len(rows), longest), -1)
    for index, row in enumerate(rows):
        length = len(row.input_ids)
        input_ids[index, :length] = row.input_ids
        position_ids[:, index, :length] = row.position_ids
        segments[index, :length] = row.segments
    return Rows(
        input_ids=input_ids,
        position_ids=position_ids,
        mask=mask_of(segments),
        prompts=prompts,
        source=torch.cat([row.source + index * longest for index, row in enumerate(rows)]),
        targets=torch.cat([row.targets for row in rows]),
    )


def _packed_mask(segments: Tensor) -> Tensor:
    """(B, S) segments to a (B, 1, S, S) mask: causal, and only the prompt's tokens and those of one's own completion.

    Padding (segment -1) sees itself, so that its softmax has something to sum over; no token sees padding.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    prompt = (segments == 0)[:, None, :]
    return (causal & (same | prompt))[:, None]
