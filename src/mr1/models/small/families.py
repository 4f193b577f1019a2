"""What the general recipe for a small model needs to be told of some families.

Of the processor: `marks` (special tokens by name), `placeholder` (what the chat template writes for an image),
`image_token` (where the processor doesn't say which it is), `tokens` (others that the configuration names), `first` (a
token that the family's tokenizers put before a text; by `template_first` its chat templates write it too),
`image_processor` and `processor` (their settings). All else is a setting of the family's configuration.
"""

from __future__ import annotations

from typing import Any

OF_PROCESSOR = frozenset(
    {
        "marks",
        "image_token",
        "tokens",
        "placeholder",
        "image_processor",
        "processor",
        "first",
        "template_first",
        "processor_class",
        "image_processor_of",
    }
)
"""Keys of a line that the family's configuration doesn't have."""

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
IDEFICS = {
    "marks": {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    },
    "placeholder": "<image>",
    "text_config": {"model_type": "llama"},
    "image_processor": {"size": {"longest_edge": 112}, "max_image_size": {"longest_edge": 56}},
    "processor": {"image_seq_len": 4},
}
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
MINICPM = {
    "marks": {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "image_start_token": "<image>",
        "image_end_token": "</image>",
        "slice_start_token": "<slice>",
        "slice_end_token": "</slice>",
        "image_id_start_token": "<image_id>",
        "image_id_end_token": "</image_id>",
    },
    "placeholder": "<|image_pad|>\n",
    "insert_layer_id": 0,
    "text_config": HYBRID["text_config"],
    "vision_config": {"image_size": 112, "patch_size": 7},
    "image_processor": {"scale_resolution": 84, "max_slice_nums": 3},
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
TILES = [[56, 56], [56, 112], [112, 56], [112, 112]]
LONG_TILES = [*TILES[1:], [168, 56], [56, 168]]
WINDOWS = {"num_hidden_layers": 3, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]}
SIGLIP = {"model_type": "siglip_vision_model", "vision_use_head": False}
OVIS_MARKS = ("START", "GRID", "COL", "ROW", "END")

