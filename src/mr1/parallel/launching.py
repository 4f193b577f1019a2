"""Starts the processes of a run as torchrun does, passes signals on to them, and ends with their exit code.

torchrun itself gives the processes that it ends 30 seconds, less than a step may take, and exits with 1 in any case.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from mr1.train.interrupt import SIGNALS

FINAL = (2, 3, *(128 + number for number in SIGNALS))
"""Exit codes after which starting again would do the same: a mistake, a guard, a signal."""


def start(torchrun: Sequence[str], restarts: int) -> int:
    """Run the processes; again, where one has failed by what may pass.

    Args:
        torchrun: its arguments.
        restarts: how often they may be started again.

    Returns:
        0, or the exit code of the process that failed first; 128 and the signal's number where one killed it.
    """
    for left in range(restarts, -1, -1):
        code = _run(torchrun)
        if code == 0 or code in FINAL or left == 0:
            break
        print(f"a process has ended with exit code {code}: all start again ({left} times more)", file=sys.stderr)
    return code


def _run(torchrun: Sequence[str]) -> int:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # By itself the agent takes those that ask to stop, too, and ends its processes.
    arguments = parse_args(["--signals-to-handle", "SIGQUIT", *torchrun])
    with _passed_on():
        try:
            run(arguments)
        except ChildFailedError as error:
            _, failure = error.get_first_failure()
            return failure.exitcode if failure.exitcode >= 0 else 128 - failure.exitcode
    return 0


@contextmanager
def _passed_on() -> Iterator[None]:
    """While open, signals that ask a run to stop reach the processes, which have sessions of their own."""

    def pass_on(number: int, _: FrameType | None) -> None:
        for child in _children():
            with suppress(ProcessLookupError):
                os.kill(child, number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _children() -> list[int]:
    """Processes that this one has started."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, file.read_text().split())
    return found
