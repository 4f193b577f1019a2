"""Rows: which token stands where, sees what, and predicts what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from mr1.models.attention import FlatRow, Span
from mr1.train.packing import Rows, flat_rows, microbatches, packed_rows, plain_rows
from mr1.types import Completion, Group, Prompt, Sample

PAD = 99


def _group(prompt_ids: list[int], completions: list[list[int]], masks: list[list[bool]] | None = None) -> Group:
    length = len(prompt_ids)
    prompt = Prompt(
        sample=Sample(id="t/0", images=(), question="", answer=""),
        text="",
        input_ids=torch.tensor(prompt_ids),
        vision={},
        position_ids=torch.arange(length)[None],
        next_position=length + 10,  # as after an image, whose positions are fewer or more than its tokens
    )
    masks = masks or [[True] * len(ids) for ids in completions]
    made = [
        Completion(torch.tensor(ids), None, "", torch.tensor(mask), "stop")
        for ids, mask in zip(completions, masks, strict=True)
    ]
    return Group(prompt, made)


def _adapter(packs: bool = True, shares: bool = False) -> Any:
    return SimpleNamespace(pad_token_id=PAD, position_axes=1, packs=packs, shares=shares)


def _mask(rows: Rows) -> torch.Tensor:
    assert isinstance(rows.mask, torch.Tensor)
    return rows.mask


def test_a_packed_row_by_hand() -> None:
    rows = packed_rows([_group([1, 2], [[3, 4], [5]])], _adapter())
    assert rows.input_ids.tolist() == [[1, 2, 3, 4, 5]]
    assert rows.position_ids.tolist() == [[[0, 1, 12, 13, 12]]]
    # The prompt's last token predicts each completion's first; the completion's tokens predict those after them.
    assert rows.source.tolist() == [1, 2, 1]
    assert rows.targets.tolist() == [3, 4, 5]
    assert _mask(rows)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_rows_are_padded_on_the_right_and_nothing_sees_padding() -> None:
    rows = packed_rows([_group([1, 2], [[3]]), _group([4], [[5], [6], [7]])], _adapter())
    assert rows.input_ids.tolist() == [[1, 2, 3, PAD], [4, 5, 6, 7]]
    assert rows.source.tolist() == [1, 4, 4, 4]
    assert not _mask(rows)[0, 0, :3, 3].any()
    assert _mask(rows)[0, 0, 3, 3]


def test_tokens_that_the_policy_did_not_write_are_seen_but_not_scored() -> None:
    rows = packed_rows([_group([1], [[2, 3, 4]], [[True, False, True]])], _adapter())
    assert rows.input_ids.tolist() == [[1, 2, 3, 4]]
    assert rows.source.tolist() == [0, 2]
    assert rows.targets.tolist() == [2, 4]


def test_plain_rows_hold_one_completion_each_in_the_same_order() -> None:
    groups = [_group([1, 2], [[3, 4], [5]]), _group([6], [[7]])]
    plain, packed = plain_rows(groups, _adapter()), packed_rows(groups, _adapter())
    assert plain.input_ids.tolist() == [[1, 2, 3, 4], [1, 2, 5, PAD], [6, 7, PAD, PAD]]
    assert _mask(plain).int().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert [prompt is groups[index].prompt for prompt, index in zip(plain.prompts, (0, 0, 1), strict=True)] == [
        True
    ] * 3
    assert plain.targets.tolist() == packed.targets.tolist() == [3, 4, 5, 7]
    assert plain.input_ids.flatten()[plain.source].tolist() == packed.input_ids.flatten()[packed.source].tolist()


def test_a_flat_row_by_hand() -> None:
    rows = flat_rows([_group([1, 2], [[3, 4], [5]]), _group([6], [[7]])])
    assert rows.input_ids.tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    assert rows.position_ids.tolist() == [[[0, 1, 12, 13, 12, 0, 11]]]
    assert rows.source.tolist() == [1, 2, 1, 5]
    assert rows.targets.tolist() == [3, 4, 5, 7]
    assert isinstance(rows.mask, FlatRow)
    assert rows.mask.spans == [Span(0, 2, (2, 1)), Span(5, 1, (1,))]


def test_microbatches_keep_order_and_budget() -> None:
    lengths = [3, 4, 9, 2, 2, 2]
    groups = [_group([1], [[2] * (length - 1)]) for length in lengths]
    batches = list(microbatches(groups, 8, _adapter()))
    assert [[1 + len(group.completions[0]) for group in batch] for batch in batches] == [[3, 4], [9], [2, 2, 2]]
    assert [group for batch in batches for group in batch] == groups
    assert list(microbatches([], 8, _adapter())) == []


def test_a_group_that_is_too_large_is_torn_apart() -> None:
    group = _group([1, 2], [[3], [4, 5], [6], [7, 8, 9, 10], [11]])
    group.advantages = torch.arange(5.0)
    for shares, together in ((True, [1, 1, 1, 2]), (False, [1, 1, 1, 1, 1])):
        batches = list(microbatches([group, _group([1], [[2]])], 5, _adapter(shares=shares)))
        assert [len(batch) for batch in batches] == together
        parts = [part for batch in batches for part in batch][:-1]
        assert [len(part.completions) for part in parts] == [2, 1, 1, 1]
        assert [each for part in parts for each in part.completions] == group.completions
        assert torch.cat([part.advantages for part in parts if part.advantages is not None]).tolist() == [0, 1, 2, 3, 4]
        assert all(part.prompt is group.prompt for part in parts)


def test_flat_rows_have_no_padding_to_count() -> None:
    groups = [_group([1], [[2] * 6]), _group([1], [[2]]), _group([1], [[2]])]
    assert [len(batch) for batch in microbatches(groups, 11, _adapter(shares=True))] == [3]
    assert [len(batch) for batch in microbatches(groups, 11, _adapter())] == [1, 2]


def test_microbatches_of_plain_rows_count_the_prompt_for_each_completion() -> None:
    groups = [_group([1, 2], [[3], [4, 5]]), _group([1], [[2], [3]]), _group([1], [[2]])]
    assert [len(batch) for batch in microbatches(groups, 15, _adapter(packs=False))] == [1, 2]
    assert [len(batch) for batch in microbatches(groups, 16, _adapter(packs=False))] == [2, 1]
    assert [len(batch) for batch in microbatches(groups, 16, _adapter())] == [3]
