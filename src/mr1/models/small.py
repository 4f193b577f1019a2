"""Small random models of every family: real classes, real processor classes, no pretrained weights.

`python -m mr1.models.small FAMILY FOLDER` writes an ordinary Hugging Face folder of a few megabytes, to try settings
on or to test with. `--files SOURCE` takes the tokenizer, the chat template, the processor's settings and the token ids
from a checkpoint's files instead, so that prompts are those of the real model.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from mr1.models.loading import BUNDLED, quieten

LANGUAGE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 32768,
    "initializer_range": 0.05,
}
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}}
SIGLIP = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}

QWEN_MARKS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
}
IDEFICS_MARKS = {
    "image_token": "<image>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}
IDEFICS = {
    "marks": IDEFICS_MARKS,
    "placeholder": "<image>",
    "text_config": LANGUAGE | {"model_type": "llama"},
    "vision_config": SIGLIP | {"image_size": 56, "patch_size": 14},
    "image_processor": {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}},
    "processor": {"image_seq_len": 4},
}

OF_PROCESSOR = frozenset(
    {"marks", "image_token", "placeholder", "image_processor", "processor", "first", "template_first"}
)
"""Keys of a family that its configuration doesn't have."""

FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2_vl": {
        "marks": QWEN_MARKS,
        "text_config": LANGUAGE | MROPE,
        "vision_config": {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2},
        "image_processor": {"size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}},
    },
    "qwen2_5_vl": {
        "marks": QWEN_MARKS,
        "text_config": LANGUAGE | MROPE,
        "vision_config": {
            "depth": 2,
            "hidden_size": 32,
            "out_hidden_size": 64,
            "num_heads": 2,
            "intermediate_size": 64,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        "image_processor": {"size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}},
    },
    "qwen3_vl": {
        "marks": QWEN_MARKS,
        "text_config": LANGUAGE
        | {"rope_parameters": {**MROPE["rope_parameters"], "mrope_interleaved": True, "mrope_section": [4, 2, 2]}},
        "vision_config": {
            "depth": 2,
            "hidden_size": 32,
            "out_hidden_size": 64,
            "num_heads": 2,
            "intermediate_size": 64,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 256,
        },
        "image_processor": {
            "size": {"shortest_edge": 64 * 64, "longest_edge": 128 * 128},
            "patch_size": 16,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        },
    },
    "internvl": {
        "marks": {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        "image_token": "<IMG_CONTEXT>",
        "placeholder": "<IMG_CONTEXT>\n",
        "text_config": LANGUAGE,
        "vision_config": SIGLIP | {"image_size": [56, 56], "patch_size": [14, 14]},
        "image_seq_length": 4,
        "image_processor": {"size": {"height": 56, "width": 56}, "min_patches": 1, "max_patches": 4},
        "processor": {"image_seq_length": 4},
    },
    "llava_onevision": {
        "marks": {"image_token": "<image>", "video_token": "<video>"},
        "placeholder": "<image>\n",
        "text_config": LANGUAGE,
        "vision_config": SIGLIP
        | {"model_type": "siglip_vision_model", "image_size": 56, "patch_size": 14, "vision_use_head": False},
        "image_grid_pinpoints": [[56, 56], [56, 112], [112, 56], [112, 112]],
        "image_processor": {
            "size": {"height": 56, "width": 56},
            "image_grid_pinpoints": [[56, 56], [56, 112], [112, 56], [112, 112]],
        },
        "processor": {"num_image_tokens": 16, "vision_feature_select_strategy": "full"},
    },
    "smolvlm": IDEFICS,
    "idefics3": IDEFICS | {"first": "<|begin_of_text|>", "template_first": True},
    "gemma3": {
        "first": "<bos>",
        "template_first": True,
        "marks": {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        "image_token": "<image_soft_token>",
        "placeholder": "<start_of_image>",
        "text_config": LANGUAGE
        | {"num_hidden_layers": 3, "sliding_window": 16, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]},
        "vision_config": SIGLIP | {"image_size": 56, "patch_size": 14, "vision_use_head": False},
        "mm_tokens_per_image": 4,
        "image_processor": {"size": {"height": 56, "width": 56}},
        "processor": {"image_seq_length": 4},
    },
    "llava": {
        "first": "<s>",
        "marks": {"image_token": "<image>"},
        "placeholder": "<image>\n",
        "text_config": LANGUAGE | {"model_type": "llama"},
        "vision_config": SIGLIP | {"model_type": "clip_vision_model", "image_size": 56, "patch_size": 14},
        "image_processor": {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}},
        "processor": {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
}
"""For each family: its placeholders, and the settings in which the small model differs from the class's defaults.

`first` is a token that the family's tokenizers put before a text; by `template_first` its chat templates write it too.

`llava` stands for the families that have no adapter of their own.
"""


def build_small(family: str, folder: Path, files: Path | None = None, seed: int = 0) -> None:
    """Write a small random model of a family.

    Args:
        family: a key of `FAMILIES`, which is a `model_type` of transformers.
        folder: where the Hugging Face folder is written.
        files: a checkpoint's folder, without its weights, from which tokenizer, processor and token ids are taken.
        seed: of the weights.
    """
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    quieten()
    folder.mkdir(parents=True, exist_ok=True)
    if files is None:
        processor = _own_processor(family)
        tokenizer = processor.tokenizer
        tokens = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        config = _own_config(family, tokenizer, tokens)
        processor.save_pretrained(folder)
    else:
        config, tokens = _config_from(family, files)
        for file in files.iterdir():
            if file.is_file() and file.name != "config.json" and file.suffix in {".json", ".txt", ".jinja", ".model"}:
                shutil.copyfile(file, folder / file.name)
    torch.manual_seed(seed)
    model: Any = AutoModelForImageTextToText.from_config(config)
    model.generation_config = GenerationConfig(**tokens)
    model.save_pretrained(folder)


def _own_config(family: str, tokenizer: Any, tokens: dict[str, Any]) -> Any:
    """The family's configuration in small, over the bundled tokenizer."""
    from transformers import CONFIG_MAPPING

    small = FAMILIES[family]
    token = tokenizer.convert_tokens_to_ids
    marks = small["marks"]
    ids = {"image_token_id": token(small.get("image_token", marks.get("image_token")))}
    if "video_token" in marks:
        ids |= {"video_token_id": token(marks["video_token"])}
    if "vision_bos_token" in marks:
        ids |= {"vision_start_token_id": token(marks["vision_bos_token"])}
        ids |= {"vision_end_token_id": token(marks["vision_eos_token"])}
    if family == "gemma3":
        ids |= {"boi_token_index": token(marks["boi_token"]), "eoi_token_index": token(marks["eoi_token"])}
    others = {key: value for key, value in small.items() if key not in OF_PROCESSOR and key != "text_config"}
    text = small["text_config"] | {"vocab_size": len(tokenizer)} | tokens
    config_class: Any = CONFIG_MAPPING[family]
    return config_class(text_config=text, tie_word_embeddings=True, **ids, **others)


def _config_from(family: str, files: Path) -> tuple[Any, dict[str, Any]]:
    """A checkpoint's configuration with the family's small sizes; its vocabulary and token ids stay."""
    from transformers import CONFIG_MAPPING

    settings = json.loads((files / "config.json").read_text(encoding="utf-8"))
    kept = {key: value for key, value in settings.items() if key == "vocab_size" or key.endswith("_token_id")}
    kept["tie_word_embeddings"] = settings.get("tie_word_embeddings", True)
    tokens = {key: kept.get(key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    if (files / "generation_config.json").is_file():
        generation = json.loads((files / "generation_config.json").read_text(encoding="utf-8"))
        tokens |= {key: generation[key] for key in tokens if key in generation}
    small = FAMILIES[family]
    text = small["text_config"] | {"vocab_size": kept.pop("vocab_size")}
    text |= {key: kept.pop(key) for key in ("bos_token_id", "eos_token_id") if key in kept}
    config_class: Any = CONFIG_MAPPING[family]
    return config_class(text_config=text, vision_config=small["vision_config"], **kept), tokens


def _own_processor(family: str) -> Any:
    """The family's processor class over the bundled tokenizer, to which its placeholders are added."""
    from tokenizers.processors import TemplateProcessing
    from transformers import CONFIG_MAPPING, PreTrainedTokenizerFast
    from transformers.models.auto import image_processing_auto as auto

    from mr1.models.processors import processor_class, without_video

    small = FAMILIES[family]
    marks, first = small["marks"], small.get("first")
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_file=str(BUNDLED["tiny"] / "tokenizer.json"),
        bos_token=first,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=marks,
        clean_up_tokenization_spaces=False,
        model_max_length=32768,
    )
    if first:
        token = (first, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{first} $A", special_tokens=[token])
    names = auto.IMAGE_PROCESSOR_MAPPING_NAMES[family]  # type: ignore[attr-defined]
    image_processor_class: Any = auto.get_image_processor_class_from_name(names["pil"])
    placeholder = small.get("placeholder", "<|vision_start|><|image_pad|><|vision_end|>")
    written = "{{ bos_token }}" if small.get("template_first") else ""
    settings = small.get("processor", {}) | {"chat_template": written + _chat_template(placeholder)}
    parts = [image_processor_class(**small["image_processor"]), tokenizer]
    return without_video(processor_class(CONFIG_MAPPING[family])).from_args_and_dict(parts, settings)


def _chat_template(placeholder: str) -> str:
    """ChatML with a family's image placeholder."""
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}"
        + placeholder.replace("\n", "{{ '\\n' }}")
        + "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m mr1.models.small", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=Path, help="a checkpoint's folder: tokenizer, processor and token ids")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build_small(arguments.family, arguments.folder, arguments.files, arguments.seed)
    print(f"{arguments.folder}: a small random {arguments.family}")


if __name__ == "__main__":
    main()
