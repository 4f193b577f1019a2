"""Loading: what can be wrong with a model, said in one line; and real tokenizer and processor files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mr1.config import EVALUATION_PROMPT, PROMPT, Loading
from mr1.errors import UserError
from mr1.models import VLM, load_vlm
from mr1.models.loading import BUNDLED
from mr1.models.refused import REFUSED
from mr1.models.small import build_small, families
from mr1.types import Sample

pytestmark = pytest.mark.loop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole model that a test may damage."""
    return Path(shutil.copytree(BUNDLED["tiny"], tmp_path / "model"))


def _message(name: Path | str, **loading: Any) -> str:
    with pytest.raises(UserError) as caught:
        load_vlm(str(name), Loading(**loading))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_such_model(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert _message(missing) == f"model: there is no folder {missing}"
    assert _message("nobody/nothing").startswith("model: nobody/nothing is no folder, and can't be had from the hub: ")


def test_no_image_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    assert _message(folder) == (
        f"model: {folder} has no image processor (preprocessor_config.json); take it from the model that this one was "
        "made from"
    )


def test_no_tokenizer_and_no_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template (chat_template.jinja)" in _message(folder)
    (folder / "tokenizer.json").unlink()
    assert _message(folder).startswith(f"model: the processor of {folder} can't be loaded: ")


def test_damaged_and_incomplete_weights(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    settings["text_config"]["num_hidden_layers"] += 1
    settings["text_config"].pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(settings))
    assert _message(folder) == (
        f"model: the weights of {folder} lack 12 that its config.json asks for, such as "
        "model.language_model.layers.4.input_layernorm.weight; do they belong together?"
    )
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert f"{folder} has a damaged *.safetensors file" in _message(folder)


def test_pickled_weights_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert _message(folder) == (
        f"model: {folder} has pickled weights only (pytorch_model.bin), and unpickling can run any code; convert them, "
        "by save_pretrained of transformers, to *.safetensors"
    )


def test_a_text_only_model(folder: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    Qwen2ForCausalLM(Qwen2Config(vocab_size=32, num_key_value_heads=2, **sizes)).save_pretrained(folder)  # type: ignore[arg-type]
    assert _message(folder) == (
        f"model: {folder} is of the family 'qwen2', which reads no images; choose a vision-language model, such as "
        "Qwen/Qwen2-VL-2B-Instruct"
    )


def test_code_of_its_own_is_run_only_where_it_was_asked_for(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "own.py").write_text("raise RuntimeError('it was run')\n")
    assert _message(folder) == (
        f"model: {folder} needs code from its own repository; read it, then set loading.trust_remote_code=true"
    )
    with pytest.raises(RuntimeError, match="it was run"):
        load_vlm(str(folder), Loading(trust_remote_code=True))


def test_a_family_whose_images_can_not_be_encoded_apart(folder: Path) -> None:
    from transformers import MllamaConfig, MllamaForConditionalGeneration

    text: dict[str, Any] = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "pad_token_id": 0,
    }
    text |= {"num_attention_heads": 2, "num_key_value_heads": 2, "cross_attention_layers": []}
    vision: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_global_layers": 1,
    }
    vision |= {"attention_heads": 2, "image_size": 28, "vision_output_dim": 32, "intermediate_layers_indices": [0]}
    config = MllamaConfig(vision_config=vision, text_config=text)
    MllamaForConditionalGeneration(config).save_pretrained(folder)
    assert _message(folder) == f"model: the family 'mllama' can't be trained: {REFUSED['mllama']}"


def test_families_that_can_not_be_trained_are_refused_in_one_line(tmp_path: Path) -> None:
    assert REFUSED.keys() <= set(families())
    for family, reason in REFUSED.items():
        with pytest.raises(UserError) as caught:
            build_small(family, tmp_path / family)
        assert str(caught.value) == f"model: the family '{family}' can't be trained: {reason}"
        assert "\n" not in reason
        assert not reason.endswith(".")


def test_dtype_and_attention_reach_the_model(folder: Path) -> None:
    vlm = load_vlm(str(folder), Loading(dtype="bfloat16", attention="eager"))
    assert vlm.model.dtype == torch.bfloat16
    assert vlm.model.config._attn_implementation == "eager"


def test_a_limit_in_pixels_is_refused_where_there_is_none(tmp_path: Path) -> None:
    build_small("internvl", tmp_path)
    assert _message(tmp_path, min_pixels=10000).startswith("loading.min_pixels: the family 'internvl' has an upper")


@pytest.fixture(scope="module")
def qwen(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> VLM:
    """A small random Qwen2-VL under the real tokenizer, chat template and processor settings."""
    folder = tmp_path_factory.mktemp("qwen2_vl")
    build_small("qwen2_vl", folder, shared_data / "qwen2_vl")
    return load_vlm(str(folder))


def _rendered(vlm: VLM, question: str, template: str) -> tuple[Any, str]:
    sample = Sample("s", (Image.new("RGB", (480, 320), (90, 120, 200)),), question, "1")
    prompt = vlm.prompt(sample, template)
    return prompt, prompt.text


def test_real_qwen2_vl_files(qwen: VLM) -> None:
    prompt, _ = _rendered(qwen, "Describe this image.", "{question}")
    assert len(prompt) == 212
    assert prompt.vision["image_grid_thw"].tolist() == [[1, 22, 34]]
    assert int((prompt.input_ids == 151655).sum()) == 187
    # 17 image columns are wider than 11 rows, so the text goes on at 17 behind where the image began.
    assert prompt.next_position == 212 - 187 + 17
    assert qwen.stop_tokens() == [151643, 151645]
    forbidden = torch.isinf(qwen.token_bias()).nonzero()[:, 0].tolist()
    assert forbidden == [151652, 151653, 151654, 151655, 151656]
    assert type(qwen.processor).__name__ == "Qwen2VLProcessor"


def test_r1v_prompts_to_the_character(qwen: VLM) -> None:
    """Two spaces in training, one in evaluation, no system prompt but the template's own."""
    frame = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
    )
    question = "How many items are there in the image?"
    rest = "Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags."
    assert _rendered(qwen, question, PROMPT)[1] == frame.format(f"{question}  {rest}")
    assert _rendered(qwen, question, EVALUATION_PROMPT)[1] == frame.format(f"{question} {rest}")


def test_a_saved_processor_is_whole(qwen: VLM, tmp_path: Path) -> None:
    """What was read of the video processor is written again, for machines that have torchvision."""
    assert "torchvision" in sys.modules or qwen.processor.video_processor.fps is None
    qwen.save(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert saved["processor_class"] == "Qwen2VLProcessor"
    assert saved["video_processor"]["max_pixels"] == 1003520
    again = load_vlm(str(tmp_path))
    one, other = (_rendered(vlm, "How many?", PROMPT)[0] for vlm in (qwen, again))
    assert one.text == other.text
    assert torch.equal(one.input_ids, other.input_ids)
    assert torch.equal(one.vision["pixel_values"], other.vision["pixel_values"])
