"""What the general recipe for a small model needs to be told of some families.

Of the processor: `marks` (special tokens by name), `placeholder` (what the chat template writes for an image),
`image_token` (where the processor doesn't say which it is), `tokens` (others that the configuration names), `first` (a
token that the family's tokenizers put before a text; by `template_first` its chat templates write it too),
`image_processor` and `processor` (their settings). All else is a setting of the family's configuration.

The lines stand in files as the families' adapters do in `models/families/`.
"""

from __future__ import annotations

from typing import Any

from mr1.models.small.families import gemma, others, patches, tiled

OF_PROCESSOR = frozenset(
    {
        "marks",
        "image_token",
        "tokens",
        "placeholder",
        "image_processor",
        "processor",
        "first",
        "template_first",
        "processor_class",
        "image_processor_of",
    }
)
"""Keys of a line that the family's configuration doesn't have."""

LINES: dict[str, dict[str, Any]] = patches.LINES | tiled.LINES | gemma.LINES | others.LINES
"""By `model_type`; a family without one needs nothing but the recipe."""
