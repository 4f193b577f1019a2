"""OThink-MR1's own numbers (arXiv 2503.16081 v2), to be read beside a study's: of another model, on other data."""

from __future__ import annotations

from typing import NamedTuple

LABEL = (
    "OThink-MR1's own numbers (arXiv 2503.16081 v2): another model, other data. What can be compared is which method "
    "is ahead of which, not how high it is."
)


class PaperScore(NamedTuple):
    """A line of the paper's Table 1: accuracy in per cent on the task that was trained on."""

    model: str
    method: str
    counting: float
    """Visual counting: trained on CLEVR, tested on 200 problems of SuperCLEVR."""
    geometry: float
    """Geometry reasoning: GeoQA."""


SAME_TASK = (
    PaperScore("Qwen2-VL-2B-Instruct", "untrained", 42.50, 15.52),
    PaperScore("Qwen2-VL-2B-Instruct", "SFT", 68.50, 32.49),
    PaperScore("Qwen2-VL-2B-Instruct", "GRPO", 64.50, 30.24),
    PaperScore("Qwen2-VL-2B-Instruct", "GRPO-D", 76.50, 34.35),
    PaperScore("Qwen2-VL-7B-Instruct", "untrained", 76.00, 33.16),
    PaperScore("Qwen2-VL-7B-Instruct", "SFT", 74.50, 43.50),
    PaperScore("Qwen2-VL-7B-Instruct", "GRPO", 76.50, 42.04),
    PaperScore("Qwen2-VL-7B-Instruct", "GRPO-D", 78.00, 45.49),
)
"""Table 1."""


class PaperTransfer(NamedTuple):
    """A bar of the paper's Figure 7 (2B model), in per cent of the other's accuracy."""

    trained: str
    tested: str
    method: str
    over_untrained: float | None
    over_sft: float | None


OTHER_TASK = (
    PaperTransfer("geometry", "counting", "GRPO-D", 63.53, 61.63),
    PaperTransfer("counting", "geometry", "GRPO-D", 4.25, 368.99),
    PaperTransfer("counting", "geometry", "SFT", -77.77, None),
)
"""Figure 7, as far as the text tells it."""

STATED = (
    "Figure 1: on geometry, GRPO leads early, and SFT overtakes it after thousands of steps.",
    "Figure 4: on geometry, a format weight of 1 is 20.02 % (relative) better than one of 0.",
    "Figure 5: the format is learned within about 50 steps, accuracy slowly.",
    "Figure 6: on geometry, accuracy rises and falls with a constant KL weight; the best is 30.24 % at 0.01.",
)
"""What the text says of the paper's curves."""
