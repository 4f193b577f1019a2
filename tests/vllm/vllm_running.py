"""Real vLLM servers of a test's own, and what was measured on them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

COMMAND = os.environ.get("MR1_VLLM", "")
"""Of vLLM's environment."""
START = 300.0
"""Seconds in which a server is up."""
FIGURES: list[str] = []
"""What was measured, for the end of the output."""


class Running:
    """A server of its own, by `mr1 serve`, which can be killed and started again."""

    def __init__(self, folder: Path, name: str, model: str = "tiny") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.model, self.log = model, folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to start; `wait` for it."""
        options = ["--port", str(self.port), "--device", "cpu", "--vllm", COMMAND]
        more = ["--max-model-len", "2048", "--max-num-seqs", "64"]
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mr1", "serve", self.model, *options, *more],
                env=os.environ | quiet | {"VLLM_CPU_OMP_THREADS_BIND": "nobind"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        assert self.process is not None
        end = time.monotonic() + START
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
                time.sleep(1)
        raise AssertionError(f"{self.url} is not up after {START:g} s: {self.log}")

    def kill(self) -> None:
        """At once, with all its processes."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
