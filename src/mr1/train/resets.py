"""When the reference becomes the policy as it is: at intervals, or once held-out accuracy stalls.

ProRL (arXiv 2505.24864), sections 2.3.1 and 3.3: the KL term comes to dominate a long run, so the reference is reset to
a recent snapshot of the policy and the optimizer's state begins anew, periodically, and where validation stagnates.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from mr1.config import Config


class Resets:
    """Counts steps and held-out evaluations. Its state is part of a checkpoint."""

    def __init__(self, config: Config) -> None:
        """By `kl.reset_every` and `kl.reset_patience`; accuracy is the trained tasks' where they are measured."""
        self.settings, self.tasks = config.kl, config.tasks
        self.best: float | None = None
        """Held-out accuracy so far."""
        self.stalled = 0
        """Evaluations since it was reached, or since the last reset."""

    def due(self, step: int, accuracies: Mapping[str, float]) -> str:
        """Why the reference is to be reset before a step; empty where it isn't.

        Args:
            step: counted from 0. Each is asked for once.
            accuracies: `eval/<task>/accuracy` of the policy before this step; empty where it was not measured.
        """
        if accuracies:
            trained = [accuracies[key] for task in self.tasks if (key := f"eval/{task}/accuracy") in accuracies]
            self._measured(fmean(trained or accuracies.values()))
        every, patience = self.settings.reset_every, self.settings.reset_patience
        if every and step and step % every == 0:
            reason = f"{every} steps"
        elif patience and self.stalled >= patience:
            reason = f"{self.stalled} evaluations without a better accuracy"
        else:
            return ""
        self.stalled = 0
        return reason

    def state_dict(self) -> dict[str, Any]:
        """The best accuracy so far, and how long ago it was."""
        return {"best": self.best, "stalled": self.stalled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.best, self.stalled = state["best"], state["stalled"]

    def _measured(self, accuracy: float) -> None:
        if self.best is None or accuracy > self.best:
            self.best, self.stalled = accuracy, 0
        else:
            self.stalled += 1
