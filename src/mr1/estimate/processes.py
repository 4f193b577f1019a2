"""What one of several processes has of a run: its share of what is divided (see `parallel`), and its part of the work.

The others are not pretended. The step is that of one process with this one's part of the prompts; what is divided
counts by its share, and what is brought together while layers run is added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mr1.config import Config
from mr1.estimate.ledger import Ledger
from mr1.models.vlm import VLM
from mr1.parallel.sharding import divided_among, stays_whole, units
from mr1.types import Group

AHEAD = 2
"""Layers whose weights are there at once: one that runs, and the next, which is brought together meanwhile."""
COPIES = 2
"""How often a layer's weights are there as they come together: as they were sent, and as the layer takes them."""


@dataclass(frozen=True)
class Shares:
    """How a run is divided among its processes."""

    processes: int = 1
    shard: int = 1
    """Processes that one copy of the weights is divided among."""

    @classmethod
    def of(cls, config: Config, processes: int) -> Shares:
        """Those of a run.

        Raises:
            UserError: `parallel` is about another number of processes.
        """
        return cls(processes, divided_among(config.parallel, processes))

    @property
    def weight(self) -> float:
        """The share of what is divided that a process has."""
        return 1 / self.shard

    def count(self, items: int) -> int:
        """How many of so many a process takes at most."""
        return -(-items // self.processes)

    def part(self, group: Group, groups: int) -> Group:
        """What a process takes of a group: all, where there are as many groups as processes."""
        parts = -(-self.processes // groups)
        return replace(group, completions=group.completions[: -(-len(group.completions) // parts)])


class Division:
    """A model's memory in one of several processes; in one alone everything counts whole."""

    def __init__(self, vlm: VLM, shares: Shares, ledger: Ledger) -> None:
        self.vlm, self.shares, self.ledger = vlm, shares, ledger
        self.layers = [*units(vlm)]
        self._inside = {id(each) for layer in self.layers for each in layer.parameters()}
        self._held: list[Tensor] = []
        self._together: list[Tensor] = []

    def name(self, name: str, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Say what tensors are for, given with their parameters' names, which tell how much of each is here."""
        for parameter, tensor in tensors:
            self.ledger.name(name, [tensor], 1.0 if stays_whole(self.vlm, parameter) else self.shares.weight)

    def hold(self) -> None:
        """Count this process's part of the weights beside the whole copy that it samples from.

        Weights that learn in bfloat16 are divided as float32 masters, which are counted as such.
        """
        self._held = self._take(
            "weights, divided",
            self.shares.weight
            * sum(
                each.nbytes
                for name, each in self.vlm.model.named_parameters()
                if not stays_whole(self.vlm, name) and not (each.requires_grad and each.dtype != torch.float32)
            ),
        )

    def bring_together(self) -> None:
        """Count what is brought together while the model runs.

        What is in no layer is there from the first layer to the last; of the layers a few are at a time.
        """
        around = sum(
            each.nbytes
            for name, each in self.vlm.model.named_parameters()
            if id(each) not in self._inside and not stays_whole(self.vlm, name)
        )
        largest = max((sum(each.nbytes for each in layer.parameters()) for layer in self.layers), default=0)
        self._together = self._take("weights brought together", around + AHEAD * COPIES * largest)

    def share_of_gradient(self, parameter: Tensor, kept: Tensor) -> float:
        """How much of a gradient counts once it is made: those in no layer are divided when all of them are there.

        Args:
            parameter: of the model.
            kept: whose `grad` holds it, which may be in another dtype.
        """
        if self.shares.processes > 1 and id(parameter) not in self._inside:
            return parameter.itemsize / kept.itemsize
        return self.shares.weight

    def let_go(self, gradients: Iterable[Tensor]) -> None:
        """The model has run: what was brought together is gone, and these gradients are divided."""
        self._together = []
        self.ledger.name("gradients", gradients, self.shares.weight)

    def _take(self, name: str, size: float) -> list[Tensor]:
        if self.shares.processes == 1:
            return []
        taken = [torch.empty(round(size), dtype=torch.uint8, device="meta")]
        self.ledger.name(name, taken)
        return taken
