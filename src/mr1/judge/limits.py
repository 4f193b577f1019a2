"""What a question may take in a worker process."""

from __future__ import annotations

import signal

from mr1.judge.verdict import Verdict

LIMIT = 0.5
"""Seconds of a processor's time that a question may take in a worker. A busy machine makes it wait, not fail."""
WALL = 30.0
"""Seconds by the clock, for what waits without computing; and a machine so busy says nothing of the question."""
MEMORY = 1 << 30
"""Bytes of address space of a worker, where the system can limit it (Linux)."""
RECURSION = 1000
"""Python's default, stated: R1-V ran with it, and a deeper expression would overflow the stack in the end."""

ENDED_BY = {signal.SIGPROF: Verdict.TIMEOUT, signal.SIGALRM: Verdict.LOST}
"""What a worker's end says of its question, by the signal of the timer that ended it."""