INKLING = {
    "num_hidden_layers": 4,
    "layer_types": ["hybrid_sliding", "hybrid"] * 2,
    "sliding_window_size": 16,
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 2,
    "swa_head_dim": 16,
    "d_rel": 8,
    "rel_extent": 32,
    "log_scaling_n_floor": 16,
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
    "internvl": {
        "marks": {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        "image_seq_length": 4,
        "image_processor": {"min_patches": 1, "max_patches": 4},
        "processor": {"image_seq_length": 4},
    },
    "llava_onevision": {
        "marks": {"image_token": "<image>", "video_token": "<video>"},
        "vision_config": {"vision_use_head": False},
        "image_grid_pinpoints": TILES,
        "image_processor": {"image_grid_pinpoints": TILES},
        "processor": {"num_image_tokens": 16, "vision_feature_select_strategy": "full"},
    },
    "smolvlm": IDEFICS,
    "idefics3": IDEFICS | {"first": "<|begin_of_text|>", "template_first": True},
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
    "kimi_k25": {
        "marks": {
            "image_token": "<|media_pad|>",
            "video_token": "<|kimi_k25_video_placeholder|>",
            "vision_start_token": "<|media_begin|>",
            "vision_end_token": "<|media_end|>",
            "media_content_token": "<|media_content|>",
        },
        "placeholder": "<|media_begin|>image<|media_content|><|media_pad|><|media_end|>",
        "projection_hidden_size": 32,
    },
    "minicpmv4_6": MINICPM,
    "minicpmv4_7": MINICPM
    | {
        "tokens": {
            "image_start_id": "<image>",
            "image_end_id": "</image>",
            "slice_start_id": "<slice>",
            "slice_end_id": "</slice>",
            "newline_id": "Ċ",
        }
    },
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
    "molmo2": {
        "marks": {
            "image_token": "<|image|>",
            "video_token": "<|video|>",
            "image_patch_token": "<im_patch>",
            "image_column_token": "<im_col>",
            "image_low_token": "<im_low>",
            "image_start_token": "<im_start>",
            "low_res_image_start_token": "<low_res_im_start>",
            "image_end_token": "<im_end>",
            "frame_start_token": "<frame_start>",
            "frame_end_token": "<frame_end>",
        },
        "tokens": {"image_patch_id": "<im_patch>"},
        "placeholder": "<|image|>",
        "tie_word_embeddings": False,
        "text_config": {
            # Marks are embedded, but are no outputs.
            "vocab_size": 602,
            "additional_vocab_size": 10,
            "rope_scaling_layers": [1],
            "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0},
        },
        "vision_config": {"head_dim": 16, "image_size": [56, 56]},
        "adapter_config": {"head_dim": 16, "vision_feature_layer": [1, 0]},
        "image_processor": {"max_crops": 2, "overlap_margins": [1, 1]},
    },
    "step3p7": {
        "marks": {
            "image_token": "<im_patch>",
            "image_start_token": "<im_start>",
            "image_end_token": "<im_end>",
            "patch_start_token": "<patch_start>",
            "patch_end_token": "<patch_end>",
            "patch_newline_token": "<patch_newline>",
        },
        "placeholder": "<im_patch>",
        "text_config": {
            "num_hidden_layers": 4,
            "layer_types": ["full_attention", *["sliding_attention"] * 2, "full_attention"],
            "mlp_layer_types": ["dense", *["sparse"] * 3],
            "sliding_window": 16,
            "num_attention_heads": 4,
            "num_sliding_attention_heads": 6,
            "rope_theta": [5000000.0, 10000.0, 10000.0, 5000000.0],
            "partial_rotary_factors": [0.5, 1.0, 1.0, 0.5],
            "share_expert_dim": 32,
            "moe_router_scaling_factor": 2.0,
            "swiglu_limits": [0.0, 0.0, 0.0, 0.05],
            "swiglu_limits_shared": [0.0, 0.0, 0.0, 0.1],
        },
        "vision_config": {"image_size": 112, "patch_size": 7, "max_position_embeddings": 256},
        "image_processor": {"size": {"height": 112, "width": 112}, "patch_size": 56, "vision_patch_size": 7},
    },
    "llama4": {
        "first": "<|begin_of_text|>",
        "template_first": True,
        "marks": {
            "image_token": "<|image|>",
            "boi_token": "<|image_start|>",
            "eoi_token": "<|image_end|>",
            "patch_token": "<|patch|>",
            "tile_x_separator_token": "<|tile_x_separator|>",
            "tile_y_separator_token": "<|tile_y_separator|>",
        },
        "image_token": "<|patch|>",
        "placeholder": "<|image|>",
        "tie_word_embeddings": False,
        "text_config": {
            "num_hidden_layers": 3,
            "no_rope_layer_interval": 2,
            "interleave_moe_layer_step": 2,
            "intermediate_size_mlp": 128,
            "attention_chunk_size": 24,
            "floor_scale": 16,
            "num_experts_per_tok": 1,
        },
        "vision_config": {
            "vision_output_dim": 32,
            "projector_input_dim": 32,
            "projector_output_dim": 32,
            "intermediate_size": 128,
        },
        "image_processor": {"max_patches": 2},
    },
    "llava": {
        "first": "<s>",
        "processor": {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
    "llava_next": {
        "first": "<s>",
        "vision_config": {"patch_size": 28},
        "image_grid_pinpoints": LONG_TILES,
        "image_processor": {"image_grid_pinpoints": LONG_TILES},
        "processor": {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
    "mistral3": {
        "first": "<s>",
        "template_first": True,
        "placeholder": "[IMG]",
        "text_config": {"sliding_window": None},
    },
    "aya_vision": {
        "first": "<BOS_TOKEN>",
        "template_first": True,
        "image_token": "<|IMG_PATCH|>",
        "text_config": WINDOWS,
        "vision_config": SIGLIP,
        "image_processor": {"crop_to_patches": True, "max_patches": 4},
        "processor": {"img_size": 56, "downsample_factor": 2},
    },
    "cohere2_vision": {
        "first": "<BOS_TOKEN>",
        "template_first": True,
        "marks": {"image_token": "<|IMG_PATCH|>", "boi_token": "<|START_OF_IMG|>", "eoi_token": "<|END_OF_IMG|>"},
        "text_config": WINDOWS,
        "vision_config": SIGLIP,
        "alignment_intermediate_size": 128,
        "image_processor": {"patch_size": 2, "max_patches": 4},
    },
    "granite4_vision": {
        "text_config": {
            "num_hidden_layers": 6,
            "embedding_multiplier": 12.0,
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.22,
            "logits_scaling": 8.0,
        },
        "vision_config": SIGLIP | {"hidden_size": 64},
        "vision_feature_select_strategy": "full",
        "downsample_rate": "1/2",
        "deepstack_layer_map": [[-2, 1], [-1, 0]],
        "spatial_target_layers": [2, 3, 4, 5],
        "image_grid_pinpoints": LONG_TILES,
        "image_processor": {"image_grid_pinpoints": LONG_TILES},
        "processor": {"vision_feature_select_strategy": "full", "downsample_rate": "1/2"},
    },
    "ovis2": {
        "marks": {"atom_token": "<IMG_ATOM>"} | {f"{name}_token": f"<IMG_{name}>" for name in OVIS_MARKS},
        "image_token": "<IMG_ATOM>",
        "tokens": {"visual_indicator_token_ids": [f"<IMG_{name}>" for name in OVIS_MARKS]},
        "hidden_size": 64,
        "vision_config": {"vocab_size": 64, "hidden_stride": 2},
        "image_processor": {"crop_to_patches": True, "max_patches": 4},
        "processor": {"image_seq_length": 4},
    },
    "fast_vlm": {
        "processor_class": "LlavaProcessor",
        "image_processor_of": "clip",
        "vision_config": {
            "hidden_size": 64,
            "architecture": "fastvit_mci3",
            "model_args": {"inference_mode": True, "layers": [1] * 5, "embed_dims": [8, 8, 16, 32, 32]},
        },
        "image_processor": {"size": {"shortest_edge": 192}, "crop_size": {"height": 192, "width": 192}},
        "processor": {"patch_size": 64, "vision_feature_select_strategy": "full"},
    },
    "lfm2_vl": {
        "marks": {f"img_row_{row}_col_{col}_token": f"<|img_row_{row}_col_{col}|>" for row in (1, 2) for col in (1, 2)},
        "text_config": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
        "projector_hidden_size": 64,
        "image_processor": {
            "tile_size": 56,
            "encoder_patch_size": 14,
            "min_image_tokens": 2,
            "max_image_tokens": 4,
            "max_tiles": 4,
        },
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
    "llava_next_video": {
        "first": "<s>",
        "vision_config": {"patch_size": 28},
        "image_grid_pinpoints": LONG_TILES,
        "image_processor": {"image_grid_pinpoints": LONG_TILES},
        "processor": {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
    "video_llava": {"first": "<s>"},
    "vipllava": {
        "first": "<s>",
        "vision_feature_layer": [-2, -1, 0],
        "processor": {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
    # Its processor makes every image this large.
    "aria": {
        "vision_config": {"patch_size": 140, "image_size": 980},
        "projector_patch_to_query_dict": {49: 4},
        "processor": {"size_conversion": {980: 4}},
    },
    "idefics2": IDEFICS
    | {
        "text_config": {"model_type": "mistral"},
        "perceiver_config": {"resampler_n_latents": 4, "resampler_n_heads": 4, "resampler_head_dim": 16},
        "image_processor": {"size": {"shortest_edge": 56, "longest_edge": 112}},
    },
    "granite_docling": {
        "marks": {f"row_{row}_col_{col}_token": f"<row_{row}_col_{col}>" for row in (1, 2, 3) for col in (1, 2, 3)}
        | {
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_tag": "<global-img>",
        },
        "placeholder": "<image>",
        "text_config": {"hidden_size": 64},
        "vision_config": {"image_size": 64, "patch_size": 8, "out_hidden_size": 64, "deepstack_visual_indexes": [0]},
        "image_processor": {"size": {"height": 64, "width": 64}, "max_patches": 4},
        "processor": {"image_seq_len": 4},
    },
    "qianfan_ocr": {
        "marks": {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "image_token": "<IMG_CONTEXT>",
            "image_placeholder_token": "<image>",
        },
        "image_token": "<IMG_CONTEXT>",
        "placeholder": "<image>\n",
        "image_seq_length": 4,
        "image_processor": {"crop_to_patches": True, "min_patches": 1, "max_patches": 4},
        "processor": {"image_seq_length": 4},
    },
    "perception_lm": {
        "vision_config": {
            "architecture": "vit_pe_core_large_patch14_336",
            "model_args": {
                "embed_dim": 32,
                "depth": 2,
                "num_heads": 2,
                "img_size": [56, 56],
                "ref_feat_shape": [4, 4],
                "global_pool": "",
                "use_post_transformer_norm": False,
                "init_values": 0.1,
            },
        },
        "projector_pooling_ratio": 2,
        "image_processor": {"tile_size": 56, "max_num_tiles": 4},
        "processor": {"patch_size": 14, "pooling_ratio": 2},
    },
    "nemotron_h_omni": {
        "marks": {
            "image_token": "<image>",
            "video_token": "<video>",
            "audio_token": "<so_embedding>",
            "image_start_token": "<img>",
            "image_end_token": "</img>",
            "audio_start_token": "<so_start>",
            "audio_end_token": "<so_end>",
        },
        "placeholder": "<image>\n",
        "text_config": {
            "hybrid_override_pattern": "ME*EM*",
            "num_hidden_layers": 6,
            "mamba_num_heads": 4,
            "mamba_head_dim": 16,
            "ssm_state_size": 16,
            "n_groups": 2,
            "chunk_size": 16,
            "moe_shared_expert_intermediate_size": 32,
        },
        "vision_config": {"video_temporal_patch_size": 2},
        "vision_hidden_size": 32,
        "projector_hidden_size": 64,
        "image_processor": {"min_num_patches": 16, "max_num_patches": 64},
    },
    "inkling2": {
        "image_processor": {"size": {"height": 28, "width": 28}},
        "text_config": {
            **INKLING,
            "n_layers_per_attn_res_block": 2,
        },
        "vision_config": {"posemb_grid_size": 4, "projection_hidden_dim": 64},
    },
    "inkling_mm_model": {
        "image_processor": {"size": {"height": 32, "width": 32}},
        "text_config": {
            "mlp_layer_types": ["dense", *["sparse"] * 3],
            **INKLING,
            "logits_mup_width_multiplier": 2.0,
        },
        "vision_config": {"patch_size": 32, "num_hidden_layers": 6},
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
    "dots3_note": {
        "marks": {
            "image_token": "<|imgpad|>",
            "video_token": "<|video_pad|>",
            "audio_token": "<|audio_comp_pad|>",
            "image_start_token": "<|img|>",
            "image_end_token": "<|endofimg|>",
        },
        "placeholder": "<|img|><|imgpad|><|endofimg|>",
        "image_processor": {"temporal_patch_size": 1},
        "vision_config": {
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "hidden_size": 32,
            "mlp_layer_types": ["dense", "sparse"],
            "num_local_experts": 4,
            "moe_intermediate_size": 32,
            "adapter_in_dim": 32,
            "adapter_out_dim": 64,
        },
        "audio_config": {
            "hidden_size": 32,
            "num_attention_heads": 2,
            "adapter_input_size": 32,
            "adapter_out_dim": 64,
            "downsample_hidden_size": 8,
        },
        "text_config": {
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "layer_types": ["indexed_attention", "sliding_attention"] * 2,
            # Sizes that differ between its layers are not among those that are set for all families.
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 24,
            "q_lora_rank": 32,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 16,
            "v_head_dim": 16,
            "index_topk": 12,
            "index_head_dim": 16,
            "index_n_heads": 16,
            "shared_experts_intermediate_size": 32,
            "swa_num_attention_heads": 2,
            "swa_num_key_value_heads": 2,
            "swa_q_lora_rank": 32,
            "swa_kv_lora_rank": 16,
            "swa_head_dim": 24,
            "swa_qk_nope_head_dim": 16,
            "swa_v_head_dim": 16,
        },
    },
    "qwen2_5_omni_thinker": OMNI
    | {
        "processor_class": "Qwen2_5OmniProcessor",
        "text_config": {"rope_parameters": SECTIONS},
        "vision_config": {"window_size": 56, "fullatt_block_indexes": [1]},
    },
    "qwen3_omni_moe_thinker": QWEN3 | OMNI | {"processor_class": "Qwen3OmniMoeProcessor"},
    "deepseek_vl_hybrid": {
        "high_res_vision_config": {
            "image_size": 128,
            "patch_size": 8,
            "output_channels": 16,
            "window_size": 4,
            "global_attn_indexes": [1],
        },
        "image_processor": {"high_res_size": {"height": 128, "width": 128}},
        "processor": {"num_image_tokens": 16},
    },
    # It makes 144 tokens of an image of up to 768 pixels a side, whatever its configuration.
    "deepseek_ocr2": {
        "image_token": "<image>",
        "marks": {"image_token": "<image>"},
        "text_config": {"num_hidden_layers": 2, "mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
        "vision_config": {
            "sam_config": {
                "image_size": 768,
                "patch_size": 64,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "output_channels": 16,
                "window_size": 4,
                "global_attn_indexes": [1],
                "mlp_dim": 64,
                "downsample_channels": [16, 32],
            },
            "encoder_config": {
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
            },
        },
        "image_processor": {"size": {"height": 768, "width": 768}},
    },
    "lighton_ocr": {},
    "mistral_large4": {
        "first": "<s>",
        "template_first": True,
        "placeholder": "[IMG]",
        "text_config": {
            "num_hidden_layers": 4,
            "index_topk": 12,
            "index_head_dim": 16,
            "index_n_heads": 16,  # of fewer ones many scores would be zero, and keys be chosen among equals
            "kv_source_layers": [0, 1, 1, 3],
        },
    },
    "minicpm_ocr": MINICPM,
    "deepseek_vl": {"processor": {"num_image_tokens": 16}},
    "janus": {
        "marks": {
            "boi_token": "<begin_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_placeholder>",
        },
        "vision_config": {"projection_dim": 64},
        "vq_config": {
            "num_embeddings": 64,
            "latent_channels": 32,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "projection_dim": 64,
            "image_token_embed_dim": 64,
        },
        "processor": {"num_image_tokens": 16},
    },
}
