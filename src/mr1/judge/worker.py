"""The workers' end of the pool: a server that forks, and the workers that it forks.

This is a process of its own, without torch and with one thread.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import resource
import select
import signal
import socket
import sys
import warnings

from mr1.judge.limits import ENDED_BY, LIMIT, MEMORY, RECURSION, WALL
from mr1.judge.verdict import Verdict


def serve() -> None:
    """Fork a worker for each connection that comes through the control socket, until its other end is closed.

    Where a timer ends a worker, the server answers in its place: nobody else can tell this end from others.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    # A process inherits what its parent blocked or ignored; the limits depend on these signals ending the process.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for ending in ENDED_BY:
        signal.signal(ending, signal.SIG_DFL)
    for asking in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):  # the caller's alone, whoever else they are sent to
        signal.signal(asking, signal.SIG_IGN)
    logging.disable()
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(RECURSION)
    from mr1.judge import algebra

    algebra.warm_up()
    gc.collect()
    gc.freeze()  # forked workers share these pages for as long as nothing touches them
    bell, rope = socket.socketpair()  # rings when a worker has ended
    rope.setblocking(False)
    signal.set_wakeup_fd(rope.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    workers: dict[int, socket.socket] = {}
    control.send(b"r")
    while True:
        ready, _, _ = select.select([control, bell], [], [])
        if bell in ready:
            bell.recv(4096)
            _bury(workers)
        if control in ready:
            _, connections, _, _ = socket.recv_fds(control, 1, 1)
            if not connections:
                signal.set_wakeup_fd(-1)  # the rope goes before the workers do
                return
            connection = socket.socket(fileno=connections[0])
            workers[_fork(connection, [control, bell, rope, *workers.values()])] = connection


def _fork(connection: socket.socket, others: list[socket.socket]) -> int:
    """Start a worker on a connection; it must not hold the others, or they would not close. Returns its number."""
    worker = os.fork()
    if worker == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in others:
                other.close()
            _work(connection)
        finally:
            os._exit(0)
    return worker


def _bury(workers: dict[int, socket.socket]) -> None:
    """Close the server's ends of ended workers' connections, and say on them which timer ended the worker."""
    while workers:
        worker, status = os.waitpid(-1, os.WNOHANG)
        if worker == 0:
            return
        with workers.pop(worker) as connection:
            if os.WIFSIGNALED(status) and (verdict := ENDED_BY.get(signal.Signals(os.WTERMSIG(status)))):
                with contextlib.suppress(OSError):  # the caller is gone
                    connection.send(verdict.encode(), socket.MSG_DONTWAIT)


def _work(connection: socket.socket) -> None:
    """Answer questions, a line of JSON each, until the caller closes the connection."""
    from mr1.judge.algebra import RULES

    _limit()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what dying destructors print is of no use on the caller's terminal
    for line in connection.makefile("rb"):
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        signal.setitimer(signal.ITIMER_REAL, WALL)
        try:
            rule, *arguments = json.loads(line)
            verdict = RULES[rule](*arguments)
        except Exception:  # whatever a hostile string can raise in sympy
            verdict = Verdict.FAILED
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.sendall(verdict.encode())


def _limit() -> None:
    """So much memory, and no process or thread of its own, where the system holds the user to that."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
