"""The command line's verb that starts several processes."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer


def launch(
    arguments: Annotated[list[str], typer.Argument(metavar="TRAIN'S ARGUMENTS", help="What mr1 train takes.")],
    processes: Annotated[int, typer.Option(min=1, help="Processes on this node; one for each GPU.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes; start the command on each of them.")] = 1,
    rendezvous: Annotated[str, typer.Option(help="HOST:PORT of the first node, where there are several.")] = "",
    restarts: Annotated[int, typer.Option(min=0, help="Times that all are started again after one has failed.")] = 0,
    check: Annotated[bool, typer.Option(help="Look whether they could train, and end: mr1 check --cluster.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Print the command; start nothing.")] = False,
) -> None:
    """Train with several processes, as torchrun starts them: `mr1 train` in each, with the same arguments.

    Signals reach all of them, and the exit code is that of the process that failed first. With --restarts they go on by
    themselves from the latest checkpoint, so give --resume as well; not after a mistake, a guard or a signal.

    Examples:

      mr1 launch --processes 8 counting-grpo-d model=Qwen/Qwen2-VL-2B-Instruct

      mr1 launch --processes 8 --check counting-grpo-d model=Qwen/Qwen2-VL-2B-Instruct

      mr1 launch --processes 8 --nodes 2 --rendezvous node-0:29500 --restarts 3 my-recipe.yaml -- --resume
    """
    from mr1.errors import UserError

    if nodes > 1 and not rendezvous:
        raise UserError("--rendezvous: several nodes meet at one of them; give its HOST:PORT")
    meeting = ["--standalone"]
    if nodes > 1:
        meeting = ["--nnodes", str(nodes), "--rdzv-backend", "c10d", "--rdzv-endpoint", rendezvous]
    verb = ["check", "--cluster"] if check else ["train"]
    torchrun = ["--nproc-per-node", str(processes), *meeting, "-m", "mr1", *verb, *arguments]
    if dry:
        typer.echo(shlex.join([sys.executable, "-m", "torch.distributed.run", *torchrun]))
        return
    from mr1.parallel.launching import start

    raise typer.Exit(start(torchrun, restarts))
