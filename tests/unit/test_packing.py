"""Rows: which token stands where, sees what, and predicts what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from mr1.models.sharing import FlatRow, Span
from mr1.train.packing import Rows, completion_rows, flat_rows, make_rows, microbatches, packed_rows, plain_rows
from mr1.types import Completion, Group, Prefix, Prompt, Sample

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


def _adapter(packs: bool = True, shares: bool = False, two_way: bool = False) -> Any:
    return SimpleNamespace(pad_token_id=PAD, position_axes=1, packs=packs, shares=shares, two_way=two_way)


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


def test_a_prompt_that_sees_itself_does_so_in_plain_rows_too() -> None:
    groups, adapter = [_group([1, 2], [[3, 4], [5]])], _adapter(two_way=True)
    assert _mask(packed_rows(groups, adapter))[0, 0].int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    plain = _mask(plain_rows(groups, adapter))[:, 0].int().tolist()
    assert plain[0] == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert plain[1] == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


def test_rows_are_padded_on_the_right_and_nothing_sees_padding() -> None:
    rows = packed_rows([_group([1, 2], [[3]]), _group([4], [[5], [6], [7]])], _adapter())
    assert rows.input_ids.tolist() == [[1, 2, 3, PAD], [4, 5, 6, 7]]
    assert rows.source.tolist() == [1, 4, 4, 4]
    assert not _mask(rows)[0, 0, :3, 3].any()
    assert _mask(rows)[0, 0, 3, 3]


def test_padding_is_the_familys_and_each_row_has_its_prompt() -> None:
    groups = [_group([1, 2], [[3]]), _group([4], [[5], [6], [7]])]
    rows = packed_rows(groups, _adapter())
    assert [prompt is group.prompt for prompt, group in zip(rows.prompts, groups, strict=True)] == [True, True]
    assert [prompt is group.prompt for prompt, group in zip(flat_rows(groups).prompts, groups, strict=True)] == [
        True,
        True,
    ]
    assert rows.position_ids.tolist() == [[[0, 1, 12, 0], [0, 11, 11, 11]]]
    assert rows.position_ids.dtype == rows.input_ids.dtype == torch.long
    assert _mask(rows)[0, 0, 3].tolist() == [True, True, False, True]


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


def test_completions_behind_prompts_that_have_been_run_by_hand() -> None:
    masks = [[True, False, True], [True]]
    groups = [_group([1, 2], [[3, 4, 9], [5]], masks), _group([6], [[7, 8]]), _group([1, 2, 3], [[4]])]
    prefixes = [Prefix(torch.full((2,), float(number)), []) for number in range(3)]
    rows = completion_rows(groups, prefixes)
    assert rows.input_ids.tolist() == [[3, 4, 9, 5, 7, 8, 4]]
    assert rows.position_ids.tolist() == [[[12, 13, 14, 12, 11, 12, 13]]]
    # The three prompts' last tokens come first; a token that is masked is no target, but it predicts.
    assert rows.source.tolist() == [0, 4, 0, 1, 7, 2]
    assert rows.targets.tolist() == [3, 9, 5, 7, 8, 4]
    assert rows.ends is not None
    assert rows.ends.tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    assert isinstance(rows.mask, FlatRow)
    assert rows.mask.spans == [Span(0, 2, (3, 1)), Span(4, 1, (2,)), Span(6, 3, (1,))]
    assert rows.mask.prefixes == prefixes
    assert rows.prompts == []


def test_flat_packed_and_plain_rows_of_one_group_have_the_same_tokens_and_places() -> None:
    """Several axes of positions, several groups, and masks: whatever the rows, token n has its place and its cause."""
    groups = [
        _group([1, 2], [[3, 4, 9], [5, 6]], [[True, False, True], [False, True]]),
        _group([6, 7, 8], [[1, 2]], [[True, True]]),
    ]
    for group in groups:
        group.prompt.position_ids = torch.stack([torch.arange(len(group.prompt)) * axis for axis in (1, 2, 3)])
    adapter = _adapter()
    adapter.position_axes = 3
    found = []
    for rows in (flat_rows(groups), packed_rows(groups, adapter), plain_rows(groups, adapter)):
        positions = rows.position_ids.flatten(1)[:, rows.source]
        found.append((rows.input_ids.flatten()[rows.source].tolist(), positions.tolist(), rows.targets.tolist()))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == [2, 4, 5, 8, 1]
    assert found[0][1] == [[1, 13, 12, 2, 13], [2, 13, 12, 4, 13], [3, 13, 12, 6, 13]]
    assert found[0][2] == [3, 9, 6, 1, 2]


def test_a_family_gets_the_rows_that_are_exact_for_it() -> None:
    groups = [_group([1, 2], [[3, 4], [5]])]
    flat = make_rows(groups, _adapter(shares=True))
    assert isinstance(flat.mask, FlatRow)
    assert _mask(make_rows(groups, _adapter())).shape == (1, 1, 5, 5)
    assert _mask(make_rows(groups, _adapter(packs=False))).shape == (2, 4)


def test_rows_are_moved_whole() -> None:
    groups = [_group([1, 2], [[3, 4], [5]])]
    for rows in (flat_rows(groups), packed_rows(groups, _adapter())):
        rows.ends = torch.zeros(1, 2)
        moved = rows.to(torch.device("meta"))
        for name in ("input_ids", "position_ids", "source", "targets"):
            assert getattr(moved, name).device.type == "meta"
            assert getattr(moved, name).shape == getattr(rows, name).shape
        assert moved.prompts is rows.prompts
        assert moved.ends is rows.ends
        assert moved.mask is rows.mask if isinstance(rows.mask, FlatRow) else _mask(moved).device.type == "meta"


def test_microbatches_keep_order_and_budget() -> None:
    lengths = [3, 4, 9, 2, 2, 2]
    groups = [_group([1], [[2] * (length - 1)]) for length in lengths]
    batches = list(microbatches(groups, 8, _adapter()))
    assert [[1 + len(group.completions[0]) for group in batch] for batch in batches] == [[3, 4], [9], [2, 2, 2]]
    assert [group for batch in batches for group in batch] == groups
    assert list(microbatches([], 8, _adapter())) == []


def test_a_group_that_is_too_large_is_torn_apart() -> None:
    group = _group([1, 2], [[3], [4, 5], [6], [7, 8, 9, 10], [11]])
    for shares, together in ((True, [1, 1, 1, 2]), (False, [1, 1, 1, 1, 1])):
        batches = list(microbatches([group, _group([1], [[2]])], 5, _adapter(shares=shares)))
        assert [len(batch) for batch in batches] == together
        parts = [part for batch in batches for part in batch][:-1]
        assert [len(part.completions) for part in parts] == [2, 1, 1, 1]
        assert [each for part in parts for each in part.completions] == group.completions
        assert all(part.prompt is group.prompt for part in parts)


def test_two_completions_that_are_too_large_together_come_apart() -> None:
    batches = list(microbatches([_group([1], [[2] * 4, [3] * 4])], 5, _adapter()))
    assert [[len(part.completions) for part in batch] for batch in batches] == [[1], [1]]


def test_an_indivisible_group_is_never_torn() -> None:
    large, small = _group([1, 2], [[3], [4, 5], [6], [7, 8, 9, 10], [11]]), _group([1], [[2]])
    batches = list(microbatches([large, small, small], 5, _adapter(), indivisible=True))
    assert batches == [[large], [small, small]]


def test_flat_rows_have_no_padding_to_count() -> None:
    groups = [_group([1], [[2] * 6]), _group([1], [[2]]), _group([1], [[2]])]
    assert [len(batch) for batch in microbatches(groups, 11, _adapter(shares=True))] == [3]
    assert [len(batch) for batch in microbatches(groups, 11, _adapter())] == [1, 2]


def test_microbatches_of_plain_rows_count_the_prompt_for_each_completion() -> None:
    groups = [_group([1, 2], [[3], [4, 5]]), _group([1], [[2], [3]]), _group([1], [[2]])]
    assert [len(batch) for batch in microbatches(groups, 15, _adapter(packs=False))] == [1, 2]
    assert [len(batch) for batch in microbatches(groups, 16, _adapter(packs=False))] == [2, 1]
    assert [len(batch) for batch in microbatches(groups, 16, _adapter())] == [3]
