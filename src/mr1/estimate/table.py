"""An estimate as a table, in words, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from mr1.estimate.fit import Fit
from mr1.estimate.sizes import RESERVE, in_words
from mr1.estimate.step import Estimate

NAMES = {
    "evaluation": "evaluation",
    "rollout": "rollout",
    "score": "reference's scores",
    "update": "update",
    "optimizer": "optimizer step",
}


def memory_table(estimate: Estimate) -> Table:
    """A row for each thing that takes memory, a column for each phase; the largest phase is marked."""
    largest = max(estimate.phases, key=lambda phase: sum(estimate.phases[phase].values()))
    table = Table(title="memory at each phase's peak")
    table.add_column("")
    for phase in estimate.phases:
        table.add_column(NAMES[phase], justify="right", style="bold" if phase == largest else "")
    for part in dict.fromkeys(part for parts in estimate.phases.values() for part in parts):
        table.add_row(part, *(in_words(parts[part]) if part in parts else "" for parts in estimate.phases.values()))
    table.add_section()
    table.add_row("all", *(in_words(sum(parts.values())) for parts in estimate.phases.values()))
    return table


def summary(estimate: Estimate) -> str:
    """What the numbers follow from, in a line or two."""
    parts = ", ".join(f"{part} {_count(number)}" for part, number in estimate.parameters.items())
    return (
        f"parameters: {parts}; {_count(estimate.learning)} learn\n"
        f"longest prompt: {estimate.prompt_tokens} tokens, {estimate.image_tokens} of them of images, in evaluations "
        f"{estimate.evaluation_tokens or 'none'}; "
        f"largest group: {estimate.group_tokens} tokens; images in the host's memory: "
        f"{in_words(estimate.host)}, a checkpoint's copy there: {in_words(estimate.checkpoint)}"
    )


def verdict(estimate: Estimate, memory: int, fit: Fit | None) -> str:
    """Whether it fits into a memory of this many bytes, and if not, what would."""
    size = f"{in_words(memory)}, of which {100 * RESERVE:.0f} % are left for what isn't counted"
    if fit is None:
        return f"fits: {in_words(estimate.peak)} of {size}"
    lines = f"does not fit: {in_words(estimate.peak)} of {size}\n"
    settings = " ".join(fit.settings)
    if fit.fits:
        return f"{lines}would fit, with {in_words(fit.estimate.peak)}: {settings}"
    if not settings:
        return f"{lines}nothing is left to change; a smaller model, group or max_new_tokens may fit"
    return f"{lines}would not fit either, with {in_words(fit.estimate.peak)}: {settings}"


def as_dictionary(estimate: Estimate, memory: int | None, fit: Fit | None) -> dict[str, Any]:
    """All of it as JSON takes it; sizes in bytes."""
    result = {"peak": estimate.peak, **asdict(estimate)}
    if memory is not None:
        result |= {"memory": memory, "fits": fit is None}
    if fit is not None:
        result["change"] = {"settings": fit.settings, "peak": fit.estimate.peak, "fits": fit.fits}
    return result


def _count(number: int) -> str:
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.2f} {unit}"
    return str(number)
