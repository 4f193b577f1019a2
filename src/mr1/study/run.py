"""Runs a study: every run of its grid that is not done yet, so many at a time, each in a process of its own.

What is done is on the disk, run by run, and nowhere else: a study that was stopped, however it was, goes on where its
runs are when it is started again. A run is done when its folder has the record (`record.py`) that tables are made of.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from mr1.config import dump_config
from mr1.errors import UserError, note
from mr1.folders import OutputFolder
from mr1.report.console import Console
from mr1.study.fair import check_fair, check_measured
from mr1.study.grid import Cell, Placed, first_candidates, runs_of, study_cells, tuning_cells
from mr1.study.live import Screen
from mr1.study.progress import Progress
from mr1.study.record import Record, read_record
from mr1.study.settings import Study
from mr1.study.tuning import Tried, choose, chosen
from mr1.train.checkpoint import Checkpoints
from mr1.train.interrupt import Interrupt
from mr1.train.run import CELL
from mr1.writing import write_text

POLL = 1.0
"""Seconds between looks at the runs."""


def run_study(study: Study, jobs: int, console: Console) -> tuple[list[Placed], list[Tried]]:
    """Run what is not done yet.

    Args:
        study: what to run.
        jobs: runs at a time; each has its share of the cores.
        console: shows how far it has come.

    Returns:
        The record of every cell of the grid and the sweeps, and what tuning has tried.

    Raises:
        UserError: settings that can't be those of a run, methods that are not equal; a run that failed (the others are
            done all the same).
        KeyboardInterrupt: the user asked to stop; the runs under way have been saved.
    """
    check_study(study)
    folder = OutputFolder(study.folder, "study", (), key="name")
    folder.claim("resume")
    try:
        trials = _finish(study, tuning_cells(study), jobs, console)
        tried = choose(study, trials)
        return _finish(study, study_cells(study, chosen(tried)), jobs, console), tried
    finally:
        folder.release()


def results_so_far(study: Study) -> tuple[list[Placed], list[Tried]]:
    """The same as `run_study` gives, of the runs that are done."""
    tried = choose(study, finished(tuning_cells(study)))
    return finished(study_cells(study, chosen(tried))), tried


def check_study(study: Study) -> None:
    """Raise UserError where the study can't be run, or would not be fair. All of its settings are read."""
    cells = [*tuning_cells(study), *study_cells(study, first_candidates(study))]
    check_measured(study, cells)
    check_fair(study, cells)


def finished(cells: Sequence[Cell]) -> list[Placed]:
    """Those cells whose run is done, each with its record."""
    return [(cell, read_record(cell.config.folder)) for cell in cells if _is_done(cell)]


def seconds_of(record: Record) -> float:
    """What a run took in training and validation."""
    return record.cost.training + record.cost.evaluation


def _is_done(cell: Cell) -> bool:
    return (cell.config.folder / CELL).is_file()


def _finish(study: Study, cells: list[Cell], jobs: int, console: Console) -> list[Placed]:
    """Run those that are not done, and give the records of all."""
    runs = [Progress(cell) for cell in runs_of(cells)]
    for run in runs:
        _look(run)
    waiting = [run for run in runs if run.status != "done"]
    if waiting:
        console.say(f"{len(runs)} runs, {len(runs) - len(waiting)} of them done; {jobs} at a time, in {study.cells}")
        failed = _Pool(study, runs, jobs, console).run_all(waiting)
        if failed:
            logs = "\n".join(f"  {run.cell.title}: {_log(study, run.cell)}" for run in failed)
            raise UserError(
                f"{len(failed)} of {len(runs)} runs failed; started again, the study tries them again:\n{logs}"
            )
    return finished(cells)


def _look(run: Progress) -> None:
    """Find out what the disk says of a run."""
    run.look()
    if _is_done(run.cell):
        run.status, run.seconds = "done", seconds_of(read_record(run.cell.config.folder))


def _log(study: Study, cell: Cell) -> Path:
    """What a run's process says."""
    return study.folder / "logs" / f"{cell.run}.log"


class _Pool:
    """So many processes at a time."""

    def __init__(self, study: Study, runs: list[Progress], jobs: int, console: Console) -> None:
        self.study, self.jobs, self.console = study, jobs, console
        self.screen = Screen(console, runs, jobs)
        self.processes: dict[int, tuple[Progress, subprocess.Popen[bytes]]] = {}
        """By the place, 0 to `jobs` - 1, that they have."""

    def run_all(self, waiting: list[Progress]) -> list[Progress]:
        """Run them in their order; returns those that failed."""
        left = [*waiting]
        (self.study.folder / "logs").mkdir(exist_ok=True)
        with self.screen.open(), Interrupt() as interrupt:
            try:
                while left or self.processes:
                    if interrupt.asked:
                        raise interrupt.stop()
                    for place in sorted({*range(self.jobs)} - self.processes.keys()):
                        if left:
                            self._start(place, left.pop(0))
                    time.sleep(POLL)
                    self._collect()
            except BaseException as stop:
                self._stop()
                note(stop, "the runs under way were saved; started again, the study goes on with them")
                raise
        return [run for run in waiting if run.status == "failed"]

    def _start(self, place: int, run: Progress) -> None:
        cell = run.cell
        settings = self.study.folder / "logs" / f"{cell.run}.yaml"
        write_text(settings, dump_config(cell.config))
        saved = Checkpoints(cell.config.folder / "checkpoints", keep=1).steps()
        with _log(self.study, cell).open("ab") as log:
            process = run_child(settings, log, share_of_machine(place, self.jobs))
        run.status, run.started, run.begun_at = "running", time.monotonic(), saved[-1] if saved else 0
        self.processes[place] = (run, process)
        self.screen.begun(run)

    def _collect(self) -> None:
        """See which have ended."""
        for place, (run, process) in [*self.processes.items()]:
            run.look()
            if process.poll() is None:
                continue
            del self.processes[place]
            if process.stdin:
                process.stdin.close()
            run.status = "failed"
            if process.returncode == 0:
                _look(run)
                if not run.begun_at:
                    run.seconds = time.monotonic() - run.started
            self.screen.ended(run)
        self.screen.refresh()

    def _stop(self) -> None:
        """Let the runs finish their step and save it; a second Ctrl-C ends them at once."""
        for _, process in self.processes.values():
            process.terminate()
        try:
            for _, process in self.processes.values():
                process.wait()
        except KeyboardInterrupt:
            for _, process in self.processes.values():
                process.kill()


def run_child(settings: Path, log: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a run by a file of settings.

    Its standard input is held open by this process alone: it ends where this one does. A Ctrl-C on the terminal is ours
    to pass on, so that it comes once.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "mr1.study.child", str(settings)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
        start_new_session=True,
    )


def share_of_machine(place: int, jobs: int) -> dict[str, str]:
    """Environment variables that give one of so many processes its cores, and its GPU where there are some."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = {"OMP_NUM_THREADS": str(max(1, cores // jobs))} if jobs > 1 else {}
    if torch.cuda.is_available() and jobs > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = seen.split(",") if seen else [*map(str, range(torch.cuda.device_count()))]
        share["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]
    return share
