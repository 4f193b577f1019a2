"""One run of a study, in a process of its own: `python -m mr1.study.child SETTINGS.yaml`.

It ends when the process that started it ends, however that happens: nobody would take up what it goes on with, and the
study, started again, could not have the run's folder.
"""

from __future__ import annotations

import os
import sys
import threading

from mr1.errors import GuardError, UserError

GRACE = 60.0
"""Seconds for a process of the study before, which was killed, to let go of the run's folder."""


def _end_with_parent() -> None:
    """Wait for the end of standard input, which the parent holds open as long as it lives, and end the process."""
    # Not through `sys.stdin`: its lock, held by this thread, would be missed when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


def run(settings: str) -> None:
    """Train by these settings, from the latest checkpoint where there is one, and write the run's record."""
    from mr1.config import load_config
    from mr1.folders import wait_until_free
    from mr1.library.training import run as train
    from mr1.report.console import Console
    from mr1.study.record import make_record, write_record

    config = load_config(settings)
    wait_until_free(config.folder, GRACE)
    train(config, "resume", Console())
    write_record(config.folder, make_record(config.folder))


def main() -> None:
    """Exit with 1 where the run did not come to its end; why stands in its log."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run(sys.argv[1])
    except (UserError, GuardError, KeyboardInterrupt) as stop:
        print("\n".join([f"stopped: {stop}", *getattr(stop, "__notes__", ())]), file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
