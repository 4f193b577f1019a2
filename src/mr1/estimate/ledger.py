"""Bytes in memory by what they are for, and how many there were at once."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable

from torch import Tensor, UntypedStorage

WORKING = "activations"
"""What a storage is until it is given another name: activations, logits, masks, and what an operation passes on."""


class LimitExceededError(Exception):
    """More bytes are live at once than the ledger's limit allows."""


class Ledger:
    """Keeps count of live storages. Tensors that share one count once; it leaves the count when it is freed."""

    def __init__(self, limit: int | None = None) -> None:
        """With a limit in bytes, `LimitExceededError` is raised where it is passed."""
        self.limit = limit
        self.now: Counter[str] = Counter()
        """Bytes that are live, by name."""
        self.peaks: dict[str, dict[str, int]] = {}
        """Bytes, by name, at the moment when most were live, of each phase so far."""
        self._entries: dict[int, tuple[str, int]] = {}
        self._phase: str | None = None

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor.untyped_storage()) in self._entries

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage from now on."""
        storage = tensor.untyped_storage()
        key = id(storage)
        if key not in self._entries:
            self._entries[key] = (WORKING, storage.nbytes())
            self.now[WORKING] += storage.nbytes()
            weakref.finalize(storage, self._free, key).atexit = False
            self._look()

    def name(self, name: str, tensors: Iterable[Tensor], share: float = 1.0) -> None:
        """Say what storages are for; those that are not counted yet are from now on.

        Args:
            name: what for.
            tensors: those whose storages they are.
            share: how much of each is in this memory, where several processes divide it.
        """
        for tensor in tensors:
            self.add(tensor)
            storage: UntypedStorage = tensor.untyped_storage()
            before, size = self._entries[id(storage)]
            own = round(storage.nbytes() * share)
            self.now[before] -= size
            self.now[name] += own
            self._entries[id(storage)] = (name, own)

    def begin(self, phase: str) -> None:
        """Start a phase: its peak is at least what is live now. One that is begun again keeps its highest peak."""
        self._phase = phase
        self.peaks.setdefault(phase, {})
        self._look()

    def _free(self, key: int) -> None:
        name, size = self._entries.pop(key)
        self.now[name] -= size

    def _look(self) -> None:
        live = self.now.total()
        if self.limit is not None and live > self.limit:
            raise LimitExceededError
        if self._phase is not None and live > sum(self.peaks[self._phase].values()):
            self.peaks[self._phase] = {name: size for name, size in self.now.items() if size}
