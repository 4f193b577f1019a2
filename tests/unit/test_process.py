"""What a run sets in its process: how it is stopped, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from mr1.cli_stop import stoppable
from mr1.train.interrupt import SIGNALS, Interrupt, Stopped, TooLateError, stopping
from mr1.train.memory import keep_freed_memory, spare_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_stops(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interrupt() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(number)
        assert interrupt.asked
        assert (interrupt.stop().number, interrupt.stop().at_once) == (number, False)
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGTERM)
        assert (stopped.value.number, stopped.value.at_once) == (signal.SIGTERM, True)
    with stopping(), pytest.raises(Stopped, match=number.name):
        signal.raise_signal(number)
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_command_that_a_signal_stops_says_so_by_its_exit_code(number: signal.Signals, code: int) -> None:
    with pytest.raises(typer.Exit) as ended, stoppable():
        signal.raise_signal(number)
    assert ended.value.exit_code == code


def test_the_deadline_cuts_off_what_is_not_held() -> None:
    with Interrupt(grace=0.01) as interrupt:
        with interrupt.breakable():  # no signal, no deadline
            time.sleep(0.02)
        with interrupt.breakable():
            signal.raise_signal(signal.SIGUSR1)
            interrupt.hold()
            time.sleep(0.02)
        assert interrupt.late
        with pytest.raises(TooLateError), interrupt.breakable():
            raise AssertionError("it has passed")
    finished = []

    def finish_first() -> None:
        with interrupt.breakable(), interrupt.unbroken():
            signal.raise_signal(signal.SIGTERM)
            time.sleep(0.01)
            finished.append(interrupt.late)

    def work() -> None:
        with interrupt.breakable():
            signal.raise_signal(signal.SIGTERM)
            time.sleep(10)

    for task in (finish_first, work):
        with Interrupt(grace=0) as interrupt, pytest.raises(TooLateError, match="SIGTERM"):
            task()
    assert finished == [True]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


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


def test_memory_to_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spare_memory(tmp_path) is None
    files = {
        "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
        "proc/self/statm": "900 100 1",
        "proc/self/cgroup": "0::/jobs/one\n",
        "sys/fs/cgroup/jobs/memory.max": f"{6000 * 1024}\n",
        "sys/fs/cgroup/jobs/memory.current": f"{3000 * 1024}\n",
        "sys/fs/cgroup/jobs/memory.stat": f"anon 1\ninactive_file {1000 * 1024}\n",
        "sys/fs/cgroup/jobs/one/memory.max": "max\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(os, "sysconf", lambda _: 4096)
    for peak, taken_again in ((300, 0), (500, 100)):  # of 400 kB that are resident
        monkeypatch.setattr(resource, "getrusage", lambda _, peak=peak: SimpleNamespace(ru_maxrss=peak))
        assert spare_memory(tmp_path) == 1024 * (4000 - taken_again)
    (tmp_path / "sys/fs/cgroup/jobs/memory.max").write_text("max\n")
    assert spare_memory(tmp_path) == 1024 * 7900
