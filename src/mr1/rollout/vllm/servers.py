"""Several servers: requests go to whichever is free, and those of one that fails to another.

No request is ever given up alone: an answer that was lost because it was long would let the others' lengths decide what
is learned. Either all are answered, or the step ends with the reason, before anything was learned from it.

A server that fails is asked nothing more until it says that it is up. It is then given the present weights anew,
whatever it has: it may have been started again.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from statistics import median
from threading import Thread
from typing import Any

from mr1.errors import RolloutError
from mr1.rollout.vllm.server import FaultError, Server

LOOK, LONGEST_PAUSE = 2.0, 60.0
"""Seconds before a server that has failed is looked at again: twice as many each time, up to a minute."""
TICK = 0.2
"""Seconds between looks at what there is to do."""
ATTEMPTS = 5
"""How often one request may fail before the run ends: something in it may be what ends the servers."""
SLOW, ENOUGH = 4.0, 8
"""How many times as long as the fastest server's a request may take on another before that is said, by the medians of
so many requests."""

Ask = Callable[[Server], Any]
"""Sends one request and reads the answer. Raises FaultError or UserError."""

Prepare = Callable[[Server], None]
"""Gives a server the present weights. Raises FaultError or UserError."""


class ServersError(RolloutError):
    """No server is left, or none can answer a request."""


@dataclass(frozen=True)
class _Done:
    """What a thread has done."""

    server: Server
    number: int | None
    """Of the request; None where the server was given weights."""
    answer: Any
    """Or the exception."""
    seconds: float


class Servers:
    """See the module."""

    def __init__(self, servers: Sequence[Server], prepare: Prepare, say: Callable[[str], None]) -> None:
        """Ask nothing yet.

        Args:
            servers: at least one.
            prepare: called for a server whose version is None; of several at a time, each in a thread.
            say: what happens on the way, in a line.
        """
        assert servers, "the settings ask for one"
        self.servers, self.prepare, self.say = [*servers], prepare, say
        self.counts: Counter[str] = Counter()
        self._seconds = {server.url: deque[float](maxlen=100) for server in servers}
        self._said_slow: set[str] = set()

    def ask(self, asks: Sequence[Ask], at_once: int) -> list[Any]:
        """The answers, in the order of what is asked.

        Args:
            asks: requests.
            at_once: how many of them a server is given at a time.

        Raises:
            ServersError: no server has answered for as long as one may take, or a request failed everywhere.
            UserError: what no server will ever answer.
        """
        waiting, failed = deque(range(len(asks))), Counter[int]()
        done: Queue[_Done] = Queue()
        answers: dict[int, Any] = {}
        last_sign = time.monotonic()
        self.counts["asked"] += len(asks)
        for server in self.servers:
            server.running = 0  # of what was broken off nobody waits for an answer
        while len(answers) < len(asks):
            self._bring_up(done)
            while waiting and (free := self._free(at_once)):
                number = waiting.popleft()
                self._start(free, number, partial(asks[number], free), done)
            try:
                each = done.get(timeout=TICK)
            except Empty:
                if all(server.fault for server in self.servers):
                    self._give_up_after(last_sign)
                continue
            each.server.running -= 1
            if isinstance(each.answer, FaultError):
                self._fail(each.server, str(each.answer))
                if each.number is not None:
                    waiting.appendleft(each.number)
                    failed[each.number] += 1
                    self._give_up_on(failed[each.number])
            elif isinstance(each.answer, Exception):
                raise each.answer
            elif each.number is not None:
                answers[each.number] = each.answer
                self._seconds[each.server.url].append(each.seconds)
                each.server.faults, last_sign = 0, time.monotonic()
        self._warn_of_slow()
        return [answers[number] for number in range(len(asks))]

    def outdate(self) -> None:
        """The weights are others now."""
        for server in self.servers:
            server.version = None

    def _bring_up(self, done: Queue[_Done]) -> None:
        """Begin to give servers the present weights: those that lack them, and at times those that have failed."""
        for server in self.servers:
            if server.version is None and not server.running and time.monotonic() >= server.next_look:
                self._start(server, None, partial(self._prepared, server), done)

    def _prepared(self, server: Server) -> None:
        if server.fault and not server.is_up():
            raise FaultError(server.fault)
        self.prepare(server)
        if server.fault:
            server.fault = ""
            self.say(f"vLLM at {server} is up again, and has the present weights")

    def _free(self, at_once: int) -> Server | None:
        """The server that the fewest requests wait for; none before all that haven't failed have the weights, so that
        the first of them doesn't get everything."""
        sound = [server for server in self.servers if not server.fault]
        if any(server.version is None for server in sound):
            return None
        free = [server for server in sound if server.running < at_once]
        return min(free, key=lambda server: server.running, default=None)

    def _start(self, server: Server, number: int | None, act: Callable[[], Any], done: Queue[_Done]) -> None:
        def run() -> None:
            start = time.monotonic()
            try:
                answer = act()
            except Exception as error:
                answer = error
            done.put(_Done(server, number, answer, time.monotonic() - start))

        server.running += 1
        Thread(target=run, daemon=True).start()

    def _fail(self, server: Server, fault: str) -> None:
        """Ask a server nothing more for now, and say why, once for all the requests that it had."""
        self.counts["failed"] += 1
        if not server.fault:
            self.say(f"vLLM at {server} {fault}; its prompts go to the others")
        if not server.running:
            server.faults += 1
            pause = min(LOOK * 2 ** min(server.faults - 1, 10), LONGEST_PAUSE)
            server.next_look = time.monotonic() + pause
        server.fault, server.version = fault, None

    def _give_up_on(self, failures: int) -> None:
        """Raise where a request has failed too often."""
        if failures == ATTEMPTS:
            raise ServersError(f"rollout.servers: a request failed {ATTEMPTS} times; {self._faults()}")

    def _give_up_after(self, last_sign: float) -> None:
        """Raise where no server is left and none has come back for as long as an answer may take."""
        patience = max(server.timeout for server in self.servers)
        if time.monotonic() - last_sign > patience:
            raise ServersError(f"rollout.servers: none is left; {self._faults()}")

    def _faults(self) -> str:
        return "; ".join(f"{server} {server.fault or 'is up'}" for server in self.servers)

    def _warn_of_slow(self) -> None:
        """Say it once of a server whose requests take far longer than another's."""
        typical = {url: median(each) for url, each in self._seconds.items() if len(each) >= ENOUGH}
        for url, seconds in typical.items():
            least = min(typical.values())
            if seconds > SLOW * least and url not in self._said_slow:
                self._said_slow.add(url)
                self.say(f"vLLM at {url} is slow: {seconds:.1f} s for a request, {least:.1f} s elsewhere")
