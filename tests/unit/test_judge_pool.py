"""The judge's bounds: any string, in any thread, on a busy machine too, whatever happens to the processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mr1.judge import r1v, strict
from mr1.judge.limits import LIMIT
from mr1.judge.pool import CORES, Pool, side_by_side
from mr1.judge.truth import Truth
from mr1.judge.verdict import Verdict

BOUND = 1.0
"""Seconds of a processor's time in the caller; what a worker takes is the kernel's to end."""
RULES = Truth(("",)).dumps()
SURD = ("strict", r"2\sqrt{3}", r"\sqrt{12}", RULES)
TOWER = ("strict", "9^{9^{9}}", "7x", RULES)

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def pool() -> Iterator[Pool]:
    """A pool of the test's own, started."""
    pool = Pool()
    assert pool.ask(*SURD) is Verdict.RIGHT
    yield pool
    pool.close()


def _server(pool: Pool) -> int:
    assert pool.server is not None
    return pool.server.pid


def _workers(pool: Pool) -> list[int]:
    server = _server(pool)
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ends(*pids: int) -> bool:
    deadline = time.monotonic() + 5
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(_alive, pids))


HOSTILE = {
    "tower": "9**9**9",
    "tower in LaTeX": "9^{9^{9}}",
    "factorials": "((10!)!)!",
    "parentheses": "(" * 2000 + "1" + ")" * 2000,
    "braces": "{" * 5000,
    "blanks": " " * 100_000,
    "blanks and a number": " " * 30_000 + "7",
    "a long number": "7" * 30_000,
    "a longer number": "7" * 100_000,
    "continued fraction": r"\frac{1}{1+" * 200 + "1" + "}" * 200,
    "short continued fraction": r"\frac{1}{1+" * 36 + "x" + "}" * 36,
    "open tags": "<answer>" * 4000,
    "many tags": "<answer>7</answer>" * 50_000,
    "line ends in tags": "<answer>\n" * 3000,
    "null bytes": "\0" * 400,
    "a lone surrogate": "\ud8007\udfff",
    "dollars": "$" * 30_000,
    "boxes": r"\boxed{" * 4000,
    "digits and operators": "1+" * 15_000,
    "matrix": r"$\begin{pmatrix}" + "&".join("1" * 5000) + r"\end{pmatrix}$",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_string_gets_a_verdict(name: str) -> None:
    text = HOSTILE[name]
    for judge in (
        lambda: strict.judge(f"<answer>{text}</answer>", "7x"),
        lambda: strict.judge("<answer>√7</answer>", text),
        lambda: r1v.tagged_integer(text, "7"),
        lambda: r1v.whole_output("so it is 7", text),
        lambda: r1v.training_reward(text, "7x"),
    ):
        start = time.process_time()
        assert judge() not in (Verdict.FAILED, Verdict.LOST)
        assert time.process_time() - start < BOUND


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=80), st.sampled_from(["7", "2√{3}", "x+1", "B"]))
def test_any_string_gets_a_verdict(text: str, truth: str) -> None:
    start = time.process_time()
    assert strict.judge(f"<answer>{text}</answer>", truth) is not Verdict.LOST
    assert strict.judge_answer(truth, text) is not Verdict.LOST
    assert r1v.training_reward(text, truth) is not Verdict.LOST
    assert time.process_time() - start < BOUND


@settings(max_examples=150, deadline=None)
@given(st.text("0123456789.,+-*/^=()[]{}\\ √π°%$xABcm\nfrac", max_size=40))
def test_any_formula_gets_a_verdict(text: str) -> None:
    start = time.process_time()
    assert strict.judge_answer(text, "2√{3}") is not Verdict.LOST
    assert strict.judge_answer("2√{3}", text) is not Verdict.LOST
    assert time.process_time() - start < BOUND


def test_plain_answers_need_no_worker() -> None:
    code = (
        "import sys; from mr1.judge import strict; from mr1.judge.pool import POOL\n"
        "for answer, truth in (('7', '7'), ('7.0', '8'), ('70°', '70'), ('1/2', '0.5'), ('red', 'red'), ('B.', 'B')):\n"
        "    strict.judge_answer(answer, truth)\n"
        "print(POOL.server, 'math_verify' in sys.modules, 'torch' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed.split() == ["None", "False", "False"]


def test_killed_workers_in_a_row_are_replaced_by_the_same_server(pool: Pool) -> None:
    server = _server(pool)
    for number in range(1, 4):
        assert pool.ask(*TOWER) is Verdict.TIMEOUT
        assert pool.replaced == number
    assert pool.ask(*SURD) is Verdict.RIGHT
    assert _server(pool) == server


def test_threads_have_workers_of_their_own(pool: Pool) -> None:
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda number: pool.ask(*(TOWER if number % 2 else SURD)), range(6)))
    assert verdicts == [Verdict.RIGHT, Verdict.TIMEOUT] * 3


