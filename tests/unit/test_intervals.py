"""Wilson's interval against published and independent numbers."""

from __future__ import annotations

import pytest

from mr1.evaluate.intervals import wilson


def test_wilson_by_hand() -> None:
    # 165 of 200: p 0.825, z 1.959964; centre 0.818877, margin 0.052443.
    low, high = wilson(165, 200)
    assert low == pytest.approx(0.7664, abs=1e-4)
    assert high == pytest.approx(0.8713, abs=1e-4)


def test_wilson_agrees_with_its_defining_equation() -> None:
    # The ends are where the score test just rejects: (p - share)^2 = z^2 p (1 - p) / n.
    for successes in (0, 3, 50, 99, 100):
        for end in wilson(successes, 100):
            distance = (end - successes / 100) ** 2
            assert distance == pytest.approx(1.959963985**2 * end * (1 - end) / 100, abs=1e-9)


def test_wilson_stays_within_bounds() -> None:
    assert 0.0 <= wilson(0, 5)[0] < 1e-12
    assert 1 - 1e-12 < wilson(5, 5)[1] <= 1.0


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)
