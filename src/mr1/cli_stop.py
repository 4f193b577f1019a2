"""How a command ends that was stopped on its way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from mr1.cli_options import speaks
from mr1.errors import GuardError
from mr1.train.interrupt import stopping


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a signal, or a guard, end the command with what there is to say of going on, by what is on the disk."""
    try:
        with stopping():
            yield
    except KeyboardInterrupt as stop:
        if speaks():
            typer.echo("\n".join(["stopped", *getattr(stop, "__notes__", ["nothing was written"])]), err=True)
        raise typer.Exit(128 + getattr(stop, "number", signal.SIGINT)) from None
    except GuardError as stop:
        if speaks():
            typer.echo("\n".join([f"stopped: {stop}", *getattr(stop, "__notes__", ())]), err=True)
        raise typer.Exit(3) from None
