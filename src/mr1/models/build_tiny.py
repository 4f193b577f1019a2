"""The bundled VLM before it can speak: architecture, tokenizer and processor, with a vision tower that has been taught.

`python -m mr1.models.build_tiny FOLDER` writes an ordinary Hugging Face folder. The recipes `tiny-vlm-*.yaml` teach it
to answer, and what comes out is shipped as `models/tiny`.

It is Qwen2-VL in small: transformers' own class, 14-pixel patches merged 2x2, multimodal rotary positions, a byte-level
BPE with Qwen's splitting rule (a token for each digit) and Qwen's turn markers. One thing is not Qwen2-VL's: the
processor class. `Qwen2VLProcessor` insists on a video processor, which needs torchvision; `PaddleOCRVLProcessor`, also
transformers' own, does the same for images alone, so that `AutoProcessor` loads the folder on any machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PIXELS = 112 * 112
VOCABULARY = 1024
"""The most tokens there may be; the words of the tasks need fewer."""
SAMPLES_READ = 1000
"""Samples of each task whose texts the tokenizer is trained on."""

VISION_STEPS = 1500
"""Batches of 32 scenes that the vision tower is taught on."""

SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build(folder: Path, seed: int = 0) -> None:
    """Write the untrained model's folder: config, weights drawn from `seed`, tokenizer, processor."""
    import torch
    from transformers import GenerationConfig, PaddleOCRVLProcessor, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(_config(tokenizer))
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    image_processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": PIXELS})
    processor = PaddleOCRVLProcessor(image_processor, tokenizer, chat_template=CHAT_TEMPLATE)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def build_tokenizer() -> Any:
    """A byte-level BPE trained on the tasks' own texts, with Qwen's special tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_bos_token": "<|vision_start|>",
            "vision_eos_token": "<|vision_end|>",
        },
        additional_special_tokens=["<|im_start|>"],
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def _texts() -> Iterator[str]:
    from mr1.config import PROMPT
    from mr1.tasks import load_task

    for name in ("counting", "geometry"):
        task = load_task(name)
        for index in range(SAMPLES_READ):
            sample = task.sample("train", 0, index)
            yield f"user\n{PROMPT.format(question=sample.question)}\nassistant\n"
            yield f"<think>{sample.reasoning}</think><answer>{sample.answer}</answer>"


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2VLConfig

    token = tokenizer.convert_tokens_to_ids
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "initializer_range": 0.04,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 4,
            "embed_dim": 128,
            "hidden_size": 192,
            "num_heads": 4,
            "mlp_ratio": 3,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "initializer_range": 0.04,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def main(folder: Path) -> None:
    """Write the model, then teach its vision tower and write it again."""
    from mr1.models.loading import load_vlm
    from mr1.models.tiny_vision import pretrain_vision

    build(folder)
    vlm = load_vlm(str(folder))
    pretrain_vision(vlm, VISION_STEPS)
    vlm.save(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
