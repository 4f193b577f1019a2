"""Batches that are filled up: groups that are of no use are replaced by those of further prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mr1.methods.base import More
from mr1.types import Group, Prompt


@dataclass
class Filled:
    """What came of sampling for a batch."""

    kept: list[Group] = field(default_factory=list)
    dropped: list[Group] = field(default_factory=list)
    missing: int = 0
    """Places of the batch that stayed empty."""


def fill(
    sample: Callable[[Sequence[Prompt]], list[Group]],
    prompts: Sequence[Prompt],
    more: More,
    refills: int,
    wanted: Callable[[Group], bool],
) -> Filled:
    """Sample until as many groups are wanted as there are prompts.

    Each time just as many prompts are asked for as are missing, so that no group is left over.

    Args:
        sample: makes a group of each prompt, with all that `wanted` looks at.
        prompts: the batch's.
        more: gives further ones.
        refills: how often these are asked for, at most.
        wanted: whether a group is kept.
    """
    size, filled = len(prompts), Filled()
    for attempt in range(refills + 1):
        for group in sample(prompts):
            (filled.kept if wanted(group) else filled.dropped).append(group)
        filled.missing = size - len(filled.kept)
        prompts = more(filled.missing) if filled.missing and attempt < refills else []
        if not prompts:
            break
        for group in (*filled.kept, *filled.dropped):
            group.prompt.ahead = None  # made for one batch; those of two could be more than memory holds
    return filled
