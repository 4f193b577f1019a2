"""The families that can't be trained whatever the checkpoint, and why: known before anything is loaded."""

from __future__ import annotations

from mr1.errors import UserError

CAPTIONS = "it describes images, and has no chat template; choose a model that was tuned for a chat"
CROSSED = (
    "its language model looks at images in layers of its own (cross attention), not as tokens of the prompt; choose a "
    "model that reads images as tokens, such as Qwen/Qwen2-VL-2B-Instruct"
)
DISCRETE = (
    "it reads an image as words of a vocabulary of images, which it also writes; MR1 trains models that read images as "
    "features of a vision tower"
)
ENCODES = "an encoder reads the prompt and a decoder writes the answer; choose a model that writes on behind its prompt"
FIXED = "its processor takes no prompt without an image, and was made for one prompt alone:"
QUESTIONED = (
    "what it sees of an image depends on the question, so that images can't be encoded apart; choose a model such as "
    "LLaVA, where they can"
)
WITHIN = (
    "in transformers it has no image features apart from its language model (get_image_features, mm_encoder_outputs); "
    "choose a newer model, such as Qwen/Qwen2-VL-2B-Instruct"
)

REFUSED: dict[str, str] = {
    "blip": CAPTIONS,
    "blip-2": CAPTIONS,
    "chameleon": DISCRETE,
    "diffusion_gemma": "it writes whole blocks by diffusion, not one token after another; choose Gemma 4",
    "emu3": DISCRETE,
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
    "shieldgemma2": "its processor asks questions of its own about an image, one for each policy; choose Gemma 3",
    "t5gemma2": ENCODES,
    "udop": ENCODES,
    "unlimited_ocr": "it sees what it has written through a window while it writes, but as a whole when that is "
    "scored, and would learn other than it samples; choose DeepSeek-OCR 2",
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
