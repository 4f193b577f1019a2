"""Published evaluations by name: R1-V's prompts and limits, under which its numbers were measured.

The prompts are R1-V's own (github.com/Deep-Agent/R1-V, src/eval), to the character; decoding is greedy. Which of its
rules R1-V scores each with is in `judge.presets`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mr1.config import EVALUATION_PROMPT
from mr1.errors import UserError, nearest


@dataclass(frozen=True)
class Preset:
    """How a published evaluation puts its samples to a model."""

    prompt: str
    max_new_tokens: int


PRESETS = {
    "superclevr-200": Preset(EVALUATION_PROMPT.replace("Output the", "First output the"), 256),
    "geoqa-test": Preset(EVALUATION_PROMPT, 1024),
}
"""By the name that their data have in `data/presets` too."""


def find_preset(name: str) -> Preset:
    """A published evaluation.

    Raises:
        UserError: there is none of this name.
    """
    if name not in PRESETS:
        raise UserError(f"--preset: unknown '{name}'{nearest(name, PRESETS)}")
    return PRESETS[name]
