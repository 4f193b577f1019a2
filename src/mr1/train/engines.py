"""The engine of a run: the model in this process, or servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mr1.config import Config
from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.parallel.engine import SpreadEngine
from mr1.rollout.engine import Engine
from mr1.rollout.local import IsFree, LocalEngine
from mr1.rollout.vllm.engine import VLLMEngine

WEIGHTS = "serving"
"""The folder in a run's where servers find its present weights."""


def make_engine(config: Config, whole: VLM, ahead_is_free: IsFree, folder: Path, say: Callable[[str], None]) -> Engine:
    """The engine that the settings ask for.

    Args:
        config: the run's.
        whole: the policy, or where its weights are divided among processes a model with all of them.
        ahead_is_free: see `LocalEngine`.
        folder: the run's.
        say: what happens on the way, in a line.
    """
    vllm = config.rollout.engine == "vllm"
    engine: Engine = LocalEngine(whole, ahead_is_free)
    if vllm:
        engine = VLLMEngine(whole, config.rollout, folder / WEIGHTS, say)
    return SpreadEngine(engine, alone=vllm) if ranks.several() or config.rollout.ahead else engine
