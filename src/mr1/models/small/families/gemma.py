"""Lines of Gemma 3 and 4, and of PaliGemma."""

from __future__ import annotations

from typing import Any

from mr1.models.small.sizes import WINDOWS

GEMMA_MARKS = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
GEMMA4_TEXT = {
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "head_dim": 16,
    "global_head_dim": 32,
    "num_key_value_heads": 2,
    "num_global_key_value_heads": 1,
    "attention_k_eq_v": True,
    "num_kv_shared_layers": 2,
    "use_double_wide_mlp": True,
    "use_bidirectional_attention": "vision",
    "final_logit_softcapping": 30.0,
}
GEMMA4 = {
    "first": "<bos>",
    "template_first": True,
    "marks": {
        "boi_token": "<|image>",
        "eoi_token": "<image|>",
        "image_token": "<|image|>",
        "boa_token": "<|audio>",
        "eoa_token": "<audio|>",
        "audio_token": "<|audio|>",
    },
    "image_token": "<|image|>",
    "placeholder": "\n\n<|image|>\n\n",
    "text_config": GEMMA4_TEXT,
    "image_processor": {"patch_size": 8, "pooling_kernel_size": 2, "max_soft_tokens": 70},
}

LINES: dict[str, dict[str, Any]] = {
    "gemma3": {
        "first": "<bos>",
        "template_first": True,
        "marks": GEMMA_MARKS,
        "image_token": "<image_soft_token>",
        "placeholder": "<start_of_image>",
        "text_config": WINDOWS,
        "vision_config": {"vision_use_head": False},
        "mm_tokens_per_image": 4,
        "processor": {"image_seq_length": 4},
    },
    "gemma4": GEMMA4
    | {
        "text_config": GEMMA4_TEXT
        | {
            "hidden_size_per_layer_input": 8,
            "enable_moe_block": True,
            "num_experts": 4,
            "top_k_experts": 2,
            "moe_intermediate_size": 32,
        },
        "vision_config": {
            "patch_size": 8,
            "pooling_kernel_size": 2,
            "position_embedding_size": 128,
            "head_dim": 16,
            "use_clipped_linears": True,
            "standardize": True,
        },
    },
    "gemma4_unified": GEMMA4
    | {
        "vision_config": {
            "patch_size": 8,
            "pooling_kernel_size": 2,
            "mm_embed_dim": 32,
            "mm_posemb_size": 128,
            "output_proj_dims": 32,
        }
    },
    "gemma3n": {
        "first": "<bos>",
        "template_first": True,
        # Vision and audio have vocabularies of their own behind the text's, which begin with the ends of an image.
        "marks": {
            "boi_token": "<start_of_image>",
            "boa_token": "<start_of_audio>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
            "eoa_token": "<end_of_audio>",
            "audio_token": "<audio_soft_token>",
        },
        "image_token": "<image_soft_token>",
        "placeholder": "<image_soft_token>",
        "image_processor_of": "siglip",
        "image_processor": {"size": {"height": 64, "width": 64}},
        "processor": {"image_seq_length": 4, "audio_seq_length": 4},
        "text_config": {
            "num_hidden_layers": 5,
            "layer_types": [*["sliding_attention", "full_attention"] * 2, "full_attention"],
            "intermediate_size": [128] * 5,
            "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0, 0.0],
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "altup_num_inputs": 2,
            "laurel_rank": 8,
            "final_logit_softcapping": 30.0,
        },
        "vision_config": {
            "hidden_size": 2048,
            "vocab_size": 2,
            "vocab_offset": 605,
            "model_args": {"channel_multiplier": 0.0125, "msfa_output_resolution": 2},
        },
        "audio_config": {
            "vocab_size": 2,
            "vocab_offset": 607,
            "conf_num_hidden_layers": 1,
            "conf_num_attention_heads": 2,
            "sscp_conv_channel_size": [8, 8],
        },
        "vision_soft_tokens_per_image": 4,
        "audio_soft_tokens_per_image": 4,
        "vocab_size_per_layer_input": 605,
    },
    "paligemma": {
        "first": "<bos>",
        "marks": {"image_token": "<image>"},
        "placeholder": "<image>",
        "projection_dim": 64,
        "hidden_size": 64,
        "vision_config": {"vision_use_head": False},
        "image_processor": {"image_seq_length": 16},
    },
}
