"""A short run of the bundled model, whose folder is then damaged."""

from __future__ import annotations

from pathlib import Path

import mr1


def make_run(folder: Path) -> Path:
    """Train for two steps, with a checkpoint of each and evaluations of two samples; returns the run's folder.

    One that is there is taken as it is.
    """
    if (folder / "run").is_dir():
        return folder / "run"
    settings = {
        "name": "run",
        "output": str(folder),
        "method": "grpo",
        "task": "counting",
        "steps": 2,
        "prompts_per_step": 1,
        "rollout": {"group_size": 2, "max_new_tokens": 8},
        "kl": {"weight": 0.01},
        "checkpoint": {"every": 1, "keep": 2},
        "evaluation": {"every": 1, "samples": 2, "final_samples": 2},
    }
    return mr1.train(settings, quiet=True).folder
