"""What a saved model's folder says about itself, beside its weights.

`mr1.json` keeps what neither the weights nor the processor's files tell: in what dtype, with which attention,
and whether in four bits it ran.
Whether code that comes with a model may be run is never kept: a folder must not decide that.

A folder of low-rank weights names the model under it and that model's commit (peft's own `adapter_config.json`), and
holds the processor as it was in training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mr1.config import Loading
from mr1.errors import UserError
from mr1.models.quantize import is_quantized
from mr1.whole import read_text

FILE = "mr1.json"
KEPT = ("dtype", "attention", "quantize")
"""Keys of `Loading` that the file may set; all others in it are left alone."""
ADAPTER = "adapter_config.json"
SHARDS = "shards"
PROCESSOR = ("processor_config.json", "preprocessor_config.json")


def write_loading(folder: Path, model: Any, dtype: Any) -> None:
    """Write down how a model that has been saved in `folder` ran, in which dtype."""
    settings = {"dtype": str(dtype).removeprefix("torch."), "attention": model.config._attn_implementation}
    if is_quantized(model):
        settings["quantize"] = "nf4"
    (folder / FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def own_loading(name: str, **given: Any) -> Loading:
    """How to load a model: as it is given, else as its folder says, else by the defaults.

    Raises:
        UserError: the folder's file can't be read.
    """
    path = Path(name) / FILE
    kept = _read(path) if path.is_file() else {}
    try:
        return Loading(**{key: kept[key] for key in KEPT if key in kept} | given)
    except ValidationError as error:
        raise UserError(
            f"model: {path}: {error.errors()[0]['loc'][0]} can't be {error.errors()[0]['input']!r}"
        ) from error


def is_adapter(name: str) -> bool:
    """Whether a model's name is a folder of low-rank weights."""
    return (Path(name) / ADAPTER).is_file()


def has_shards(folder: Path) -> bool:
    """Whether a checkpoint is one of several processes, whose weights are in parts (`train.shards`)."""
    return (folder / SHARDS).is_dir()


def base_of(folder: Path) -> tuple[str, str | None]:
    """The model that a folder's low-rank weights belong to: its name, and its commit where that is known.

    Raises:
        UserError: the folder doesn't say.
    """
    path = folder / ADAPTER
    settings = _read(path)
    if not isinstance(settings.get("base_model_name_or_path"), str):
        raise UserError(f"model: {path} has no base_model_name_or_path, the model that its weights belong to")
    return settings["base_model_name_or_path"], settings.get("revision")


def has_processor(folder: Path) -> bool:
    """Whether a folder holds a processor of its own."""
    return any((folder / name).is_file() for name in PROCESSOR)


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise UserError(f"model: {path} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise UserError(f"model: {path} holds no object")
    return settings