@linux
def test_a_question_that_gets_no_processor_waits_and_others_do_not_wait_for_it(pool: Pool) -> None:
    (worker,) = _workers(pool)
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(pool.ask, *SURD)
        time.sleep(LIMIT + 0.3)
        assert pool.ask(*SURD) is Verdict.RIGHT
        assert not waiting.done()
        os.kill(worker, signal.SIGCONT)
        assert waiting.result() is Verdict.RIGHT
    assert pool.replaced == 0


RULES = """
import json, sys, time
sys.path[:] = json.loads(sys.argv[2])
from mr1.judge import algebra, worker
from mr1.judge.verdict import Verdict

def spin(seconds):
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass
    return Verdict.RIGHT

def sleep(seconds):
    time.sleep(float(seconds))
    return Verdict.RIGHT

def end(number):
    worker.os.kill(worker.os.getpid(), int(number))

algebra.RULES |= {"spin": spin, "sleep": sleep, "end": end}
worker.WALL = WALL or worker.WALL
worker.serve()
"""
"""A server whose workers have further rules: to take a processor's time, to take time, and to end."""


def test_a_busy_machine_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mr1.judge.pool.SERVER", RULES.replace("WALL or", "0 or"))
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(4 * CORES)
    ]
    pool = Pool()
    try:
        assert pool.ask("spin", "0") is Verdict.RIGHT
        start = time.monotonic()
        assert pool.ask("spin", "0.3") is Verdict.RIGHT
        assert time.monotonic() - start > LIMIT  # it could not have by the clock
        assert pool.ask("spin", "60") is Verdict.TIMEOUT
    finally:
        for each in busy:
            each.kill()
            each.wait()
        pool.close()


def test_what_waits_without_computing_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mr1.judge.pool.SERVER", RULES.replace("WALL or", "0.3 or"))
    pool = Pool()
    assert pool.ask("sleep", "60") is Verdict.LOST
    assert pool.replaced == 1
    pool.close()


