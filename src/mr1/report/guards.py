"""Which guards spoke in a run, for its page: by what its steps have recorded."""

from __future__ import annotations

from dataclasses import dataclass

from mr1.report.outline import Metrics
from mr1.train.guards import GUARDS, holding, told, watched


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
    """The guards that held at any step, in the order in which they began to."""
    lines = [(line["step"], watched(line)) for line in metrics]
    held = {name: [each for each in lines if name in holding(each[1])] for name in GUARDS}
    found = []
    for name, those in held.items():
        if not those:
            continue
        first, last, count = those[0][0], those[-1][0], len(those)
        step, worst = max(those, key=lambda each: abs(each[1][f"guard/{name}/figure"] - each[1][f"guard/{name}/limit"]))
        found.append(
            Spoken(
                name,
                f"step {first}" if count == 1 else f"{count} steps, {first} to {last}",
                last == lines[-1][0],
                told(name, worst, [line for _, line in those]),
                step,
                GUARDS[name].advice,
            )
        )
    return sorted(found, key=lambda each: held[each.name][0][0])
