"""Who computes what: groups are divided by their tokens, in the same way on every process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from mr1.parallel import ranks
from mr1.train.packing import tokens_of
from mr1.types import Completion, Group

if TYPE_CHECKING:
    from mr1.models.adapter import Adapter


def divide(costs: Sequence[int], count: int) -> list[list[int]]:
    """The numbers of items, ascending, that each of `count` processes takes.

    The dearest items go first, each to the process with the least so far: no process has more than 4/3 of the least
    that the fullest could have (Graham, "Bounds on multiprocessing timing anomalies", 1969).
    """
    shares: list[list[int]] = [[] for _ in range(count)]
    sums = [0] * count
    for item in sorted(range(len(costs)), key=lambda item: (-costs[item], item)):
        least = min(range(count), key=lambda rank: (sums[rank], rank))
        shares[least].append(item)
        sums[least] += costs[item]
    return [sorted(share) for share in shares]


def own_share(groups: Sequence[Group], adapter: Adapter, indivisible: bool) -> list[Group]:
    """This process's groups of a batch; parts of groups where there are fewer groups than processes."""
    if not ranks.several():
        return [*groups]
    parts = [*groups]
    if not indivisible and len(groups) < ranks.count():
        size = -(-ranks.count() // max(len(groups), 1))
        parts = [part for group in groups for part in _torn(group, size)]
    shares = divide([tokens_of([part], adapter) for part in parts], ranks.count())
    return [parts[number] for number in shares[ranks.number()]]


def _torn(group: Group, count: int) -> list[Group]:
    """Parts of a group, as many as there are completions at most."""
    size = -(-len(group.completions) // count)
    return [
        Group(group.prompt, group.completions[start : start + size]) for start in range(0, len(group.completions), size)
    ]


def share_out(groups: Sequence[Group], own: Sequence[Group], name: Literal["ref_logprobs", "old_logprobs"]) -> None:
    """Tell the other processes what this one has found of its completions, and take up what they have.

    Args:
        groups: the batch, the same on every process.
        own: this process's share of it.
        name: what was found.
    """
    if not ranks.several():
        return
    found = {id(each): getattr(each, name) for group in own for each in group.completions}
    for completion, value in zip(_completions(groups), shared(groups, found), strict=True):
        if id(completion) not in found:
            setattr(completion, name, value)


def shared(groups: Sequence[Group], found: Mapping[int, Tensor]) -> list[Tensor]:
    """What was found of each completion of a batch, in order, by all processes together.

    Args:
        groups: the batch, the same on every process.
        found: by this process, by the completions' identities.
    """
    completions = _completions(groups)
    if not ranks.several():
        return [found[id(each)] for each in completions]
    own = {number: found[id(each)].cpu() for number, each in enumerate(completions) if id(each) in found}
    whole = {number: value for part in ranks.gather(own, "a look at the batch") for number, value in part.items()}
    return [whole[number] for number in range(len(completions))]


def _completions(groups: Sequence[Group]) -> list[Completion]:
    return [each for group in groups for each in group.completions]
