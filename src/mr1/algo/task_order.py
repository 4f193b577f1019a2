"""Task order: what training on one task after the other comes to, by what training on each alone did.

Omni-Thinker (arXiv 2507.14783) measures how training on task i changes task j, B[i, j], and orders the tasks by it.
Its text was not at hand. By reviews, transfer is taken to add up and not to depend on where training begins, and a pass
over a task to bring it to its accuracy of being trained alone. The form that is here is inferred from that.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Transfer = Mapping[str, Mapping[str, float]]
"""By the trained task, and in it by the tested one: the change of accuracy."""

EXHAUSTIVE = 7
"""Up to so many tasks all orders are tried: 5,040."""


def forecast(alone: Mapping[str, float], transfer: Transfer, order: Sequence[str]) -> dict[str, float]:
    """Each task's accuracy once all have been trained on: a_j = alone_j + sum of B[k, j] over the tasks k behind j.

    Args:
        alone: accuracy of each task after training on it alone.
        transfer: B.
        order: of the tasks, each once.
    """
    return {
        task: alone[task] + sum(transfer[later][task] for later in order[place + 1 :])
        for place, task in enumerate(order)
    }


def best_order(transfer: Transfer, tasks: Sequence[str]) -> list[str]:
    """The order whose forecasts have the highest mean; of several the first by the order of `tasks`.

    Of more than `EXHAUSTIVE` tasks it is a greedy choice: next comes the task for which it matters most that the rest
    come behind it, by the sum of B[k, j] - B[j, k] over the tasks k that are left.
    """
    if len(tasks) <= EXHAUSTIVE:
        return [*max(itertools.permutations(tasks), key=lambda order: _received(transfer, order))]
    left, order = [*tasks], list[str]()
    while left:
        order.append(max(left, key=lambda task: sum(transfer[k][task] - transfer[task][k] for k in left)))
        left.remove(order[-1])
    return order


def backward_transfer(measured: Sequence[Sequence[float]]) -> float:
    """BWT: what later stages did to the tasks of the earlier ones, 1/(K-1) sum over j < K of (R[K, j] - R[j, j]).

    Args:
        measured: R, (K, K): accuracy on task j, in the order of the stages, after stage k.

    Raises:
        ValueError: fewer than two tasks have no earlier one.

    Source: the usual form; that Omni-Thinker has this one is inferred.
    """
    if len(measured) < 2:
        raise ValueError(f"backward transfer needs two tasks, got {len(measured)}")
    last = measured[-1]
    return sum(last[j] - measured[j][j] for j in range(len(measured) - 1)) / (len(measured) - 1)


def _received(transfer: Transfer, order: Sequence[str]) -> float:
    """What all tasks get from those behind them."""
    return sum(transfer[later][earlier] for earlier, later in itertools.combinations(order, 2))
