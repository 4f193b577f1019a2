"""What is measured: a model's size, images, prompts and lengths; and the folder from which both sides read it.

The model is a randomly initialised Qwen2-VL in small. Its proportions are near those of Qwen2-VL-2B: an MLP 5.8 times
as wide as the hidden states (8960 / 1536), a vision tower as wide as the language model (there 1280 beside 1536), and a
vocabulary of 2048, so that the head is to the language model's layers as 1 to 10 at the base (there 1 to 6). Heads have
64 numbers (there 128 and 80), so that narrow models have several. Models of other families have the same widths.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEAD_WIDTH = 64
"""Numbers in an attention head, in both towers."""
PATCH, MERGE = 14, 2
"""Pixels on a patch's side; patches on the side of what becomes one image token."""
FAMILIES = {"qwen2_vl": PATCH, "gemma3": PATCH, "qwen3_5": 16, "qwen3_vl_moe": 16}
"""Those that may be measured, one of each way of making rows, with the pixels on a patch's side."""
VOCABULARY = 2048
QUESTION = "How many objects are in the picture?"


@dataclass(frozen=True)
class Work:
    """One setting. The defaults are the base, from which the others differ in one thing each."""

    pixels: int = 224
    """Side of the square images."""
    group_size: int = 8
    """G, completions of each prompt."""
    new_tokens: int = 32
    """Tokens of each completion; none ends sooner."""
    hidden: int = 256
    """Width of the hidden states, in both towers."""
    prompts: int = 2
    """Groups in a step."""
    language_layers: int = 4
    vision_layers: int = 4
    beta: float = 0.04
    """Weight of the KL term; above 0, so the reference is run."""
    family: str = "qwen2_vl"
    """A `model_type` of transformers, of those in `FAMILIES`."""

    @property
    def heads(self) -> int:
        """Attention heads, in both towers."""
        return self.hidden // HEAD_WIDTH

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values in the language model: half as many, for there is a group of queries to each."""
        return max(1, self.heads // 2)

    @property
    def intermediate(self) -> int:
        """Width of the language model's MLP, a multiple of 64."""
        return round(self.hidden * 8960 / 1536 / 64) * 64

    @property
    def patch(self) -> int:
        """Pixels on a patch's side."""
        return FAMILIES[self.family]

    @property
    def patches(self) -> int:
        """Patches of an image: what the vision tower sees."""
        return (self.pixels // self.patch) ** 2

    @property
    def image_tokens(self) -> int:
        """Tokens of an image: what the language model sees."""
        return self.patches // MERGE**2

    @property
    def completions(self) -> int:
        """Completions of a step."""
        return self.prompts * self.group_size

    def differs(self) -> str:
        """What sets it apart from the base, in words; `base` where nothing does."""
        base = asdict(Work())
        return ", ".join(f"{key} {value}" for key, value in asdict(self).items() if value != base[key]) or "base"


def on_gpu() -> bool:
    """Whether the work is done on a GPU, in bfloat16; else on the CPU, in float32."""
    import torch

    return torch.cuda.is_available()


def dtype_name() -> str:
    """Of weights and forward, by the machine."""
    return "bfloat16" if on_gpu() else "float32"


def prepare(work: Work, folder: Path, steps: int) -> None:
    """Write what both sides read: `model/`, `images/`, `data.jsonl` and `work.json`.

    Args:
        work: the setting.
        folder: empty, or not there yet.
        steps: so many steps have an image of their own for each prompt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_model(work, folder / "model")
    _write_data(work, folder, steps)
    (folder / "work.json").write_text(json.dumps(asdict(work) | {"steps": steps}), encoding="utf-8")


def read_work(folder: Path) -> tuple[Work, int]:
    """The work that a folder was made for, and its number of steps."""
    settings = json.loads((folder / "work.json").read_text(encoding="utf-8"))
    steps = settings.pop("steps")
    return Work(**settings), steps


def import_family(work: Work) -> None:
    """Import the code of the work's family."""
    import_module(f"transformers.models.{work.family}.modeling_{work.family}")


def model_config(work: Work, start: Any) -> Any:
    """A Qwen2-VL configuration of the work's size, made from that of a small model with its tokens."""
    text, vision = start.get_text_config(), start.vision_config
    text.hidden_size = vision.hidden_size = vision.embed_dim = work.hidden
    text.intermediate_size, text.vocab_size = work.intermediate, VOCABULARY
    text.num_hidden_layers, vision.depth = work.language_layers, work.vision_layers
    text.layer_types = ["full_attention"] * work.language_layers
    text.num_attention_heads = vision.num_heads = work.heads
    text.num_key_value_heads, text.head_dim, vision.mlp_ratio = work.kv_heads, HEAD_WIDTH, 4
    # A head has half as many angles as numbers; Qwen2-VL gives a quarter of them to time.
    text.rope_parameters = text.rope_parameters | {"mrope_section": [8, 12, 12]}
    text.initializer_range = 0.02
    return start


def sizes(work: Work) -> dict[str, Any]:
    """What a model of another family than Qwen2-VL has of the work's size, over its line in `models.small`."""
    heads = {"num_attention_heads": work.heads, "num_key_value_heads": work.kv_heads, "head_dim": HEAD_WIDTH}
    text: dict[str, Any] = {
        "hidden_size": work.hidden,
        "intermediate_size": work.intermediate,
        "num_hidden_layers": work.language_layers,
        "vocab_size": VOCABULARY,
        "initializer_range": 0.02,
        **heads,
    }
    vision: dict[str, Any] = {"hidden_size": work.hidden, "intermediate_size": 4 * work.hidden, "num_heads": work.heads}
    vision |= {"depth": work.vision_layers, "out_hidden_size": work.hidden}
    if work.family == "qwen3_5":  # three of four layers are recurrent, as in the real ones
        kinds = ["linear_attention"] * 3 + ["full_attention"]
        text["layer_types"] = (kinds * work.language_layers)[: work.language_layers]
        text["rope_parameters"] = {"mrope_section": [6, 5, 5]}
        text |= {"linear_num_key_heads": work.kv_heads, "linear_num_value_heads": work.heads}
        text |= {"linear_key_head_dim": HEAD_WIDTH, "linear_value_head_dim": HEAD_WIDTH}
    elif work.family == "qwen3_vl_moe":  # 2 of 8 experts, each a quarter as wide: an eighth of a real one's number
        text["rope_parameters"] = {"mrope_section": [12, 10, 10]}
        text |= {"num_experts": 8, "moe_intermediate_size": work.intermediate // 4}
    elif work.family == "gemma3":
        kinds = ["sliding_attention"] * 5 + ["full_attention"]
        text |= {"layer_types": (kinds * work.language_layers)[: work.language_layers], "sliding_window": 512}
        vision = {"hidden_size": work.hidden, "intermediate_size": 4 * work.hidden, "image_size": work.pixels}
        vision |= {"num_hidden_layers": work.vision_layers, "num_attention_heads": work.heads}
        return {
            "text_config": text,
            "vision_config": vision,
            "mm_tokens_per_image": work.image_tokens,
            "image_processor": {"size": {"height": work.pixels, "width": work.pixels}},
            "processor": {"image_seq_length": work.image_tokens},
        }
    return {"text_config": text, "vision_config": vision}


def _write_model(work: Work, folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    from mr1.models.processors import load_processor
    from mr1.models.small import build_small
    from mr1.models.small.families import LINES
    from mr1.models.small.sizes import merged

    if work.family == "qwen2_vl":
        build_small("qwen2_vl", folder)
        config: Any = model_config(work, AutoConfig.from_pretrained(folder))
    else:
        build_small(work.family, folder, line=merged(LINES[work.family], sizes(work)))
        config = AutoConfig.from_pretrained(folder)
    tokens = GenerationConfig.from_pretrained(folder)
    processor = load_processor(str(folder), config)
    if work.family != "gemma3":
        # In spite of their names these are numbers of pixels. The images stay as large as they are.
        processor.image_processor.size = {"shortest_edge": work.pixels**2, "longest_edge": work.pixels**2}
    processor.save_pretrained(folder)
    torch.manual_seed(0)
    model: Any = AutoModelForImageTextToText.from_config(config, dtype=getattr(torch, dtype_name()))
    model.generation_config = tokens
    model.save_pretrained(folder)


def _write_data(work: Work, folder: Path, steps: int) -> None:
    """A row for each prompt of each step: the same question, so that prompts are equally long, about another image."""
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(steps * work.prompts):
        name = f"images/{number:04d}.png"
        noise = rng.integers(0, 256, (work.pixels, work.pixels, 3), np.uint8)
        Image.fromarray(noise).save(folder / name, compress_level=1)
        rows.append({"id": str(number), "question": QUESTION, "answer": "0", "images": [name]})
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
