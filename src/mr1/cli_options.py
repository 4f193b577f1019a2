"""What several verbs have: options of how a model is loaded, and which of several processes speaks."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import typer

Dtype = Literal["float32", "bfloat16"]
DtypeOption = Annotated[
    Dtype | None, typer.Option(help="Of weights and forward; as a checkpoint was trained, else float32.")
]
MinPixels = Annotated[int | None, typer.Option(min=1, help="Smaller images are scaled up; the processor's own limit.")]
MaxPixels = Annotated[int | None, typer.Option(min=1, help="Larger images are scaled down; the processor's own limit.")]
MaxTiles = Annotated[int | None, typer.Option(min=1, help="Images are cut into no more; the processor's own limit.")]
Revision = Annotated[str | None, typer.Option(help="A branch, tag or commit on the hub.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")]


def given(
    dtype: Dtype | None,
    revision: str | None,
    trust_remote_code: bool,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    max_tiles: int | None = None,
) -> dict[str, Any]:
    """What the command line says of a model's loading; the rest is left to the model's folder."""
    limits = {"min_pixels": min_pixels, "max_pixels": max_pixels, "max_tiles": max_tiles}
    given = {"dtype": dtype, "revision": revision, **limits}
    named = {key: value for key, value in given.items() if value is not None}
    return {**named, "trust_remote_code": trust_remote_code}


def speaks() -> bool:
    """Whether this process is the one that says what all of them would say."""
    return os.environ.get("RANK", "0") == "0"
