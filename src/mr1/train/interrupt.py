"""Signals that end a run: finish the step, save it, then stop; at a deadline, save the step before.

SIGINT is Ctrl-C, SIGTERM what schedulers send before they kill, SIGUSR1 what Slurm can be told to warn with. The
command's exit code is 128 and the signal's number: 130, 143, 138.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal has ended what was under way."""

    def __init__(self, number: int, at_once: bool = False) -> None:
        """Which signal it was, and whether nothing is to be waited for any more."""
        super().__init__(signal.Signals(number).name)
        self.number, self.at_once = number, at_once


class TooLateError(Stopped):
    """The deadline has passed within a step."""


@contextmanager
def stopping() -> Iterator[None]:
    """Let each of the signals raise `Stopped` where nothing else is said of them."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    with _handled(dict.fromkeys(SIGNALS, stop)):
        yield


class Interrupt:
    """While open, the first signal only sets `asked`; a second one raises `Stopped` at once."""

    def __init__(self, grace: float | None = None) -> None:
        """`grace`: seconds after the first signal, when what is `breakable` is cut off; None for never."""
        self.grace = grace
        self.number: int | None = None
        """The first signal; None before there is one."""
        self.late = False
        """Whether the deadline has passed."""
        self._breakable = False
        self._handled = _handled({})

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self.number is not None

    def __enter__(self) -> Interrupt:
        handlers: dict[int, Any] = dict.fromkeys(SIGNALS, self._ask)
        if self.grace is not None:
            handlers[signal.SIGALRM] = self._end
        self._handled = _handled(handlers)
        self._handled.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self.grace is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self._handled.__exit__(None, None, None)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """What runs inside is cut off at the deadline, up to `hold`.

        Raises:
            TooLateError: it has passed.
        """
        self._breakable = True
        try:
            self._break()
            yield
        finally:
            self._breakable = False

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """What runs inside `breakable` and is finished first."""
        before, self._breakable = self._breakable, False
        yield
        self._breakable = before
        self._break()

    def hold(self) -> None:
        """From here on what is `breakable` is finished first."""
        self._breakable = False

    def stop(self) -> Stopped:
        """What to raise once all is done that was to be finished."""
        assert self.number is not None, "a signal has come"
        return Stopped(self.number)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            raise Stopped(number, at_once=True)
        self.number = number
        if self.grace is not None:
            signal.setitimer(signal.ITIMER_REAL, max(self.grace, 1e-6))  # 0 would be never

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.late = True
        self._break()

    def _break(self) -> None:
        if self.late and self._breakable:
            assert self.number is not None, "the clock begins with it"
            raise TooLateError(self.number)


@contextmanager
def _handled(handlers: dict[int, Any]) -> Iterator[None]:
    """Have signals handled so; only the main thread can, and elsewhere they are left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
