"""The generator of the judge's pairs: its labels, by other means than its own."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmarks.judge.pair import Pair
from benchmarks.judge.pairs import pairs
from benchmarks.judge.values import DRAWS


@pytest.fixture(scope="module")
def tried() -> list[Pair]:
    return list(pairs(4000, seed=7))


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert list(pairs(300, seed=1)) == list(pairs(300, seed=1))
    assert list(pairs(300, seed=1)) != list(pairs(300, seed=2))


def test_no_pair_twice_and_none_with_two_labels(tried: list[Pair]) -> None:
    assert len({(pair.answer, pair.truth) for pair in tried}) == len(tried)


def test_each_family_has_right_and_wrong_ones(tried: list[Pair]) -> None:
    count = Counter((pair.family, pair.right) for pair in tried)
    assert {family for family, _ in count} == set(DRAWS)
    assert min(count.values()) >= 25
