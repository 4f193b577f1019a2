"""The families that can't be trained whatever the checkpoint, and why: known before anything is loaded."""

from __future__ import annotations

from mr1.errors import UserError

CAPTIONS = "it describes images, but was never tuned for a chat and has no chat template; choose a model that was"
CROSSED = (
    "its language model looks at images in layers of its own (cross attention), not as tokens of the prompt; choose a "
    "model that reads images as tokens, such as Qwen/Qwen2-VL-2B-Instruct"
)
ENCODES = (
    "an encoder reads the prompt and a decoder writes the answer; MR1 trains models that go on writing behind the prompt"
)
FIXED = "its processor takes no prompt without an image, and was made for one prompt alone:"
QUESTIONED = (
    "what it sees of an image depends on the question, so that images can't be encoded apart; choose a model such as "
    "LLaVA, where they can"
)
WITHIN = (
    "in transformers it has no image features apart from its language model (get_image_features, mm_encoder_outputs), so "
    "that images can't be encoded once and shared; choose a newer model, such as Qwen/Qwen2-VL-2B-Instruct"
)

REFUSED: dict[str, str] = {
    "blip": CAPTIONS,
    "blip-2": CAPTIONS,
    "diffusion_gemma": "it writes whole blocks by diffusion, not token by token; choose Gemma 4, which it was made from",
    "evolla": "it reads proteins, not images",
    "florence2": ENCODES,
    "fuyu": CAPTIONS,
    "git": CAPTIONS,
    "got_ocr2": f"{FIXED} to read the text of a page",
    "idefics": CROSSED,
    "instructblip": QUESTIONED,
    "instructblipvideo": QUESTIONED,
    "kosmos-2": WITHIN,
    "kosmos-2.5": WITHIN,
    "mistral4": "it reads text alone; choose a Mistral that reads images, such as Mistral 3",
    "mllama": CROSSED,
    "pi0": "it moves robots, and writes no text",
    "pix2struct": ENCODES,
    "pp_chart2table": f"{FIXED} to make a table of a chart",
    "pp_formulanet": ENCODES,
    "shieldgemma2": "its processor turns an image into questions of its own, one for each policy; train Gemma 3, which it "
    "was made from",
    "t5gemma2": ENCODES,
    "udop": ENCODES,
    "vision-encoder-decoder": ENCODES,
}
"""By `model_type` in transformers, in words that follow "can't be trained: "."""


def refuse(family: str) -> None:
    """Nothing for a family that can be trained, as far as is known.

    Raises:
        UserError: it can't be.
    """
    if family in REFUSED:
        raise UserError(f"model: the family '{family}' can't be trained: {REFUSED[family]}")
