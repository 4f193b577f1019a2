"""The processor of a small model of any family: its real class, over the bundled tokenizer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from mr1.errors import MissingPackageError, UserError
from mr1.models.loading import BUNDLED
from mr1.models.processors import images_only, processor_class

TEXT_TOKENS = frozenset(
    {"bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "decoder_start_token", "user_token"}
)
"""Tokens that have nothing to do with images."""
SIDE, LARGE_SIDE = 56, 112
"""What image processors scale to, in pixels."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}PLACEHOLDER"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, with a family's image placeholder."""


def small_processor(family: str, config: Any, line: Mapping[str, Any]) -> Any:
    """A family's processor.

    Args:
        family: a `model_type` of transformers.
        config: the family's configuration, of which sizes of patches are taken.
        line: what `families.LINES` has for the family.

    Raises:
        UserError: transformers has no processor for the family, or one that needs a package that is missing.
    """
    cls, image_class = _classes(family, type(config), line)
    marks = _marks(cls, config) | line.get("marks", {})
    tokenizer = _tokenizer(marks, line.get("first"))
    image_processor = image_class(**_image_settings(image_class(), config) | line.get("image_processor", {}))
    arguments = inspect.signature(cls.__init__).parameters
    known = {name: _of_vision(config, name) for name in ("patch_size", "spatial_merge_size") if name in arguments}
    settings = {name: value for name, value in known.items() if value is not None}
    parts = [image_processor, tokenizer]
    processor = images_only(cls, ("video_processor", "feature_extractor")).from_args_and_dict(
        parts if [*arguments].index("image_processor") < [*arguments].index("tokenizer") else parts[::-1],
        settings | line.get("processor", {}),
    )
    # Some families tell images apart by what stands between them.
    image_token = getattr(processor, "image_token", None) or marks.get("image_token", "")
    placeholder = line.get("placeholder", f"{image_token}\n")
    written = "{{ bos_token }}" if line.get("template_first") else ""
    processor.chat_template = written + TEMPLATE.replace("PLACEHOLDER", placeholder.replace("\n", "{{ '\\n' }}"))
    return processor


def token_ids(config: Any, processor: Any, line: Mapping[str, Any]) -> dict[str, Any]:
    """The ids of a configuration's tokens, by the names that it has for them, and the vocabulary's size."""
    tokenizer = processor.tokenizer
    ids: dict[str, Any] = {"vocab_size": len(tokenizer), "vocab_size_per_layer_input": len(tokenizer)}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        ids[name] = getattr(tokenizer, name)
    for name, stem in _names(config).items():
        token = line.get("image_token", getattr(processor, "image_token", None)) if stem == "image_token" else None
        ids[name] = tokenizer.convert_tokens_to_ids(token) if token else getattr(tokenizer, f"{stem}_id")
    for name, tokens in line.get("tokens", {}).items():
        ids[name] = tokenizer.convert_tokens_to_ids(tokens)
    return ids


def _classes(family: str, config_class: Any, line: Mapping[str, Any]) -> tuple[Any, Any]:
    """Those of the processor and of its image processor."""
    import transformers
    from transformers.models.auto import image_processing_auto as auto
    from transformers.utils.import_utils import is_torchvision_available

    try:
        cls = (
            getattr(transformers, line["processor_class"])
            if "processor_class" in line
            else processor_class(config_class)
        )
    except ValueError as error:
        raise UserError(f"model: {error}") from error
    names = auto.IMAGE_PROCESSOR_MAPPING_NAMES.get(line.get("image_processor_of", family)) or {}  # type: ignore[attr-defined]
    for name in (names.get("pil"), names.get("torchvision")):
        image_class: Any = auto.get_image_processor_class_from_name(name) if name else None
        if image_class is not None and not getattr(image_class, "is_dummy", False) and not hasattr(cls, "is_dummy"):
            return cls, image_class
    if not is_torchvision_available() and names.get("torchvision"):
        raise MissingPackageError(f"model: the image processor of {family} needs the package torchvision; install it")
    raise UserError(f"model: {family}: no image processor")


def _marks(cls: Any, config: Any) -> dict[str, str]:
    """Special tokens that a processor asks its tokenizer for, is given by name, or that a configuration names."""
    source = inspect.getsource(cls)
    asked = set(re.findall(r"tokenizer\.(\w+_token)\b", source)) | set(re.findall(r'tokenizer, "(\w+_token)"', source))
    asked |= set(_names(config).values())
    marks = {
        name: f"<|{name.removesuffix('_token')}|>"
        for name in sorted(asked - TEXT_TOKENS)
        if not name.startswith("add_")
    }
    marks |= dict(re.findall(r"self\.(\w+_token) = [\"']([^\"']+)[\"']", source))
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name.endswith("_token") and isinstance(parameter.default, str):
            marks[name] = parameter.default
    return marks


def _names(config: Any) -> dict[str, str]:
    """What a configuration calls the id of a token, and the token's name."""
    found = {name: re.fullmatch(r"(\w+_token)_(?:id|index)", name) for name in vars(config)}
    return {name: match[1] for name, match in found.items() if match and match[1].lstrip("_") not in TEXT_TOKENS}


def _tokenizer(marks: Mapping[str, str], first: str | None) -> Any:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_file=str(BUNDLED["tiny"] / "tokenizer.json"),
        bos_token=first,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=dict(marks),
        clean_up_tokenization_spaces=False,
        model_max_length=32768,
    )
    if first:
        token = (first, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{first} $A", special_tokens=[token])
    return tokenizer


def _image_settings(usual: Any, config: Any) -> dict[str, Any]:
    """Small sizes in place of an image processor's usual ones; patches as the model's configuration has them."""
    settings: dict[str, Any] = {}
    for name in ("size", "crop_size"):
        if present := dict(getattr(usual, name, None) or {}):
            settings[name] = {key: _side(key, value) for key, value in present.items() if value is not None}
    for name in ("patch_size", "merge_size", "spatial_merge_size", "temporal_patch_size"):
        if (of_model := _of_vision(config, name)) is not None and getattr(usual, name, None) is not None:
            settings[name] = of_model
    for name, value in (("min_pixels", SIDE**2), ("max_pixels", LARGE_SIDE**2)):
        settings |= {name: value} if getattr(usual, name, None) is not None else {}
    return settings


def _side(name: str, usual: int) -> int:
    """A small edge; numbers that are no edges are pixels, whatever their names say."""
    edge = LARGE_SIDE if name in {"longest_edge", "max_height", "max_width"} else SIDE
    return edge if usual < 5000 else edge**2


def _of_vision(config: Any, name: str) -> Any:
    """A setting of the vision tower; Qwen and others say `spatial_merge_size` for what processors call `merge_size`."""
    vision = getattr(config, "vision_config", None)
    usual = getattr(vision, "spatial_merge_size", None) if name == "merge_size" else getattr(config, name, None)
    return getattr(vision, name, usual)
