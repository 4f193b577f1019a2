"""The configuration of a small model of any family, from the family's own configuration class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LANGUAGE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 32768,
    "initializer_range": 0.05,
    # windows
    "sliding_window": 16,
    # experts
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_k": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    # keys and values of low rank
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    # linear attention
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
"""What a small language model has, where its family has such a setting."""
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "embed_dim": 32,
    "width": 32,
    "intermediate_size": 64,
    "depth": 2,
    "num_hidden_layers": 2,
    "num_layers": 2,
    "num_heads": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "mlp_ratio": 2,
    "out_hidden_size": LANGUAGE["hidden_size"],
    "text_hidden_size": LANGUAGE["hidden_size"],
    "projection_dim": 32,
}
"""What everything else has: vision towers, and what stands behind them."""
WINDOWS = {"num_hidden_layers": 3, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]}
"""Layers of a language model, of which two look back no farther than a window."""
LANGUAGES = re.compile(r"text|llm|language|decoder|thinker")
"""Names of the configurations that are language models."""


def small_config(family: str, tokens: Mapping[str, int], line: Mapping[str, Any]) -> Any:
    """A family's configuration in small.

    Args:
        family: a `model_type` of transformers.
        tokens: ids by the names that configurations have for them; the language model's has `vocab_size` as well.
        line: settings that the family needs beside the common ones, in its configuration's own tree.
    """
    from transformers import CONFIG_MAPPING

    config_class: Any = CONFIG_MAPPING[family]
    return config_class(**merged(_small(config_class(**line), tokens), line))


def merged(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of settings with another one over it."""
    both = {**settings}
    for name, value in over.items():
        known = both.get(name)
        both[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return both


def _small(config: Any, tokens: Mapping[str, int], vision: bool = False) -> dict[str, Any]:
    """The small settings of a configuration and of those within it, whose present ones tell what there is to set."""
    parts = {name: part for name in config.sub_configs if (part := getattr(config, name, None)) is not None}
    small: dict[str, Any] = {} if vision else {name: id for name, id in tokens.items() if hasattr(config, name)}
    if not parts:
        for name, value in (VISION if vision else LANGUAGE).items():
            small |= {name: _like(present, value)} if (present := _present(config, name)) is not None else {}
    # Each head has keys of its own, and a part of its width rotates.
    if {"kv_lora_rank", "num_attention_heads"} <= small.keys():
        small |= {"head_dim": small["qk_rope_head_dim"], "num_key_value_heads": small["num_attention_heads"]}
    rotary = _present(config, "rope_parameters")
    if isinstance(rotary, dict) and "mrope_section" in rotary:
        third = int(LANGUAGE["head_dim"] * rotary.get("partial_rotary_factor", 1)) // 6
        turned = int(LANGUAGE["head_dim"] * rotary.get("partial_rotary_factor", 1)) // 2
        small["rope_parameters"] = rotary | {"mrope_section": [turned - 2 * third, third, third]}
    for name, part in parts.items():
        small[name] = {"model_type": part.model_type, **_small(part, tokens, LANGUAGES.search(name) is None)}
    return small


def _present(config: Any, name: str) -> Any:
    """A setting's value; None where there is no such setting, or one that differs between layers."""
    try:
        return getattr(config, name, None)
    except (ValueError, RuntimeError):
        return None


def _like(present: Any, value: Any) -> Any:
    """A number in the form of the one that is there."""
    if isinstance(present, list | tuple):
        return [_like(each, value) for each in present]
    return float(value) if isinstance(present, float) else value
