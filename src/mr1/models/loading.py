"""Loading a model from a folder, the hub, or the package itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mr1.errors import UserError
from mr1.models.adapter import Adapter
from mr1.models.qwen2_vl import Qwen2VLAdapter
from mr1.models.vlm import VLM

BUNDLED = {"tiny": Path(__file__).parent / "tiny"}
"""Models that come with the package, by the name that a recipe gives them."""

ADAPTERS: dict[str, type[Adapter]] = {"qwen2_vl": Qwen2VLAdapter}


def model_path(name: str) -> str:
    """The folder of a bundled model, or the name itself: a local folder or a hub id.

    Raises:
        UserError: a local folder that holds no configuration, or no weights as safetensors.
    """
    if name in BUNDLED:
        return str(BUNDLED[name])
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"model: the folder {name} has no config.json; it is not a Hugging Face model folder")
        if not any(folder.glob("*.safetensors")):
            raise UserError(f"model: the folder {name} has no weights (*.safetensors)")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"model: there is no folder {name}")
    return name


def load_vlm(name: str) -> VLM:
    """Load a model in float32, on the GPU where there is one, and its processor.

    Args:
        name: a bundled model's name (`tiny`), a Hugging Face folder, or a hub id.

    Raises:
        UserError: no such model, no weights, or a processor that can't be had.
    """
    path = model_path(name)
    import torch
    import transformers
    from transformers import AutoModelForImageTextToText, AutoProcessor

    # Hugging Face's bars and remarks about loading would break into the run's own lines.
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        processor: Any = AutoProcessor.from_pretrained(path)
        model: Any = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model: {name} can't be loaded: {_first_line(error)}") from error
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    adapter = ADAPTERS.get(model.config.model_type, Adapter)
    return VLM(model, processor, adapter(model, processor.tokenizer.pad_token_id))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
