"""The command line's verb that measures whether models, and processes, are as they should be."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mr1.cli_options import DtypeOption, MaxPixels, MaxTiles, MinPixels, Revision, TrustRemoteCode, given, speaks
from mr1.cli_serve import check_served
from mr1.errors import UserError


def check(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Models; with --cluster a recipe, and settings put over it."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="A small model of every family that the installed transformers has.")
    ] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Whether the processes that torchrun has started can train a recipe.")
    ] = False,
    engine: Annotated[
        Literal["local", "vllm"], typer.Option(help="vllm: compare the model with what a vLLM server says of it.")
    ] = "local",
    server: Annotated[list[str] | None, typer.Option(help="Its address; may be given several times.")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="With a server: files or other sources to compare on; procedural tasks.")
    ] = None,
    dtype: DtypeOption = None,
    min_pixels: MinPixels = None,
    max_pixels: MaxPixels = None,
    max_tiles: MaxTiles = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Measure whether a model does under MR1 what it does under transformers, and how often images are encoded.

    With --cluster, whether processes can train together: as many as there are to be, devices, memory, versions, rows,
    the run's folder, clocks. mr1 launch --check starts it in all of them.

    With --all, whether and how each family of the installed transformers trains; exit code 1 where one that isn't
    refused differs from transformers.

    Examples:

      mr1 check Qwen/Qwen2-VL-2B-Instruct

      mr1 check Qwen/Qwen2-VL-2B-Instruct --engine vllm --server http://localhost:8000 --data problems.jsonl
    """
    if engine == "local" and (server or data):
        raise UserError("--server, --data: they are for --engine vllm")
    if every:
        _check_all()
        return
    if cluster:
        _check_cluster(models or [])
        return
    if not models:
        raise UserError("name a model, or give --all for a small one of every family")
    from mr1.models.check import check_model
    from mr1.models.loading import load_vlm
    from mr1.models.saved import own_loading
    from mr1.report.console import Console, check_table

    named = given(dtype, revision, trust_remote_code, min_pixels, max_pixels, max_tiles)
    if engine == "vllm":
        check_served(models, named, server or [], data or [])
        return
    checks = [check_model(load_vlm(name, own_loading(name, **named))) for name in models]
    Console().show(check_table(checks), whole=True)


def _check_all() -> None:
    from mr1.models.verdicts import all_verdicts, in_words
    from mr1.report.console import Console, verdict_table

    verdicts = list(all_verdicts())
    console = Console()
    console.show(verdict_table(verdicts), whole=True)
    console.say(in_words(verdicts))
    if not all(each.right for each in verdicts):
        raise typer.Exit(1)


def _check_cluster(arguments: list[str]) -> None:
    from mr1.config import load_config

    if not arguments:
        raise UserError("--cluster: name the recipe that is to be trained")
    config = load_config(arguments[0], arguments[1:])
    from mr1.parallel.cluster import check_cluster

    found = check_cluster(config)
    if speaks():
        for each in found:
            typer.echo(f"{'ok   ' if each.right else 'WRONG'}  {each.what}: {each.said}")
    if not all(each.right for each in found):
        raise typer.Exit(1)
