"""The bundled model: an ordinary Hugging Face folder that knows its two tasks a little."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mr1.config import PROMPT, load_config
from mr1.evaluate.evaluate import Protocol, evaluate
from mr1.models.build_tiny import build_tokenizer
from mr1.models.loading import BUNDLED
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.tasks import load_task

pytestmark = pytest.mark.loop

FOLDER = BUNDLED["tiny"]
ROOT = Path(__file__).parents[2]


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) <= 12_000_000


def test_each_part_of_make_tiny_takes_up_what_the_last_one_left() -> None:
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    see, habits = (load_config(f"tiny-vlm-{part}") for part in ("1-see", "2-habits"))
    assert f"build_tiny {see.model}\n" in made
    assert habits.model == f"{see.folder}/checkpoints/step-{see.steps:06d}"
    assert f"mr1 export {habits.folder}/checkpoints/step-{habits.steps:06d} runs/tiny\n" in made
    assert f"mv runs/tiny {FOLDER.relative_to(ROOT)}\n" in made


def test_transformers_alone_loads_and_runs_it() -> None:
    processor = AutoProcessor.from_pretrained(FOLDER)
    model: Any = AutoModelForImageTextToText.from_pretrained(FOLDER)
    assert type(model).__name__ == "Qwen2VLForConditionalGeneration"
    sample = load_task("counting").sample("test", 0, 0)
    content = [{"type": "image"}, {"type": "text", "text": PROMPT.format(question=sample.question)}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[text], images=[sample.images[0]], return_tensors="pt")
    with torch.no_grad():
        written = model.generate(**inputs, max_new_tokens=72)[0, inputs["input_ids"].shape[1] :]
    assert processor.decode(written, skip_special_tokens=True).startswith("<think>")
    assert "torchvision" not in sys.modules


def test_its_prompt_is_in_qwens_manner(tiny: VLM) -> None:
    sample = load_task("counting").sample("test", 0, 0)
    prompt = tiny.prompt(sample, "{question} Count.")
    assert prompt.text == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
        f"{sample.question} Count.<|im_end|>\n<|im_start|>assistant\n"
    )
    # 112 pixels are 8 x 8 patches of 14, merged 2 x 2.
    assert prompt.vision["image_grid_thw"].tolist() == [[1, 8, 8]]
    assert (prompt.input_ids == tiny.model.config.image_token_id).sum() == 16


def test_its_tokenizer_is_the_recipes(tiny: VLM) -> None:
    assert build_tokenizer().get_vocab() == tiny.tokenizer.get_vocab()
    text = "<think>1 red cube, 2 blue sphere</think><answer>2</answer> √π 面"
    assert tiny.tokenizer.decode(tiny.tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("task", ["counting", "geometry"])
def test_it_keeps_to_the_format_and_leaves_room(tiny: VLM, task: str) -> None:
    # Loose bounds for few samples; docs/tiny-vlm.md has the figures and the command.
    result = evaluate(LocalEngine(tiny), load_task(task), "validation", 96, Protocol(PROMPT, 72)).summary()
    assert result["format_rate"] > 0.9
    assert 0.15 < result["accuracy"] < 0.7
