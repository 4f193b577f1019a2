"""Lines of families that read an image as a flat list of patches: Qwen2-VL and those after it."""

from __future__ import annotations

from typing import Any

from mr1.models.small.sizes import WINDOWS

QWEN_MARKS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}
QWEN = {"marks": QWEN_MARKS, "placeholder": "<|vision_start|><|image_pad|><|vision_end|>"}
SECTIONS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
INTERLEAVED = SECTIONS | {"mrope_interleaved": True, "mrope_section": [4, 2, 2]}
QWEN3 = QWEN | {
    "text_config": {"rope_parameters": INTERLEAVED},
    "vision_config": {"patch_size": 16, "num_position_embeddings": 256, "deepstack_visual_indexes": [0]},
    "image_processor": {
        "size": {"shortest_edge": 64 * 64, "longest_edge": 128 * 128},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    },
}
HYBRID = QWEN3 | {
    "text_config": {
        "num_hidden_layers": 4,
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "rope_parameters": INTERLEAVED | {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5},
    },
    "vision_config": {"patch_size": 16, "num_position_embeddings": 256},
}
OMNI = {
    "marks": QWEN_MARKS
    | {"audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"},
    "placeholder": QWEN["placeholder"],
    "tokens": {"vision_start_token_id": "<|vision_start|>", "audio_start_token_id": "<|audio_bos|>"},
    "image_processor_of": "qwen2_vl",
    "audio_config": {
        "d_model": 16,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "output_dim": 64,
    },
}
GLM = {
    "marks": {
        "image_token": "<|image|>",
        "video_token": "<|video|>",
        "image_start_token": "<|begin_of_image|>",
        "image_end_token": "<|end_of_image|>",
        "video_start_token": "<|begin_of_video|>",
        "video_end_token": "<|end_of_video|>",
    },
    "placeholder": "<|begin_of_image|><|image|><|end_of_image|>",
    "text_config": {"rope_parameters": SECTIONS | {"partial_rotary_factor": 0.5, "mrope_section": [1, 1, 2]}},
}
MUSE: dict[str, Any] = {
    "marks": {
        "image_token": "<|patch|>",
        "image_start_token": "<|image_start|>",
        "image_end_token": "<|image_end|>",
        "video_token": "<|video|>",
        "video_sep_token": "<|vid_frame_separator|>",
        "video_start_token": "<|vid_start|>",
        "video_end_token": "<|vid_end|>",
    },
    "placeholder": "<|patch|>",
    "text_config": {
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "hidden_size": 64,
        "layer_types": [*["sliding_attention"] * 3, "full_attention"],
        "initializer_range": 0.005,  # with larger ones rounding shows in gradients
    },
    "out_hidden_size": 128,
    "projector_hidden_size": 64,
    "image_processor": {"max_image_tokens": 16},
}

