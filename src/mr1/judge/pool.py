"""The caller's end of the workers: any question may be asked, in any thread, and gets a verdict.

A worker may take half a second of a processor's time for it, and thirty seconds by the clock. A busy machine makes
questions wait; it does not change their verdicts.

A server process is started once (worker.py), by a plain exec, so that nothing of a process that holds a GPU is forked.
It has imported what a worker needs and answers no questions; it forks a worker whenever one is asked for, which takes
milliseconds. So a killed worker costs no waiting, however many are killed in a row. A worker is its own executioner:
timers of the kernel end it at its limits, whatever it is in the middle of.

The server and its workers end when the caller does, however that ends: their sockets close. A forked copy of the caller
forgets them and starts its own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mr1.judge.limits import ENDED_BY, WALL
from mr1.judge.verdict import Verdict

GRACE = 1.0
"""Seconds after WALL at which a worker that neither answered nor ended (it was stopped) is left alone."""
TRIES = 3
"""A dead worker, then one that the dying server no longer forked, then one of the server's successor."""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Questions that are asked at once, and workers that are kept between questions."""
QUESTIONS = 1000
"""Questions after which a worker is let go, so that what math-verify remembers does not pile up."""
START = 60.0
"""Seconds within which the server must have imported math-verify."""
SERVER = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from mr1.judge.worker import serve; serve()"
"""What the server runs."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Worker:
    """A connection to one worker."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.questions = 0
        connection.settimeout(WALL + GRACE)

    def ask(self, question: bytes) -> bytes:
        """The answer; empty where the worker ended without one.

        Raises:
            TimeoutError: it neither answered nor ended.
        """
        self.questions += 1
        try:
            self.connection.sendall(question)
            return self.connection.recv(64)
        except TimeoutError:
            raise
        except OSError:
            return b""

    def end(self) -> None:
        """Let the worker go, even where a forked copy of this process still holds the connection."""
        with contextlib.suppress(OSError):  # it ended already
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Pool:
    """Workers on demand, and the server that makes them. All methods may be called from any thread."""

    def __init__(self) -> None:
        self.replaced = 0
        """Workers that ended before they answered."""
        self.server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def ask(self, rule: str, *arguments: str) -> Verdict:
        """A rule of `algebra.RULES` on strings.

        Returns:
            The rule's verdict; TIMEOUT where it took a processor longer than LIMIT; LOST where it took longer than WALL
            by the clock, or where TRIES workers ended without an answer.

        Raises:
            RuntimeError: the server can't be started: math-verify can't be imported.
        """
        question = json.dumps([rule, *arguments]).encode() + b"\n"
        for _ in range(TRIES):
            worker = self._take()
            try:
                answer = worker.ask(question)
            except TimeoutError:
                answer = Verdict.LOST.encode()
            if answer and (verdict := Verdict(answer.decode())) not in ENDED_BY.values():
                self._give_back(worker)
                return verdict
            worker.end()
            with self._lock:
                self.replaced += 1
            if answer:
                return verdict
        return Verdict.LOST

    def close(self) -> None:
        """End the server and the workers. The next question starts them anew."""
        with self._lock:
            for worker in self._idle:
                worker.end()
            self._disconnect()
            if self.server:
                try:
                    self.server.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    self.server.kill()
                    self.server.wait()
            self.server = None

    def forget(self) -> None:
        """In a forked copy of the process: let go of what belongs to the original."""
        self._lock = threading.Lock()  # another thread of the original may have held it
        self._disconnect()
        if self.server:
            self.server.returncode = 0  # not this process's child: there is nothing to wait for
        self.server = None

    def _disconnect(self) -> None:
        """Close this process's ends of all connections."""
        for worker in self._idle:
            worker.connection.close()
        self._idle = []
        if self._control:
            self._control.close()
        self._control = None

    def _take(self) -> _Worker:
        with self._lock:
            return self._idle.pop() if self._idle else self._fork()

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if worker.questions < QUESTIONS and len(self._idle) < CORES:
                self._idle.append(worker)
                return
        worker.end()

    def _fork(self) -> _Worker:
        """Have the server fork a worker; start the server where there is none. Called with the lock held."""
        mine, theirs = socket.socketpair()
        with theirs:
            for _ in range(2):
                if self._control is None or self.server is None or self.server.poll() is not None:
                    self._start()
                assert self._control is not None
                try:
                    socket.send_fds(self._control, [b"f"], [theirs.fileno()])
                    return _Worker(mine)
                except OSError:  # the server was killed
                    self._disconnect()
        raise RuntimeError("the judge's server ended as soon as it was started")

    def _start(self) -> None:
        """Start the server and wait until it has imported what workers need."""
        self._disconnect()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START)
        # The caller's sys.path, not its working directory, says where the modules are.
        path = json.dumps([entry or os.getcwd() for entry in sys.path])  # noqa: PTH109 - sys.path holds strings
        with theirs:
            self.server = subprocess.Popen(
                [sys.executable, "-P", "-c", SERVER, str(theirs.fileno()), path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is the caller's alone
            )
        try:
            ready = self._control.recv(1)
        except OSError:
            ready = b""
        if not ready:
            self.server.kill()
            self.server.wait()
            raise RuntimeError("the judge's server did not start; `python -c 'import math_verify'` says why")


POOL = Pool()
"""The process's pool. It starts with the first question that needs math-verify."""
atexit.register(POOL.close)
os.register_at_fork(after_in_child=POOL.forget)

ask = POOL.ask


def side_by_side(judge: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `judge` says of each item, in their order; as many are judged at once as there are cores.

    A thread that has asked a worker only waits. What `judge` does itself must be safe in several threads.
    """
    given = list(items)
    left = iter(range(len(given)))
    said: dict[int, Result] = {}

    def work() -> None:
        for place in left:  # a thread takes the next one when it has done one: one future for each costs five verdicts
            said[place] = judge(given[place])

    with ThreadPoolExecutor(CORES) as threads:
        for future in [threads.submit(work) for _ in range(CORES)]:
            future.result()
    return [said[place] for place in range(len(given))]
