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
import signal
import socket
import sys
import warnings

LIMIT = 0.5
"""Seconds that a question may take in a worker, by the clock."""
MEMORY = 1 << 30
"""Bytes of address space of a worker, where the system can limit it (Linux)."""
RECURSION = 1000
"""Python's default, stated: R1-V ran with it, and a deeper expression would overflow the stack in the end."""


def serve() -> None:
    """Fork a worker for each connection that comes through the control socket, until its other end is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # A process inherits what its parent blocked or ignored; the limit depends on SIGALRM ending the process.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries ended workers
    logging.disable()
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(RECURSION)
    from mr1.judge import algebra

    algebra.warm_up()
    gc.collect()
    gc.freeze()  # forked workers share these pages for as long as nothing touches them
    control.send(b"r")
    while True:
        _, connections, _, _ = socket.recv_fds(control, 1, 1)
        if not connections:
            return
        if os.fork() == 0:
            control.close()
            try:
                _work(socket.socket(fileno=connections[0]))
            finally:
                os._exit(0)
        os.close(connections[0])


def _work(connection: socket.socket) -> None:
    """Answer questions, a line of JSON each, until the caller closes the connection."""
    from mr1.judge.algebra import RULES
    from mr1.judge.verdict import Verdict

    _limit_memory()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what dying destructors print is of no use on the caller's terminal
    for line in connection.makefile("rb"):
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        try:
            rule, *arguments = json.loads(line)
            verdict = RULES[rule](*arguments)
        except Exception:  # whatever a hostile string can raise in sympy
            verdict = Verdict.FAILED
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.sendall(verdict.encode())


def _limit_memory() -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
