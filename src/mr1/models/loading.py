"""Loading a model from a folder, the hub, or the package itself."""

from __future__ import annotations

from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from mr1.config import Loading
from mr1.errors import UserError
from mr1.models.layers import use_faster_layers
from mr1.models.quantize import dequantize, quantize
from mr1.models.refused import refuse
from mr1.models.saved import base_of, has_processor, has_shards, is_adapter
from mr1.models.vlm import VLM
from mr1.whole import LARGEST_FILE
from mr1.writing import size

BUNDLED = {"tiny": Path(__file__).parent / "tiny"}
"""Models that come with the package, by the name that a recipe gives them."""

TEXTS = (".json", ".jinja", ".txt", ".model")
"""Endings of what transformers reads whole in a model's folder."""
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def model_path(name: str) -> str:
    """The folder of a bundled model, or the name itself: a local folder or a hub id.

    Raises:
        UserError: a local folder that isn't there, holds no configuration, or one of absurd size.
    """
    if name in BUNDLED:
        return str(BUNDLED[name])
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"model: the folder {name} has no config.json; it is not a Hugging Face model folder")
        for file in folder.iterdir():
            if file.suffix in TEXTS and file.stat().st_size > LARGEST_FILE:
                raise UserError(f"model: {file} has {size(file.stat().st_size)}, which no such file has; take another")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"model: there is no folder {name}")
    return name


def load_vlm(
    name: str, loading: Loading | None = None, weights: bool = True, processor: str | None = None, dense: bool = False
) -> VLM:
    """Load a model and its processor, on the GPU where there is one.

    Args:
        name: a bundled model's name (`tiny`), a Hugging Face folder, a hub id, or a folder of low-rank weights that
            peft wrote, which are put on the model that they were trained on, with the processor beside them.
        loading: how, as it stands; `saved.own_loading` asks the folder. The defaults where it is None.
        weights: False for a model that is shapes alone, on torch's meta device; it makes prompts, but can't be run.
        processor: the folder whose processor is taken; None for the model's own.
        dense: whether weights that `loading.quantize` rounds to four bits are made whole again.

    Raises:
        UserError: no such model, no weights as safetensors, no image processor, a model that reads no images.
    """
    loading = loading or Loading()
    if has_shards(Path(name)):
        return _of_several(Path(name), loading, weights, dense)
    if is_adapter(name):
        from mr1.models.lora import load_lora, merge_lora

        own = name if has_processor(Path(name)) else None
        base = load_vlm(*_under(name, loading), weights, processor or own, dense)
        # Merged in, low-rank weights change no shape.
        return load_lora(merge_lora(base), Path(name)) if weights else base
    path = model_path(name)
    if weights:
        _require_weights(name, path)
    quieten()
    commit = _commit(path, loading.revision)
    loading = loading.model_copy(update={"revision": commit or loading.revision})
    options: dict[str, Any] = {"revision": loading.revision or "main", "trust_remote_code": loading.trust_remote_code}
    config = load_model_config(name, loading)
    made = _processor(processor or name, processor or path, config, options)
    model: Any = _read_model(name, path, config, loading, options) if weights else _shapes(config, loading)
    model.eval()
    adapter = make_adapter(model, made.tokenizer)
    if loading.quantize:
        quantize(model, adapter)
        if dense:
            dequantize(model)
    use_faster_layers(model)
    vlm = VLM(model, made, adapter, commit=commit)
    if loading.max_tiles:
        vlm.adapter.limit_tiles(made, loading.max_tiles)
    if loading.min_pixels or loading.max_pixels:  # where tiles have pixels, too, these lower their number further
        vlm.adapter.limit_pixels(made, loading.min_pixels, loading.max_pixels)
    vlm.adapter.follow(made)
    return vlm


def _of_several(folder: Path, loading: Loading, weights: bool, dense: bool) -> VLM:
    """The policy that several processes have saved: the model that their run began with, and what has learned."""
    from mr1.config import read_config
    from mr1.models.policy import make_policy
    from mr1.train.shards import read_weights

    config = read_config(folder / "run.yaml")
    commit = loading.model_copy(update={"revision": config.loading.revision})
    vlm = load_vlm(config.model, commit, weights, str(folder), dense)
    if weights:
        read_weights(folder, make_policy(vlm, config))
    return vlm


def quieten() -> None:
    """Switch off Hugging Face's bars and remarks, which would break into the run's own lines."""
    from transformers.utils import logging

    # peft imports bitsandbytes wherever it is installed, which then says what kernels it would like to have.
    getLogger("bitsandbytes").setLevel(ERROR)
    logging.disable_progress_bar()
    logging.set_verbosity_error()