LINES: dict[str, dict[str, Any]] = {
    "qwen2_vl": QWEN | {"text_config": {"rope_parameters": SECTIONS}, "vision_config": {"hidden_size": 64}},
    "qwen2_5_vl": QWEN
    | {
        "text_config": {"rope_parameters": SECTIONS},
        "vision_config": {"window_size": 56, "fullatt_block_indexes": [1]},
    },
    "qwen3_vl": QWEN3,
    "qwen3_vl_moe": QWEN3 | {"image_processor_of": "qwen3_vl"},
    "qwen3_5": HYBRID,
    "qwen3_5_moe": HYBRID,
    "ernie4_5_vl_moe": {
        "marks": {
            "image_token": "<|IMAGE_PLACEHOLDER|>",
            "image_start_token": "<|IMAGE_START|>",
            "image_end_token": "<|IMAGE_END|>",
            "video_token": "<|VIDEO_PLACEHOLDER|>",
            "video_start_token": "<|VIDEO_START|>",
            "video_end_token": "<|VIDEO_END|>",
        },
        "placeholder": "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>",
        "text_config": {
            "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [3, 3, 2]},
            "moe_intermediate_size": [32, 16],
        },
    },
    "glm4v": GLM,
    "glm46v": GLM,
    "glm4v_moe": GLM | {"image_processor_of": "glm4v"},
    "paddleocr_vl": QWEN | {"text_config": {"rope_parameters": SECTIONS}},
    "hunyuan_vl": {
        "placeholder": "<|image_start|><|image|><|image_end|>",
        "text_config": {
            "head_dim": 16,
            "rope_parameters": SECTIONS
            | {"rope_type": "dynamic", "factor": 1.0, "alpha": 1000.0, "mrope_section": [2, 2, 2, 2]},
        },
        "vision_config": {"max_image_size": 128},
    },
    "video_llama_3": {"image_processor": {"size": {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}}},
    "minimax_m3_vl": {
        "marks": {
            "image_token": "]<]image[>[",
            "video_token": "]<]video[>[",
            "vision_start_token": "]<]start of image[>[",
            "vision_end_token": "]<]end of image[>[",
        },
        "placeholder": "]<]image[>[",
        "text_config": {
            "num_hidden_layers": 3,
            "layer_types": ["full_attention", *["minimax_m3_sparse"] * 2],
            "mlp_layer_types": ["dense", *["sparse"] * 2],
            "intermediate_size": 32,
            "dense_intermediate_size": 128,
            "shared_intermediate_size": 32,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
            "index_n_heads": 2,
            "index_head_dim": 16,
            "index_block_size": 4,
            "index_topk_blocks": 3,
        },
        "projector_hidden_size": 32,
    },
    "exaone4_5": QWEN
    | {
        "text_config": WINDOWS | {"model_type": "exaone4"},
        "vision_config": {"window_size": 56, "fullatt_block_indexes": [1]},
    },
    "hyperclovax_vision_v2": QWEN
    | {
        "text_config": {
            "embedding_multiplier": 10.0,
            "residual_multiplier": 0.5,
            "attention_multiplier": 0.1,
            "logits_scaling": 0.5,
        },
        "vision_config": {"window_size": 56, "fullatt_block_indexes": [1], "out_hidden_size": 64},
    },
    "glm_ocr": GLM | {"processor_class": "Glm46VProcessor", "image_processor_of": "glm46v"},
    "glmga": GLM | {"processor_class": "Glm46VProcessor"},
    "cosmos3_omni": QWEN3 | {"processor_class": "Qwen3VLProcessor"},
    "cosmos3_edge": QWEN3
    | {"text_config": {"head_dim": 16, "rope_parameters": INTERLEAVED}, "projector_hidden_size": 64},
    "qwen4_exp": QWEN3
    | {
        "text_config": {
            "num_hidden_layers": 4,
            "layer_types": ["linear_attention", "indexed_attention"] * 2,
            "head_dim": 16,
            "rope_parameters": INTERLEAVED | {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5},
            "hc_count": 2,
            "hc_lowrank": 8,
            "ple_layer_ids": [1, 3],
            "ple_embed_dim": 32,
            "heads_per_ngram": 2,
            "ngram_vocab_size_base": 500,
            "split_ngram_parts": 1,
            "indexer_n_heads": 4,
            "indexer_kv_heads": 1,
            "indexer_head_dim": 16,
            "indexer_budget": 12,
            "indexer_compress_ratio": 4,
            "eos_token_id": 2,
        },
        "vision_config": HYBRID["vision_config"],
    },
    "cohere_compass": QWEN3
    | {
        "marks": {
            "image_token": "<|IMAGE_PAD|>",
            "video_token": "<|VIDEO_PAD|>",
            "vision_start_token": "<|VISION_START|>",
            "vision_end_token": "<|VISION_END|>",
        },
        "placeholder": "<|VISION_START|><|IMAGE_PAD|><|VISION_END|>",
        "text_config": WINDOWS
        | {
            "rope_parameters": {"sliding_attention": INTERLEAVED, "full_attention": None},
            "logit_scale": 0.25,
        },
    },
    "lfm3_vl": QWEN3
    | {
        "text_config": {
            "num_hidden_layers": 4,
            "layer_types": ["conv", "sliding_attention", "conv", "full_attention"],
        },
        "vision_config": {"patch_size": 16},
        "projector_hidden_size": 64,
    },
    "glm5_next": GLM
    | {
        "text_config": {
            "num_hidden_layers": 4,
            "layer_types": ["linear_attention", "indexed_attention"] * 2,
            "mlp_layer_types": ["dense", *["sparse"] * 3],
            "qk_rope_head_dim": 0,
            "linear_head_dim": 16,
            "linear_num_heads": 4,
            "index_topk": 12,
            "index_kpool": 4,
            "index_head_dim": 16,
            "index_n_heads": 16,
            "hc_mult": 2,
        },
        "vision_config": {"projection_intermediate_size": 64},
    },
    "muse_glimmer": MUSE,
    "muse_spark": MUSE
    | {
        "text_config": MUSE["text_config"] | {"moe_hidden_size": 32, "mlp_layer_types": ["dense", *["sparse"] * 3]},
        "audio_config": {
            "num_hidden_layers": 4,
            "hidden_sizes": [8, 8, 8, 8],
            "depths": [1, 1, 1, 1],
            "out_hidden_size": 64,
        },
    },
    "qwen2_5_omni_thinker": OMNI
    | {
        "processor_class": "Qwen2_5OmniProcessor",
        "text_config": {"rope_parameters": SECTIONS},
        "vision_config": {"window_size": 56, "fullatt_block_indexes": [1]},
    },
    "qwen3_omni_moe_thinker": QWEN3 | OMNI | {"processor_class": "Qwen3OmniMoeProcessor"},
}
