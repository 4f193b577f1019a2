"""What a run measures on the way, and how: for the loop, which does it, and for the memory estimate."""

from __future__ import annotations

from mr1.config import Config
from mr1.evaluate.evaluate import BATCH, Protocol


def protocol(config: Config) -> Protocol:
    """How a run's evaluations put their samples to the policy: greedily, by the evaluations' prompt."""
    return Protocol(
        prompt=config.evaluation.prompt or config.prompt,
        max_new_tokens=config.rollout.max_new_tokens,
        batch_size=min(BATCH, config.rollout.batch_size),
    )