@linux
@pytest.mark.parametrize("ending", [signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_dies_of_its_question_is_lost(monkeypatch: pytest.MonkeyPatch, ending: signal.Signals) -> None:
    monkeypatch.setattr("mr1.judge.pool.SERVER", RULES.replace("WALL or", "0 or"))
    pool = Pool()
    assert pool.ask("end", str(int(ending))) is Verdict.LOST
    assert pool.replaced == 3
    assert pool.ask(*SURD) is Verdict.RIGHT
    pool.close()


def test_what_was_lost_is_asked_again_and_what_was_decided_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([Verdict.LOST, Verdict.TIMEOUT])
    monkeypatch.setattr("mr1.judge.strict.ask", lambda *_: next(said))
    for expected in (Verdict.LOST, Verdict.TIMEOUT, Verdict.TIMEOUT):
        assert strict.judge_answer("asked again 3√5 + 1", "3√5 + y") is expected


def test_as_many_are_judged_at_once_as_there_are_cores_and_in_their_order() -> None:
    together = threading.Barrier(CORES, timeout=30)

    def judge(number: int) -> int:
        together.wait()
        return number

    assert side_by_side(judge, range(3 * CORES)) == [*range(3 * CORES)]
    assert side_by_side(judge, []) == []


def test_a_failure_of_one_is_the_failure_of_all() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 / number, [1, 0, 2])


def test_a_callers_alarm_is_left_alone() -> None:
    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        assert strict.judge_answer("√18", "3√2") is Verdict.RIGHT
        assert strict.judge_answer("9^{9^{9}}", "7y") is Verdict.TIMEOUT
        assert not rung.is_set()
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 60
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert rung.wait(5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@linux
def test_a_worker_killed_from_outside_is_replaced_unnoticed(pool: Pool) -> None:
    for pid in _workers(pool):
        os.kill(pid, signal.SIGKILL)
        assert _ends(pid)
    assert pool.ask(*SURD) is Verdict.RIGHT
    assert pool.replaced == 1


@linux
def test_signals_that_ask_a_job_to_end_leave_its_workers_at_work(pool: Pool) -> None:
    """They may be sent to all of a job's processes; the step that is under way is finished first."""
    assert pool.ask(*SURD) is Verdict.RIGHT
    before = [_server(pool), *_workers(pool)]
    for pid in before:
        for asking in (signal.SIGTERM, signal.SIGUSR1):
            os.kill(pid, asking)
    assert pool.ask(*SURD) is Verdict.RIGHT
    assert [_server(pool), *_workers(pool)] == before


@linux
def test_a_server_killed_from_outside_is_started_anew(pool: Pool) -> None:
    for pid in (*_workers(pool), _server(pool)):
        os.kill(pid, signal.SIGKILL)
    assert pool.ask(*SURD) is Verdict.RIGHT


@linux
def test_a_worker_that_stays_stopped_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mr1.judge.pool.WALL", 0.0)
    monkeypatch.setattr("mr1.judge.pool.GRACE", 0.3)
    pool = Pool()
    pool.ask(*SURD)
    for worker in (workers := _workers(pool)):
        os.kill(worker, signal.SIGSTOP)
    assert pool.ask(*SURD) is Verdict.LOST
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    pool.close()


@linux
def test_memory_and_processes_are_limited(pool: Pool) -> None:
    (worker,) = _workers(pool)
    limits = Path(f"/proc/{worker}/limits").read_text()
    assert "Max address space         1073741824" in limits
    assert "Max processes             0 " in limits


def test_no_answer_is_run(tmp_path: Path) -> None:
    """Not as Python, which computer algebra could be made to read, nor by a shell; a fork bomb is a text."""
    ran = tmp_path / "ran"
    for text in (
        f"__import__('os').system('touch {ran}')",
        f"S(\"__import__('os').system('touch {ran}')\")",
        f"open('{ran}', 'w')",
        f"$(touch {ran})",
        f"\\write18{{touch {ran}}}",
        f":(){{ touch {ran}; :|:& }};:",
    ):
        for said in (text, f"${text}$"):
            for verdict in (strict.judge(f"<answer>{said}</answer>", "7x"), r1v.whole_output(said, "7x")):
                assert verdict not in (Verdict.RIGHT, Verdict.FAILED, Verdict.LOST)
    assert not ran.exists()


@linux
def test_closing_ends_every_process_and_the_next_question_starts_them_anew(pool: Pool) -> None:
    pids = [_server(pool), *_workers(pool)]
    pool.close()
    assert _ends(*pids)
    assert pool.ask(*SURD) is Verdict.RIGHT


CALLER = """
import os, sys, time
from mr1.judge.pool import POOL
assert POOL.ask({!r}, *{!r}) == "right"
server = POOL.server.pid
workers = open(f"/proc/{{server}}/task/{{server}}/children").read().split()
print(server, *workers, flush=True)
time.sleep(60)
"""


@linux
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_workers_die_with_their_caller(ending: signal.Signals) -> None:
    code = CALLER.format(SURD[0], SURD[1:])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        assert caller.stderr is not None
        pids = [int(pid) for pid in caller.stdout.readline().split()]
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, signal.SIGINT)  # as Ctrl-C sends it to a group: the workers ignore it
        caller.send_signal(ending)
        errors = caller.stderr.read()
    assert _ends(*pids)
    assert "judge" not in errors


@linux
def test_a_forked_copy_of_the_caller_has_workers_of_its_own(pool: Pool) -> None:
    before = _server(pool)
    reader, writer = os.pipe()
    os.register_at_fork(after_in_child=pool.forget)
    child = os.fork()
    if child == 0:
        try:
            verdict = pool.ask(*SURD)
            os.write(writer, f"{verdict} {_server(pool)}".encode())
            pool.close()
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    said, server = os.read(reader, 100).decode().split()
    os.close(reader)
    assert said == Verdict.RIGHT
    assert int(server) != before
    assert pool.ask(*SURD) is Verdict.RIGHT
    assert _server(pool) == before


@linux
def test_the_fuzzer_finds_nothing_in_a_few_strings() -> None:
    command = [sys.executable, str(Path(__file__).parents[2] / "benchmarks" / "fuzz_judge.py")]
    ran = subprocess.run(
        [*command, "--strings", "200", "--json"], capture_output=True, text=True, check=True, timeout=120
    )
    result = json.loads(ran.stdout)
    assert sum(result["verdicts"].values()) == result["strings"] == 200
    assert "lost" not in result["verdicts"]


def test_a_worker_is_let_go_after_so_many_questions(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mr1.judge.pool.QUESTIONS", 3)
    for _ in range(10):
        assert pool.ask(*SURD) is Verdict.RIGHT
    assert pool.replaced == 0
