"""Starting vLLM's own server with the options that the engine needs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mr1.errors import UserError
from mr1.models.loading import model_path
from mr1.models.saved import is_adapter
from mr1.whole import read_text

Device = Literal["gpu", "cpu"]

NEEDED = {
    "--enable-scale-out": "tokens in, tokens out",
    "--logprobs-mode=processed_logprobs": "log-probs of what is drawn from, not of the model's raw output",
    "--no-mm-device-do-normalize": "pixels as the trainer has normalised them",
    "--generation-config=vllm": "no sampling settings of the model's own",
}
"""Options of `vllm serve`, and what for."""
ON_CPU = {
    "--enforce-eager": "nothing is compiled",
    "--no-enable-chunked-prefill": "a CPU's random generators can't be set back, as after a part of a prompt",
}
VIDEO = "video_preprocessor_config.json"


def command(vllm: str, model: str, port: int, host: str, dtype: str, device: Device, more: Sequence[str]) -> list[str]:
    """What is run, as words of a command line.

    Args:
        vllm: the command of vLLM's environment.
        model: a folder or a hub id.
        port: where it listens.
        host: the address it listens at.
        dtype: of the weights; what the run has as `loading.dtype`.
        device: what the server is to be on.
        more: options of vLLM's own, as they are.
    """
    options = [*NEEDED, *(ON_CPU if device == "cpu" else ())]
    return [vllm, "serve", model, f"--host={host}", f"--port={port}", f"--dtype={dtype}", *options, *more]


def environment(device: Device) -> dict[str, str]:
    """Variables that are set where the user hasn't set them: routes that change weights, and a CPU's memory for keys
    and values, in GiB."""
    wanted = {"VLLM_SERVER_DEV_MODE": "1"} | ({"VLLM_CPU_KVCACHE_SPACE": "1"} if device == "cpu" else {})
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def find_vllm(given: Path | None) -> str:
    """The command to run. Raises UserError where there is none."""
    found = shutil.which(given or "vllm")
    if found is None:
        raise UserError(
            f"{given or 'vllm'}: there is no such command; install vllm==0.32.0 in an environment of its own, and name "
            "its command by --vllm"
        )
    return found


def served(model: str) -> str:
    """The folder or hub id that vLLM can load a model from.

    vLLM asks a Qwen2-VL for what it does with videos. For a folder whose processor knows of images alone, such as the
    bundled model's, that is a passing one of links to its files, with the images' settings for both.

    Raises:
        UserError: a folder that isn't there, or of low-rank weights alone.
    """
    if is_adapter(model):
        raise UserError(
            f"{model}: it holds low-rank weights alone; serve the model under them, the run gives it the rest"
        )
    folder = Path(path := model_path(model))
    own = folder / "processor_config.json"
    if not own.is_file() or (folder / VIDEO).is_file():
        return path
    settings = json.loads(read_text(own))
    images = settings.get("image_processor", {})
    if "video_processor" in settings or images.get("image_processor_type") != "Qwen2VLImageProcessor":
        return path
    links = Path(tempfile.mkdtemp(prefix="mr1-serve-"))
    for file in folder.iterdir():
        (links / file.name).symlink_to(file.resolve())
    video = {key: value for key, value in images.items() if key != "image_processor_type"}
    video["video_processor_type"] = "Qwen2VLVideoProcessor"
    (links / VIDEO).write_text(json.dumps(video, indent=2) + "\n", encoding="utf-8")
    return str(links)