def make_adapter(model: Any, tokenizer: Any) -> Any:
    """The adapter of a model's family."""
    from mr1.models.adapter import Adapter
    from mr1.models.families import ADAPTERS

    return ADAPTERS.get(model.config.model_type, Adapter)(model, tokenizer)


def load_model_config(name: str, loading: Loading) -> Any:
    """The model's configuration alone; of a folder of low-rank weights, that of the model under it.

    Raises:
        UserError: there is no such model, it needs code of its own, its family can't be trained, or it reads no images.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    while is_adapter(name):
        name, loading = _under(name, loading)
    path = model_path(name)
    try:
        config = AutoConfig.from_pretrained(
            path, revision=loading.revision or "main", trust_remote_code=loading.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise UserError(
                f"model: {name} needs code from its own repository; read it, then set loading.trust_remote_code=true"
            ) from error
        where = "can't be read" if Path(path).is_dir() else "is no folder, and can't be had from the hub"
        raise UserError(f"model: {name} {where}: {_first_line(error)}") from error
    refuse(config.model_type)
    own_code = "AutoModelForImageTextToText" in (getattr(config, "auto_map", None) or {})
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not own_code:
        raise UserError(
            f"model: {name} is of the family '{config.model_type}', which reads no images; choose a vision-language "
            "model, such as Qwen/Qwen2-VL-2B-Instruct"
        )
    return config


def _commit(path: str, revision: str | None) -> str | None:
    """What a revision of a model on the hub stands for at present; None for a folder, or where that can't be known."""
    from transformers.utils.hub import resolve_revision

    return None if Path(path).is_dir() else getattr(resolve_revision(path, revision or "main"), "resolved", None)


def _under(name: str, loading: Loading) -> tuple[str, Loading]:
    """The model under a folder of low-rank weights, and how to load it: at the commit that they were trained on."""
    base, revision = base_of(Path(name))
    return base, loading.model_copy(update={"revision": revision or loading.revision})


def _read_model(name: str, path: str, config: Any, loading: Loading, options: dict[str, Any]) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText

    from mr1.models.determinism import be_deterministic

    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            path,
            config=config,
            dtype=getattr(torch, loading.dtype),
            attn_implementation=_attention(config, loading),
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except SafetensorError as error:
        raise UserError(f"model: {name} has a damaged *.safetensors file: {_first_line(error)}") from error
    except (OSError, ValueError, ImportError) as error:
        if "safetensors" in str(error):
            raise UserError(_pickled(name, "no *.safetensors")) from error
        raise UserError(f"model: {name} can't be loaded: {_first_line(error)}") from error
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        # transformers would fill them with random numbers.
        raise UserError(
            f"model: the weights of {name} lack {len(missing)} that its config.json asks for, such as {missing[0]}; do "
            "they belong together?"
        )
    be_deterministic()
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _attention(config: Any, loading: Loading) -> str:
    """`loading.attention`, but eager where a family has nothing else."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    known = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    model_class: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)] if known else None
    return "eager" if known and not model_class._supports_sdpa else loading.attention


def _shapes(config: Any, loading: Loading) -> Any:
    """The model without weights, on the meta device."""
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(
            config,
            dtype=getattr(torch, loading.dtype),
            attn_implementation=_attention(config, loading),
            trust_remote_code=loading.trust_remote_code,
        )


def _require_weights(name: str, path: str) -> None:
    """Raise for a local folder without safetensors; what the hub has is seen when it is loaded."""
    folder = Path(path)
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        pickled = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
        raise UserError(
            _pickled(name, pickled[0]) if pickled else f"model: the folder {name} has no weights (*.safetensors)"
        )


def _processor(name: str, path: str, config: Any, options: dict[str, Any]) -> Any:
    from mr1.models.processors import load_processor

    lacking = (
        f"model: {name} has no image processor (preprocessor_config.json); take it from the model that this one was "
        "made from"
    )
    try:
        processor = load_processor(path, config, **options)
    except (OSError, ValueError, ImportError, TypeError) as error:
        if "load image processor" in str(error):
            raise UserError(lacking) from error
        raise UserError(f"model: the processor of {name} can't be loaded: {_first_line(error)}") from error
    if not hasattr(processor, "image_processor"):
        raise UserError(lacking)
    if not (getattr(processor, "chat_template", None) or processor.tokenizer.chat_template):
        raise UserError(
            f"model: {name} has no chat template (chat_template.jinja); choose a model that was tuned for "
            "instructions, or add one"
        )
    return processor


def _pickled(name: str, found: str) -> str:
    return (
        f"model: {name} has pickled weights only ({found}), and unpickling can run any code; convert them, by "
        "save_pretrained of transformers, to *.safetensors"
    )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
