"""The host's memory: what is freed is kept for the next tensor, and how much there is for something more."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`, from its malloc.h."""


def keep_freed_memory() -> None:
    """Let the allocator of a run on a CPU keep what is freed, instead of handing it back to the system.

    Every step makes the same large tensors again. Handed back, each of their pages is fetched and zeroed anew, which
    takes up to an eighth of an update. The process's peak stays the same; between peaks it holds more. Systems without
    glibc are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def spare_memory(system: Path = Path("/")) -> int | None:
    """Bytes of the host's memory that something more may take for a while, beside what this process takes at its most.

    What is free, in the machine and in the process's control group, less what the process has had before and may have
    again at once. None where the system doesn't say.

    Args:
        system: where its `/proc` and `/sys` are.
    """
    try:
        free = [1024 * int(_named(system / "proc/meminfo")["MemAvailable:"])]
        resident = int((system / "proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, KeyError, ValueError, IndexError):
        return None
    free += _left_to_groups(system)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return min(free) - max(peak - resident, 0)


def _left_to_groups(system: Path) -> Iterator[int]:
    """What the limit of each control group (version 2) that the process is in leaves; of files it holds, which can be
    dropped, none counts as taken."""
    with suppress(OSError, ValueError):
        path = (system / "proc/self/cgroup").read_text().splitlines()[-1].rpartition("::")[2]
        inner = system / "sys/fs/cgroup" / path.lstrip("/")
        for group in (inner, *inner.parents):
            with suppress(OSError, ValueError, KeyError):
                limit, taken = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
                yield limit - taken + int(_named(group / "memory.stat")["inactive_file"])


def _named(file: Path) -> dict[str, str]:
    """The first word behind each line's first."""
    return {words[0]: words[1] for line in file.read_text().splitlines() if len(words := line.split()) > 1}
