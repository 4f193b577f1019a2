"""Which guards spoke in a run, for its page: by what its steps have recorded."""

from __future__ import annotations

from dataclasses import dataclass

from mr1.report.outline import Metrics
from mr1.train.guards import GUARDS, SKIPPED, holding, told, watched

NOT_FINITE = "the loss or its gradient was not finite, and no step was made"
REPLAY = "mr1 replay of a batch in not_finite/ says where that comes from."


@dataclass(frozen=True)
class Spoken:
    """A guard that held at some steps."""

    name: str
    when: str
    """At which steps, and at how many of them."""
    still: bool
    """Whether it holds at the last step that is recorded."""
    what: str
    """What it said at the step at which it was farthest beyond its limit."""
    worst: int
    """That step."""
    advice: str
    """What to do about it."""


def spoken(metrics: Metrics) -> list[Spoken]:
    """The guards that held at any step, and steps that were skipped, in the order in which they began to."""
    lines = [(line["step"], watched(line)) for line in metrics]
    held = {name: [each for each in lines if name in holding(each[1])] for name in GUARDS}
    held[SKIPPED] = [each for each in lines if each[1].get(SKIPPED)]
    found = []
    for name, those in sorted(held.items(), key=lambda each: each[1][0][0] if each[1] else 0):
        if not those:
            continue
        first, last, count = those[0][0], those[-1][0], len(those)
        when = f"step {first}" if count == 1 else f"{count} steps, {first} to {last}"
        still = last == lines[-1][0]
        if name == SKIPPED:
            found.append(Spoken("not_finite", when, still, NOT_FINITE, first, REPLAY))
            continue
        step, worst = max(those, key=lambda each: abs(each[1][f"guard/{name}/figure"] - each[1][f"guard/{name}/limit"]))
        found.append(
            Spoken(name, when, still, told(name, worst, [line for _, line in those]), step, GUARDS[name].advice)
        )
    return found
