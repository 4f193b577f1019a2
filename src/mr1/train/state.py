"""All that training changes, in one place: what a checkpoint holds beside the policy's weights and the settings.

    optimizer    AdamW's moments and count of steps, and the float32 masters
    method       its controller of the KL weight, its running statistics
    modules      the method's own, such as a critic
    data         how far the curriculum has come, and the rows that were left out
    resets       when the reference was last reset, and how long accuracy has stalled
    reference    its weights, where it has been reset on the way
    generators   the process's random generators, for code of one's own that draws from them
    origin       fingerprints of the model and of the rows that the run began with

What is not here is made again from what is: the learning rate and the schedule from the step, the guards' figures from
`metrics.jsonl`, what is sampled from the seed and the step. Rollouts are none of it: a checkpoint is made where a batch
of them is used up, and one that was sampled ahead is drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mr1.data.unusable import LeftOut
from mr1.methods.base import Method
from mr1.models.policy import Reference
from mr1.train.data import PromptSource
from mr1.train.nested import copied
from mr1.train.optimizer import Optimizer
from mr1.train.resets import Resets
from mr1.train.rollouts import Rollouts
from mr1.train.shards import SAVED, read_moved


class Generators:
    """The random generators of this process: Python's, NumPy's and torch's."""

    def state_dict(self) -> dict[str, Any]:
        """Where they are, in what is loaded without running code."""
        version, words, gauss = random.getstate()
        kind, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
        return {
            "python": [version, list(words), gauss],
            "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), place, has_gauss, cached],
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where they were; those that the state doesn't know stay where they are."""
        if "python" in state:
            version, words, gauss = state["python"]
            random.setstate((version, tuple(words), gauss))
        if "numpy" in state:
            kind, keys, *rest = state["numpy"]
            np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
        if "torch" in state:
            torch.set_rng_state(state["torch"])
        if len(state.get("cuda", [])) == torch.cuda.device_count() > 0:
            torch.cuda.set_rng_state_all(state["cuda"])


@dataclass
class RunState:
    """See the module. The parts are those of the stage that is under way."""

    optimizer: Optimizer
    method: Method
    source: PromptSource
    rollouts: Rollouts
    left_out: LeftOut
    resets: Resets
    reference: Reference | None
    origin: dict[str, Any]
    generators: Generators = field(default_factory=Generators)

    def state_dict(self) -> dict[str, Any]:
        """All of it. Its tensors are those that training goes on to change."""
        state = {
            "optimizer": self.optimizer.state_dict(),
            "modules": {name: dict(module.state_dict()) for name, module in self.method.modules.items()},
            **self._small(),
        }
        if self.reference is not None and self.reference.moved:
            state["reference"] = self.reference.state_dict()
        return state

    def mark(self) -> Callable[[], dict[str, Any]]:
        """Remember the beginning of a step; what it gives is the state of then, as long as no parameter has changed."""
        small = copied(self._small())
        buffers = {name: copied(dict(module.named_buffers())) for name, module in self.method.modules.items()}

        def state() -> dict[str, Any]:
            now = self.state_dict()
            modules = {
                name: {key: buffers[name].get(key, tensor) for key, tensor in tensors.items()}
                for name, tensors in now["modules"].items()
            }
            return now | small | {"modules": modules}

        return state

    def _small(self) -> dict[str, Any]:
        """What changes in a step before any parameter does."""
        return {
            "method": self.method.state_dict(),
            "data": self.rollouts.before
            or {"source": self.source.state_dict(), "left_out": self.left_out.state_dict()},
            "resets": self.resets.state_dict(),
            "generators": self.generators.state_dict(),
            "origin": self.origin,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave within the same stage; `origin` is compared elsewhere."""
        shards = Path(state[SAVED]) if SAVED in state else None
        if shards:
            self.optimizer.read_shards(shards)
        else:
            self.optimizer.load_state_dict(state["optimizer"])
        self.method.load_state_dict(state["method"])
        for name, module in self.method.modules.items():
            module.load_state_dict(state["modules"][name])
        self.source.load_state_dict(state["data"]["source"])
        self.resets.load_state_dict(state["resets"])
        if self.reference is not None:
            moved = read_moved(shards, self.reference.parameters()) if shards else state.get("reference")
            if moved:
                self.reference.load_state_dict(moved)
        self.generators.load_state_dict(state["generators"])
