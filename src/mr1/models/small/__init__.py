"""Small random models of every family: real classes, real processor classes, no pretrained weights.

`python -m mr1.models.small FAMILY FOLDER` writes an ordinary Hugging Face folder of a few megabytes, to try settings
on or to test with. `--files SOURCE` takes the tokenizer, the chat template, the processor's settings and the token ids
from a checkpoint's files instead, so that prompts are those of the real model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mr1.errors import MissingPackageError, UserError
from mr1.models.loading import quieten
from mr1.models.refused import refuse
from mr1.models.small.families import LINES, OF_PROCESSOR
from mr1.models.small.processing import small_processor, token_ids
from mr1.models.small.sizes import small_config

LARGEST = 100_000_000
"""Parameters of a model that still counts as small."""


def families() -> list[str]:
    """Every `model_type` that the installed transformers makes text of images with."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return sorted(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)


def build_small(
    family: str, folder: Path, files: Path | None = None, seed: int = 0, line: Mapping[str, Any] | None = None
) -> None:
    """Write a small random model of a family.

    Args:
        family: a `model_type` of transformers.
        folder: where the Hugging Face folder is written.
        files: a checkpoint's folder, without its weights, from which tokenizer, processor and token ids are taken.
        seed: of the weights.
        line: what the family needs beside the general recipe, and what is to be otherwise; its own where it is None.

    Raises:
        UserError: the family can't be trained, or has no small model.
    """
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    refuse(family)
    quieten()
    folder.mkdir(parents=True, exist_ok=True)
    line = LINES.get(family, {}) if line is None else line
    settings = {"tie_word_embeddings": True} | {key: line[key] for key in line.keys() - OF_PROCESSOR}
    if files is None:
        shape = small_config(family, {}, settings)
        processor = small_processor(family, shape, line)
        tokens = token_ids(shape, processor, line)
        processor.save_pretrained(folder)
    else:
        tokens = _tokens_of(files)
        for file in files.iterdir():
            if file.is_file() and file.name != "config.json" and file.suffix in {".json", ".txt", ".jinja", ".model"}:
                shutil.copyfile(file, folder / file.name)
    # Some configurations have no default for a token's id.
    settings |= {name: tokens[name] for name in line.get("tokens", ()) if name in tokens}
    config = small_config(family, tokens, settings)
    try:
        with torch.device("meta"):
            size = sum(weight.numel() for weight in AutoModelForImageTextToText.from_config(config).parameters())
    except ImportError as error:
        raise MissingPackageError(f"model: {family}: {' '.join(str(error).split())}") from error
    if size > LARGEST:
        raise UserError(
            f"model: a small {family} would have {size / 1e6:,.0f} M parameters, because its configuration has other "
            "names for its sizes"
        )
    torch.manual_seed(seed)
    model: Any = AutoModelForImageTextToText.from_config(config)
    _let_images_through(model)
    ends = {name: tokens[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id") if name in tokens}
    model.generation_config = GenerationConfig(**ends)
    model.save_pretrained(folder)


def _let_images_through(model: Any) -> None:
    """Larger weights for timm's convolutions: of an image nothing would be left behind many of its usual ones."""
    from torch import nn

    for tower in model.modules():
        if type(tower).__name__ == "TimmWrapperModel":
            for module in tower.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)


def _tokens_of(files: Path) -> dict[str, Any]:
    """Ids of a checkpoint's tokens and the size of its vocabulary, by the names that its configuration has for them."""
    config = json.loads((files / "config.json").read_text(encoding="utf-8"))
    given = config.get("text_config", {}) | config
    tokens = {
        key: value
        for key, value in given.items()
        if key.startswith("vocab_size") or key.endswith(("_token_id", "_token_index"))
    }
    if (files / "generation_config.json").is_file():
        generation = json.loads((files / "generation_config.json").read_text(encoding="utf-8"))
        tokens |= {
            key: generation[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id") if key in generation
        }
    return tokens
