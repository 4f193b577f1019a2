"""What a run sets in its process: how it is stopped, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from mr1.train.interrupt import Interrupt
from mr1.train.memory import keep_freed_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")


def test_the_first_signal_asks_and_the_second_stops() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupt() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_polite_request_to_end_is_the_same() -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_thread_beside_the_main_one_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Interrupt() as interrupt:
            seen.append((signal.getsignal(signal.SIGINT), interrupt.asked))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()
    assert seen == [(before, False)]


def _resident() -> int:
    """Pages of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def _freed_and_kept(keep: bool) -> None:
    """Exits with 1 where 64 MiB that were freed are still this process's."""
    if keep:
        keep_freed_memory()
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    size, start = 64 * 2**20, _resident()
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(block, 1, size)
    libc.free(block)
    sys.exit(int((_resident() - start) * 4096 > size // 2))


@linux
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept(keep: bool) -> None:
    if keep:
        keep_freed_memory()  # here as well, so that a test that calls it is known to do so
    process = multiprocessing.get_context("spawn").Process(target=_freed_and_kept, args=(keep,))
    process.start()
    process.join()
    assert process.exitcode == int(keep)


def test_systems_without_glibc_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def without_mallopt(name: object) -> object:
        asked.append(name)
        return SimpleNamespace()

    monkeypatch.setattr(ctypes, "CDLL", without_mallopt)
    monkeypatch.setattr(sys, "platform", "linux")
    keep_freed_memory()  # musl has no mallopt
    assert asked == [None]
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    assert asked == [None]


def test_what_glibc_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def library(name: object) -> object:
        return SimpleNamespace(mallopt=lambda *given: asked.append((name, *given)))

    monkeypatch.setattr(ctypes, "CDLL", library)
    monkeypatch.setattr(sys, "platform", "linux")
    keep_freed_memory()
    assert asked == [(None, -4, 0), (None, -1, 2**31 - 1)]  # M_MMAP_MAX and M_TRIM_THRESHOLD of its malloc.h
