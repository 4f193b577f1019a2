"""Trains, one after the other, by each of the settings in a JSON file: what torchrun starts for `test_several`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import mr1

STUCK = "stuck"


def stuck(completions: list[Any], **_: Any) -> list[float]:
    """A reward that never comes back on the second process while the file that MR1_STUCK names is there."""
    while os.environ["RANK"] == "1" and Path(os.environ["MR1_STUCK"]).exists():
        time.sleep(0.1)
    return [float(len(str(completion)) % 2) for completion in completions]


if __name__ == "__main__":
    for recipe, settings, resume in json.loads(Path(sys.argv[1]).read_text()):
        mr1.train(recipe, settings, resume=resume, quiet=True)
