"""How a batch is divided among processes, and how their micro-batches are made to keep step."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mr1.config import Config
from mr1.errors import RankError, ToldError, UserError
from mr1.parallel import ranks, shares
from mr1.parallel.rounds import Round, rounds
from mr1.parallel.shares import divide
from mr1.types import Completion, Group, Prompt, Sample

COSTS = st.lists(st.integers(1, 5000), max_size=40)


def _group(tokens: int, completions: list[int], image: bool = False) -> Group:
    prompt = Prompt(
        sample=Sample(id="t/0", images=(), question="", answer=""),
        text="",
        input_ids=torch.zeros(tokens, dtype=torch.long),
        vision={"pixel_values": torch.zeros(1)} if image else {},
        position_ids=torch.arange(tokens)[None],
        next_position=tokens,
    )
    made = [
        Completion(torch.zeros(size).long(), None, "", torch.ones(size, dtype=torch.bool), "stop")
        for size in completions
    ]
    return Group(prompt, made)


@given(COSTS, st.integers(1, 9))
def test_each_item_is_one_processes_and_none_has_much_more_than_another(costs: list[int], count: int) -> None:
    parts = divide(costs, count)
    assert sorted(item for part in parts for item in part) == [*range(len(costs))]
    sums = [sum(costs[item] for item in part) for part in parts]
    # Whoever has the most got its last item when it had the least.
    assert max(sums) - min(sums) <= max(costs, default=0)


def test_the_dearest_go_first_by_hand() -> None:
    assert divide([3, 9, 4, 5, 3], 2) == [[0, 1], [2, 3, 4]]  # 9 | 5, 4 | then 3 to 9 and 9: 12 | 9, 3: 12 | 12


@pytest.mark.parametrize("indivisible", [False, True])
def test_fewer_groups_than_processes_are_torn_where_they_may_be(
    monkeypatch: pytest.MonkeyPatch, indivisible: bool
) -> None:
    adapter: Any = SimpleNamespace(packs=True, shares=True, way="flat")
    groups, taken = [_group(10, [5, 6, 7, 8])], list[list[Group]]()
    monkeypatch.setattr(ranks, "several", lambda: True)
    monkeypatch.setattr(ranks, "count", lambda: 3)
    for number in range(3):
        monkeypatch.setattr(ranks, "number", lambda number=number: number)
        taken.append(shares.own_share(groups, adapter, indivisible))
    completions = [each for share in taken for group in share for each in group.completions]
    assert sorted(map(id, completions)) == sorted(map(id, groups[0].completions))
    assert [sum(len(group.completions) for group in share) for share in taken] == (
        [4, 0, 0] if indivisible else [2, 2, 0]
    )


def _rounds(monkeypatch: pytest.MonkeyPatch, batches: list[list[list[Group]]], frozen: bool) -> list[list[Round]]:
    """Those of all processes."""
    vlm: Any = SimpleNamespace(sharded=object(), features_frozen=frozen)
    groups = [group for those in batches for batch in those for group in batch]
    seeing = [[any(group.prompt.vision for group in batch) for batch in those] for those in batches]
    monkeypatch.setattr(ranks, "gather", lambda *_: seeing)
    return [rounds(those, groups, vlm) for those in batches]


@pytest.mark.parametrize("frozen", [False, True])
def test_processes_run_the_same_layers_equally_often(monkeypatch: pytest.MonkeyPatch, frozen: bool) -> None:
    seen, words, few = _group(8, [3], image=True), _group(5, [4, 2]), _group(9, [7], image=True)
    batches = [[[seen], [words]], [[words]], [[few], [few], [words]], []]
    each = _rounds(monkeypatch, batches, frozen)
    assert [len(those) for those in each] == [3, 3, 3, 3]
    for own, those in zip(batches, each, strict=True):
        assert [one.groups for one in those if one.counts] == own
        assert not any(one.counts for one in those[len(own) :])
    for number in range(3):
        passing = [
            one.beside is not None or any(group.prompt.vision for group in one.groups)
            for one in (those[number] for those in each)
        ]
        if not frozen:
            assert len(set(passing)) == 1, "in a round all processes run the tower, or none does"
    assert (each[1][0].beside is None) == frozen
    stand_in = each[3][2].groups
    assert [len(stand_in), len(stand_in[0].completions), len(stand_in[0].completions[0])] == [1, 1, 2]


def test_one_process_has_its_micro_batches_and_nothing_else() -> None:
    vlm: Any = SimpleNamespace(sharded=None)
    batches = [[_group(3, [2])], [_group(4, [1])]]
    assert rounds(batches, [], vlm) == [Round(batches[0]), Round(batches[1])]


def test_one_process_alone_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "all_gather_object", None)
    assert ranks.gather(3, "here") == [3]
    assert ranks.spread([1, 2, 3], lambda own: [each * each for each in own], "here") == [1, 4, 9]
    assert ranks.first(lambda: 5, "here") == 5
    assert ranks.totals({"a": 1.5}, "here") == {"a": 1.5}
    assert (ranks.count(), ranks.number(), ranks.several(), ranks.is_first()) == (1, 0, False, True)


def test_what_another_process_failed_with_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "_world", SimpleNamespace(number=0, count=2))
    monkeypatch.setattr(ranks, "gather", lambda own, _: [own, (None, ToldError("row 3: no answer"))])
    with pytest.raises(ToldError, match="row 3"):
        ranks.spread([1, 2], lambda own: own, "here")
    monkeypatch.setattr(ranks, "gather", lambda own, _: [own, (None, "KeyError: 'x'")])
    with pytest.raises(RankError, match="process 1 failed: KeyError"):
        ranks.spread([1, 2], lambda own: own, "here")

    def fail(_: object) -> list[int]:
        raise UserError("mine")

    with pytest.raises(UserError, match="mine"):
        ranks.spread([1, 2], fail, "here")


def test_items_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    def together(count: int, number: int, items: list[int]) -> list[int]:
        monkeypatch.setattr(ranks, "_world", SimpleNamespace(number=number, count=count))
        monkeypatch.setattr(
            ranks, "gather", lambda *_: [([10 * each for each in items[rank::count]], None) for rank in range(count)]
        )
        return ranks.spread(items, lambda own: [10 * each for each in own], "here")

    for count in (2, 3, 5):
        assert together(count, 1, [*range(7)]) == [10 * each for each in range(7)]


def test_what_processes_cant_do_is_refused(monkeypatch: pytest.MonkeyPatch, make_config: Callable[..., Config]) -> None:
    from mr1.parallel.sharding import check_processes

    def check(grace: float | None = None, **settings: object) -> None:
        check_processes(make_config(**settings), grace)

    monkeypatch.setattr(ranks, "count", lambda: 8)
    check(parallel__replicate=2)
    check(parallel__shard=4, parallel__replicate=2)
    with pytest.raises(UserError, match="shard=3 times replicate=2 is not 8"):
        check(parallel__shard=3, parallel__replicate=2)
    with pytest.raises(UserError, match="is not 8"):
        check(parallel__replicate=3)
    with pytest.raises(UserError, match="--grace"):
        check(30.0)
    with pytest.raises(UserError, match=r"loading\.quantize"):
        check(loading__quantize="nf4", lora__rank=4)
