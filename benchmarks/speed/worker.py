"""A side in its own process, and the lines that it and the driver exchange.

The driver writes a command (`time`, `count` or `quit`) and waits; the side makes one step and writes a JSON object. So
only one of several sides ever computes. The side's first line, when all is loaded, is what is to be known of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Channel:
    """The side's end. What libraries print goes to the standard error from here on."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def command(self) -> str:
        """Wait for the driver; `quit` where it is gone."""
        return sys.stdin.readline().strip() or "quit"


class Worker:
    """The driver's end."""

    def __init__(self, side: str, folder: Path, *options: str) -> None:
        """Start the side on a prepared folder; it is loaded once `ready` has returned."""
        self.log = folder / f"{side}.log"
        command = [sys.executable, "-m", f"benchmarks.speed.{side}_side", str(folder), *options]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=environment
            )

    def ready(self) -> dict[str, Any]:
        """Wait until all is loaded; returns what is to be known of the side."""
        return self._read()

    def step(self, command: str = "time") -> dict[str, Any]:
        """One step's figures; with `count`, work counts too."""
        assert self.process.stdin is not None, "it is a pipe"
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the side; all that it had in memory is gone."""
        self.process.kill()
        self.process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None, "it is a pipe"
        line = self.process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"a side ended:\n{self.log.read_text(encoding='utf-8')[-3000:]}")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def running(side: str, folder: Path, *options: str) -> Iterator[Worker]:
    """A side that is ended when the block is left."""
    worker = Worker(side, folder, *options)
    try:
        yield worker
    finally:
        worker.close()
