"""A vision-language model with its processor: the policy, or the reference, of a run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mr1.errors import UserError
from mr1.models.adapter import Adapter
from mr1.types import Completion, Prompt, Sample


@dataclass
class VLM:
    """A Hugging Face model, its processor and its family's adapter."""

    model: Any
    processor: Any
    adapter: Adapter

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        return self.model.device

    def stop_tokens(self) -> list[int]:
        """Token ids that end a completion, from the generation configuration and the tokenizer."""
        configured = self.model.generation_config.eos_token_id
        stops = configured if isinstance(configured, list) else [configured]
        return sorted({token for token in (*stops, self.tokenizer.eos_token_id) if token is not None})

    def token_bias(self) -> Tensor:
        """(V,) float32 added to logits: -inf for tokens that may not be sampled, else 0.

        Sampling and scoring both use it, so that both mean the same distribution. A stop token stays possible even
        where a family also pads with it.
        """
        bias = torch.zeros(self.adapter.vocabulary(), device=self.device)
        stops = self.stop_tokens()
        bias[[token for token in self.adapter.forbidden_tokens() if token not in stops]] = -torch.inf
        return bias

    def prompt(self, sample: Sample, template: str) -> Prompt:
        """Make a sample ready: one user turn, its images and then the template with the question put in.

        Raises:
            UserError: the question holds one of the model's special tokens, which would be read as an image or a turn.
        """
        words = template.format(question=sample.question)
        forged = [token for token in self.tokenizer.all_special_tokens if token in words]
        if forged:
            raise UserError(f"sample {sample.id}: its question holds the special token {forged[0]!r}; remove it")
        content = [{"type": "image"} for _ in sample.images] + [{"type": "text", "text": words}]
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        encoded = self.processor(text=[text], images=list(sample.images) or None, return_tensors="pt")
        vision = {name: encoded[name] for name in self.adapter.vision_arguments if name in encoded}
        input_ids = encoded["input_ids"][0]
        positions, following = self.adapter.positions(input_ids, vision)
        return Prompt(sample, text, input_ids, vision, positions, following)

    def written(self, text: str) -> Completion:
        """A completion with this text and a stop token, as if the policy had written it: what SFT learns from."""
        token_ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
        return Completion(
            token_ids=torch.tensor(token_ids),
            logprobs=None,
            text=text,
            mask=torch.ones(len(token_ids), dtype=torch.bool),
            finish_reason="stop",
        )

    def frozen_copy(self) -> VLM:
        """A copy that never learns: the reference of a run."""
        model = copy.deepcopy(self.model).requires_grad_(False).eval()
        return VLM(model, self.processor, type(self.adapter)(model, self.adapter.pad_token_id))

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
