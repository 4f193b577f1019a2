"""The command line's verb that starts a server for rollouts."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mr1.errors import UserError

OPTIONS_OF_ITS_OWN = {"allow_extra_args": True, "ignore_unknown_options": True}
PROMPTS = 8
"""Of each task or source on which a server is compared."""


def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A bundled model (tiny), a Hugging Face folder, or a hub id.")],
    port: Annotated[int, typer.Option(help="Where it listens.")] = 8000,
    host: Annotated[
        str, typer.Option(help="The address it listens at. Whoever reaches it can change the weights.")
    ] = "127.0.0.1",
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Of the weights; the run's loading.dtype.")
    ] = "float32",
    device: Annotated[Literal["gpu", "cpu"], typer.Option(help="What the server is to be on.")] = "gpu",
    vllm: Annotated[Path | None, typer.Option(help="vLLM's command; the one that is on the path.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the command instead of running it.")] = False,
) -> None:
    """Start a vLLM server for rollout.engine=vllm, in the place of this process. Further options are vLLM's own.

    vLLM is not among MR1's packages: it has an environment of its own.

    Examples:

      mr1 serve Qwen/Qwen2-VL-2B-Instruct --dtype bfloat16 --vllm ~/vllm/bin/vllm --max-model-len 4096

      mr1 train counting-grpo-d rollout.engine=vllm "rollout.servers=[http://localhost:8000]"
    """
    from mr1.rollout.vllm.serve import command, environment, find_vllm, served

    found = str(vllm or "vllm") if show else find_vllm(vllm)
    words = command(found, served(model), port, host, dtype, device, context.args)
    variables = environment(device)
    if show:
        typer.echo(" ".join([*(f"{name}={value}" for name, value in variables.items()), shlex.join(words)]))
        return
    os.execvpe(words[0], words, os.environ | variables)  # nosec B606


def check_served(models: list[str], given: dict[str, Any], servers: list[str], data: list[str]) -> None:
    """Compare a model with servers that have it, on rows of data or else of the procedural tasks.

    Raises:
        UserError: a model, data or servers that there are not; a server that computes something else.
    """
    if len(models) != 1 or not servers:
        raise UserError("--engine vllm: name one model, and by --server the address of a server that has it")
    from mr1.config import PROMPT
    from mr1.endpoint.settings import check_address
    from mr1.evaluate.select import Choice, measurements
    from mr1.models.loading import load_vlm
    from mr1.models.saved import own_loading
    from mr1.report.console import Console, comparison_table
    from mr1.rollout.vllm.comparison import compare
    from mr1.rollout.vllm.server import Server
    from mr1.train.guards import ROUNDING

    for url in servers:
        check_address("--server", url)
    loading = own_loading(models[0], **given)
    choice = Choice(None, PROMPTS, 1, 1.0, None, PROMPT, "strict", None)
    chosen = measurements([] if data else ["counting", "geometry"], data, choice)
    vlm = load_vlm(models[0], loading)
    prompts = [
        vlm.prompt(each.task.sample(each.split, 0, index), PROMPT) for each in chosen for index in range(each.samples)
    ]
    found = [compare(vlm, Server(url, 600.0), prompts, PROMPT) for url in servers]
    Console().show(comparison_table(found), whole=True)
    if any(each.gap > ROUNDING[loading.dtype] for each in found):
        raise UserError(
            f"--server: the log-probs differ by more than rounding explains ({ROUNDING[loading.dtype]:.0e})"
        )
