"""pass@k of a study's methods, by numbers worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mr1.study.reach import ladder, pass_rates, tables, write

COUNTS = {
    "untrained": np.array([[0, 1, 1, 4]]),
    "grpo": np.array([[0, 0, 4, 4], [0, 1, 4, 4]]),
    "wide": np.array([[1, 2, 3, 4], [1, 2, 3, 4]]),
}
"""Right ones of 4 attempts at each of 4 samples."""


def test_a_samples_rate_is_the_chance_that_one_of_k_attempts_is_right() -> None:
    assert ladder(6) == [1, 2, 4, 6]
    # Of 1 right in 4, two draws miss it with 3/4 * 2/3; of 2 right with 2/4 * 1/3; of 3 right never.
    assert pass_rates(COUNTS["wide"], 4, 2)[0] == pytest.approx([1 / 2, 5 / 6, 1, 1])
    assert pass_rates(COUNTS["wide"], 4, 4)[0] == pytest.approx([1, 1, 1, 1])
    assert pass_rates(COUNTS["grpo"], 4, 1) == pytest.approx(np.array([[0, 0, 1, 1], [0, 0.25, 1, 1]]))


def test_what_got_likelier_and_what_got_out_of_reach_stand_beside_each_other() -> None:
    values, differences = tables("counting", COUNTS, 4)
    assert [row[0] for row in values.rows] == ["1", "2", "4"]
    first, last = values.rows[0], values.rows[-1]
    assert [cell.split(" ")[0] for cell in first[1:]] == ["37.5", "53.1", "62.5"]
    assert [cell.split(" ")[0] for cell in last[1:]] == ["75.0", "62.5", "100.0"]
    assert differences.head == ["k", "grpo less untrained", "wide less untrained", "wide less grpo"]
    signs = [[cell.split(" ")[0] for cell in row[1:]] for row in (differences.rows[0], differences.rows[-1])]
    assert signs == [["+15.6", "+25.0", "+9.4"], ["−12.5", "+25.0", "+37.5"]]


def test_tables_and_plot_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "reach", "counting", COUNTS, 4)
    assert sorted(path.name for path in (tmp_path / "reach").iterdir()) == [
        "counting.md",
        "pass-at-k-counting.png",
        "pass-at-k-counting.svg",
    ]
    assert (tmp_path / "reach" / "counting.md").read_text() in capsys.readouterr().out
