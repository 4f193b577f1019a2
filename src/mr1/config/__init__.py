"""Settings: the tree (`tree.py`, `checks.py`), and how recipes are read and written (`reading.py`)."""

from mr1.config.flat import flat
from mr1.config.reading import divide, dump_config, load_config, load_source_settings, read_config
from mr1.config.stages import Stage
from mr1.config.tree import (
    EVALUATION_PROMPT,
    PROMPT,
    Config,
    Loading,
    LoRA,
    MethodSettings,
    Optimizer,
    Rollout,
)

__all__ = [
    "EVALUATION_PROMPT",
    "PROMPT",
    "Config",
    "LoRA",
    "Loading",
    "MethodSettings",
    "Optimizer",
    "Rollout",
    "Stage",
    "divide",
    "dump_config",
    "flat",
    "load_config",
    "load_source_settings",
    "read_config",
]
