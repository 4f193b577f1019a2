"""Vision-language models: loading them, making prompts for them, and what differs between their families."""

from mr1.models.loading import load_vlm
from mr1.models.vlm import VLM

__all__ = ["VLM", "load_vlm"]
