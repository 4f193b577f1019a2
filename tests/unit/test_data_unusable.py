"""Rows that can't be used: how many may be left out, and what a resumed run knows of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.data.unusable import (
    HANDFUL,
    BadRow,
    LeftOut,
    TooManyError,
    read_unusable,
    refuse_many,
    write_unusable,
)
from mr1.errors import UserError


def bad(number: int, source: str = "own", split: str = "train") -> BadRow:
    return BadRow(source, split, f"r{number}", f"rows.jsonl, row {number}", "its image is damaged; replace it")


@given(st.integers(0, 40), st.integers(0, 5000), st.floats(0, 1))
@settings(deadline=None)
def test_a_handful_may_be_unusable_and_a_share_but_never_all(count: int, others: int, share: float) -> None:
    total, rows = count + others, [bad(number) for number in range(count)]
    allowed = count == 0 or (others > 0 and (count <= HANDFUL or count <= share * total))
    try:
        refuse_many(rows, total, share, "data.max_unusable")
    except TooManyError as error:
        assert not allowed
        first, *named = str(error).splitlines()
        assert first.startswith(f"data.max_unusable: {count} of {total} rows of own, split train, can't be used")
        assert len(named) == min(count, 10) + (count > 10)
    else:
        assert allowed


def test_a_row_is_told_once_and_then_counts(tmp_path: Path) -> None:
    told: list[BadRow] = []
    left_out = LeftOut(0.0, [bad(0)], told.append)
    for number in (1, 2, 1):
        left_out.add(bad(number), 1000)
    left_out.add(bad(1, split="test"), 1000)
    assert told == [bad(1), bad(2), bad(1, split="test")]
    assert left_out.known("own", "train", "r1") == bad(1)
    assert left_out.known("own", "test", "r2") is None
    assert (left_out.count("own"), left_out.count("other")) == (3, 0)
    write_unusable(tmp_path, left_out.rows)
    again = LeftOut(0.0, [bad(0)])
    again.load_state_dict(read_unusable(tmp_path))
    file = tmp_path / "unusable.jsonl"
    for damaged in (file.read_text()[:-3], '{"source": "own"}\n', "[1]\n"):
        file.write_text(damaged)
        with pytest.raises(UserError, match=r"unusable\.jsonl is damaged .*; remove it"):
            read_unusable(tmp_path)
    assert again.rows == left_out.rows
    assert again.state_dict() == left_out.state_dict()


def test_rows_of_the_scan_count_too_and_the_last_straw_is_told_before_the_end() -> None:
    told: list[BadRow] = []
    left_out = LeftOut(0.0, [bad(number) for number in range(HANDFUL - 1)], told.append)
    left_out.add(bad(10), 1000)
    left_out.add(bad(11, source="other"), 1000)
    copy = left_out.copy()
    with pytest.raises(TooManyError, match="6 of 1000 rows of own"):
        copy.add(bad(12), 1000)
    assert len(told) == 2
    with pytest.raises(TooManyError, match="6 of 1000 rows of own"):
        left_out.add(bad(12), 1000)
    assert told[-1] == bad(12)


def test_rows_that_are_expected_count_as_met_and_are_not_told() -> None:
    told: list[BadRow] = []
    left_out = LeftOut(0.0, [bad(0)], told.append)
    left_out.expect([bad(0), bad(1), bad(2)])
    left_out.add(bad(2), 1000)
    assert (left_out.rows, told, left_out.count("own")) == ([bad(0), bad(1), bad(2)], [], 2)
    left_out.load_state_dict([asdict(bad(number)) for number in (2, 3, 0)])
    assert left_out.rows == [bad(number) for number in range(4)]
