"""Lines of families that cut images into tiles, or pad them to the largest of their batch."""

from __future__ import annotations

from typing import Any

from mr1.models.small.families.patches import HYBRID
from mr1.models.small.sizes import WINDOWS

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
TILES = [[56, 56], [56, 112], [112, 56], [112, 112]]
LONG_TILES = [*TILES[1:], [168, 56], [56, 168]]
SIGLIP = {"model_type": "siglip_vision_model", "vision_use_head": False}
OVIS_MARKS = ("START", "GRID", "COL", "ROW", "END")

LINES: dict[str, dict[str, Any]] = {
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
    "llava_next_video": {
        "first": "<s>",
        "vision_config": {"patch_size": 28},
        "image_grid_pinpoints": LONG_TILES,
        "image_processor": {"image_grid_pinpoints": LONG_TILES},
        "processor": {"vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
    },
    "video_llava": {"first": "<s>"},
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
}
