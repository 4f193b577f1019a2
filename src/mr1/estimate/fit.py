"""Settings with which a run would fit into a memory of a given size.

The changes of `_changes` are put upon each other, in their order, until the run fits; those that turn out not to be
needed are then taken back, the last first. The first ones change how long a step takes, the later ones what is learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mr1.config import Config, load_config
from mr1.estimate.dry import Device
from mr1.estimate.ledger import LimitExceededError
from mr1.estimate.sizes import room
from mr1.estimate.step import Estimate, estimate

Change = dict[str, str]
"""Settings by their keys."""


@dataclass
class Fit:
    """What was found for a run that doesn't fit as it is."""

    settings: list[str]
    """`key=value` for each setting to change."""
    estimate: Estimate
    """With them."""
    fits: bool
    """Whether it fits with them. Where nothing does, they are all the changes that there are."""


def find_fit(
    recipe: str, overrides: Sequence[str], memory: int, device: Device, before: Estimate, processes: int = 1
) -> Fit:
    """The changes with which a run fits that doesn't fit by itself.

    Args:
        recipe: its name or its file.
        overrides: `key=value`, put over it.
        memory: bytes.
        device: what the run is for.
        before: the estimate without a change.
        processes: how many divide the run, each on a device with that memory.
    """
    start = load_config(recipe, overrides)

    def fits(changes: Mapping[str, Change]) -> Estimate | None:
        config = load_config(recipe, [*overrides, *_arguments(changes)])
        try:
            return estimate(config, device, room(memory), processes)
        except LimitExceededError:
            return None

    changes: dict[str, Change] = {}
    for name, change in _changes(start, before):
        changes[name] = change
        found = fits(changes)
        if found is None:
            continue
        for earlier in [*changes][-2::-1]:
            fewer = {key: each for key, each in changes.items() if key != earlier}
            if smaller := fits(fewer):
                changes, found = fewer, smaller
        return Fit(_arguments(changes), found, True)
    everything = _arguments(changes)
    return Fit(everything, estimate(load_config(recipe, [*overrides, *everything]), device, None, processes), False)


def _changes(config: Config, before: Estimate) -> Iterator[tuple[str, Change]]:
    """What may be changed, in order; a name that comes again replaces what it stood for."""
    if not config.gradient_checkpointing:
        yield "checkpointing", {"gradient_checkpointing": "true"}
    size, tokens = config.rollout.group_size, config.tokens_per_microbatch
    for fewer in dict.fromkeys((max(tokens // 2, before.group_tokens), before.group_tokens)):
        if fewer < tokens:
            yield "micro-batch", {"tokens_per_microbatch": str(fewer)}
    most = min(config.rollout.batch_size, config.prompts_per_step * size)
    for fewer in dict.fromkeys((most // 2 // size * size, size)):
        if size <= fewer < most:
            yield "rollout batch", {"rollout.batch_size": str(fewer)}
    if config.loading.dtype == "float32":
        yield "dtype", {"loading.dtype": "bfloat16"}
    parts = config.optimizer.parts
    if parts.language != 0 and (parts.vision != 0 or parts.projector != 0):
        yield "frozen vision", {"optimizer.parts.vision": "0", "optimizer.parts.projector": "0"}
    if config.lora.rank is None:
        yield "LoRA", {"lora.rank": "16"}


def _arguments(changes: Mapping[str, Change]) -> list[str]:
    return [f"{key}={value}" for change in changes.values() for key, value in change.items()]
