"""What is said of a call that takes long: after a minute, and again each time when it has taken twice as long.

A thread says it, so nothing is said while the call is within C code that holds the interpreter's lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST = 60.0
"""Seconds."""


@contextmanager
def told_when_long(tell: Callable[[float], None]) -> Iterator[None]:
    """While open, `tell` is called with the seconds since then: at FIRST, twice FIRST, four times FIRST, and so on."""
    began, over = time.monotonic(), threading.Event()

    def watch() -> None:
        at = FIRST
        while not over.wait(began + at - time.monotonic()):
            tell(at)
            at *= 2

    watcher = threading.Thread(target=watch, name="mr1-waiting", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
