"""What an answer can mean, one class for each shape. Meanings are exact; nothing here knows a notation."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.judge.pair import Value
from benchmarks.judge.values import algebra, computed, more, numbers, quantities, settings, several, times, words

DRAWS: dict[str, Callable[[Random], Value]] = {
    **numbers.DRAWS,
    **computed.DRAWS,
    **quantities.DRAWS,
    **times.DRAWS,
    **several.DRAWS,
    **algebra.DRAWS,
    **words.DRAWS,
    **more.DRAWS,
    **settings.DRAWS,
}
"""How to draw a value of each family. A family's name is the row of the table that it is counted in."""
