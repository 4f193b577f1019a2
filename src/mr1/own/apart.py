"""A reward function in a process of its own, where it may take so long and no longer.

A thread can't be ended, and a signal's handler waits for whatever is written in C. A process can: a timer thread of
`faulthandler`, which needs nothing of the interpreter, ends it at the limit, whatever it is in the middle of, and
writes down where that was. The caller ends what is left of it, with all processes that it has started.

The process is started once, by a plain exec, so that nothing of one that holds a GPU is forked, and keeps what the
function keeps from call to call. It is started anew where it has ended. It ends with its caller: their socket closes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mr1.errors import UserError
from mr1.own.calling import FailedError, call
from mr1.own.loading import load_named, reason

GRACE = 5.0
"""Seconds after the limit at which a process that neither answered nor ended (it was stopped) is ended from here."""
START = 600.0
"""Seconds within which it must have imported the function."""
PROCESS = "import json, sys; sys.path[:] = json.loads(sys.argv[3]); from mr1.own.apart import serve; serve()"
"""What the process runs."""
FRAME = re.compile(r'File "(.+)", line (\d+)')


class Apart:
    """One function. `close` ends its process."""

    def __init__(self, name: str, timeout: float) -> None:
        """`timeout` in seconds, for each call."""
        self.name, self.timeout = name, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._traces = tempfile.TemporaryFile()  # noqa: SIM115 - the process writes into it as long as there is one

    def call(self, arguments: dict[str, Any], count: int) -> list[float | None]:
        """See `calling.call`.

        Raises:
            FailedError: also where it takes too long, its process ends, or the arguments can't be sent.
            UserError: the function can't be imported there.
        """
        connection = self._connection or self._start()
        try:
            connection.send((arguments, count))
            if not connection.poll(self.timeout + GRACE):
                raise EOFError
            reply = connection.recv()
        except (EOFError, OSError):  # it ended, or does not read or answer
            raise FailedError(self._ended(f"reward_functions.timeout={self.timeout:g} s")) from None
        except Exception as error:  # whatever pickle raises
            raise FailedError(f"can't be given its arguments in a process of its own: {reason(error)}") from error
        if isinstance(reply, FailedError):
            raise reply
        scores: list[float | None] = reply
        return scores

    def close(self) -> None:
        """End the process, and those that it has started."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = self._connection = None

    def _start(self) -> Connection:
        mine, theirs = socket.socketpair()
        # What a stopped process does not read must not block the caller.
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(self.timeout + GRACE), 0))
        path = json.dumps([entry or os.getcwd() for entry in sys.path])  # noqa: PTH109 - sys.path holds strings
        files = theirs.fileno(), self._traces.fileno()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROCESS, *map(str, files), path],
                stdin=subprocess.DEVNULL,
                pass_fds=files,
                start_new_session=True,  # Ctrl-C in the terminal is the caller's alone
            )
        self._connection = Connection(mine.detach())
        self._connection.send((self.name, self.timeout))
        refused: str | None = None
        with suppress(EOFError, OSError):
            if self._connection.poll(START):
                refused = self._connection.recv()
        if refused == "":
            return self._connection
        ended = self._ended(f"{START:g} s")
        raise UserError(refused or f"rewards: {self.name} can't be imported in a process of its own: it {ended}")

    def _ended(self, limit: str) -> str:
        """End what is left, and say how it came to that: of itself, or at the limit."""
        process = self._process
        assert process is not None, "it was started"
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        status = process.returncode
        self.close()
        self._traces.seek(0)
        trace = self._traces.read().decode(errors="replace")
        self._traces.seek(0)
        self._traces.truncate()
        if trace or status is None:
            return f"took longer than {limit}{_where(trace)}"
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        return f"ended its process ({how})"


def _where(trace: str) -> str:
    """Of the latest call first, the first line that is neither Python's nor MR1's."""
    others = sysconfig.get_path("stdlib"), str(Path(__file__).parents[1])
    for file, line in FRAME.findall(trace):
        if not file.startswith((*others, "<")):
            return f" in {file}, line {line}"
    return ""


def serve() -> None:
    """Answer calls until the caller closes the connection."""
    connection, traces = Connection(int(sys.argv[1])), int(sys.argv[2])
    for asking in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):  # the caller's alone, whoever else they are sent to
        signal.signal(asking, lambda *_: None)  # not ignored, which what the function starts would inherit
    name, timeout = connection.recv()
    try:
        function = load_named(name, "rewards", "function", callable)
    except UserError as error:
        connection.send(str(error))
        return
    connection.send("")
    while True:
        try:
            arguments, count = connection.recv()
        except EOFError:
            return
        faulthandler.dump_traceback_later(timeout, exit=True, file=traces)
        try:
            reply: Any = call(function, arguments, count)
        except FailedError as failed:
            reply = failed
        faulthandler.cancel_dump_traceback_later()
        connection.send(reply)
