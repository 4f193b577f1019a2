"""A vision-language model with its processor: the policy, or the reference, of a run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from jinja2 import TemplateError
from torch import Tensor, nn

from mr1.errors import UnusableError
from mr1.judge.tags import opened_by
from mr1.models.adapter import Adapter
from mr1.models.layers import OneDNNLinear
from mr1.models.saved import write_loading
from mr1.models.sharing import PromptRow
from mr1.types import IMAGE_PLACE, Ahead, Completion, Features, Prefix, Prompt, Sample

Result = TypeVar("Result")

REFUSALS = (ArithmeticError, LookupError, RuntimeError, StopIteration, TemplateError, TypeError, ValueError)
"""What chat templates and processors raise for a sample that they can't take."""


@dataclass
class VLM:
    """A Hugging Face model, its processor and its family's adapter."""

    model: Any
    processor: Any
    adapter: Adapter
    commit: str | None = None
    """Of the model on the hub; None for a folder."""
    lora: Any = None
    """peft's handle on the low-rank weights inside `model`; None where all weights learn themselves."""
    features_frozen: bool = False
    """Whether vision tower and projector stay as they are for the whole run, in the policy and in its reference."""
    max_prompt_tokens: int | None = None
    """A longer prompt is refused; None for any length."""
    sharded: Any = None
    """What divides the weights among processes (`parallel.sharding`); None where this one has all of them."""

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

    def decoding_layers(self) -> list[OneDNNLinear]:
        """The layers on a CPU that every new token passes; empty on other devices."""
        return [
            module
            for name, module in self.model.named_modules()
            if isinstance(module, OneDNNLinear) and self.adapter.part_of(name) == "language"
        ]

    def token_bias(self) -> Tensor:
        """(V,) float32 added to logits: -inf for tokens that may not be sampled, else 0.

        Sampling and scoring both use it, so that both mean the same distribution. A stop token stays possible even
        where a family also pads with it.
        """
        bias = torch.zeros(self.adapter.vocabulary(), device=self.device)
        stops = self.stop_tokens()
        # A configuration's default may name a token that the vocabulary doesn't have.
        forbidden = [token for token in self.adapter.forbidden_tokens() if token not in stops and token < len(bias)]
        bias[forbidden] = -torch.inf
        return bias

    def prompt(self, sample: Sample, template: str) -> Prompt:
        """Make a sample ready: its own chat, or one user turn of its images and the template with its question put in.

        Raises:
            UnusableError: words that hold one of the model's special tokens, which would be read as an image or a turn;
                messages that the chat template, or images that the processor can't take; more tokens than
                `max_prompt_tokens`.
        """
        try:
            return self._prompt(sample, template)
        except REFUSALS as error:
            raise UnusableError(f"no prompt can be made of it: {_reason(error)}; fix the row or take it out") from error

    def _prompt(self, sample: Sample, template: str) -> Prompt:
        messages = chat(sample, template)
        words = [part["text"] for message in messages for part in message["content"] if part["type"] == "text"]
        if forged := self.forged(words):
            raise UnusableError(f"its question holds the special token {forged!r}; remove it")
        text, without = (
            self.processor.apply_chat_template(messages, add_generation_prompt=header, tokenize=False)
            for header in (True, False)
        )
        encoded = self.encoded(sample, text)
        vision = {name: torch.as_tensor(encoded[name]) for name in self.adapter.vision_arguments if name in encoded}
        input_ids = encoded["input_ids"][0]
        positions, following = self.adapter.positions(input_ids, vision)
        prompt = Prompt(sample, text, input_ids, vision, positions, following, opened_by(text, without))
        if reason := self.too_long(prompt, self.max_prompt_tokens):
            raise UnusableError(reason)
        return prompt

    def forged(self, words: Sequence[str]) -> str:
        """The first of the model's special tokens that is in one of these texts; empty where there is none."""
        tokens = [*self.tokenizer.all_special_tokens, self.tokenizer.convert_ids_to_tokens(self.adapter.image_token_id)]
        return next((token for token in tokens if token and any(token in each for each in words)), "")

    def too_long(self, prompt: Prompt, limit: int | None) -> str:
        """Why a prompt can't be used, where it has more tokens than `limit`; else an empty text."""
        if limit is None or len(prompt) <= limit:
            return ""
        of_images = int((prompt.input_ids == self.adapter.image_token_id).sum())
        return (
            f"its prompt has {len(prompt)} tokens, {of_images} of them its images', and max_prompt_tokens is {limit}; "
            "raise it, lower loading.max_pixels, or leave the row out by its source's skip"
        )

    def encoded(self, sample: Sample, text: str) -> Any:
        """What the processor makes of a prompt's text and a sample's images.

        Raises:
            UnusableError: it can't take the images.
        """
        # Without padding in every call, nothing is ever set anew in a tokenizer that another thread may be using.
        options: dict[str, Any] = {"return_tensors": "pt", "padding": False}
        # transformers' own condition, in its processors' `apply_chat_template` (tokenize=True): a tokenizer that adds a
        # first token would otherwise add it to the template's.
        if self.tokenizer.bos_token is not None and text.startswith(self.tokenizer.bos_token):
            options["add_special_tokens"] = False
        try:
            return self.processor(text=[text], images=[list(sample.images)] if sample.images else None, **options)
        except REFUSALS as error:
            sizes = ", ".join(f"{image.width}x{image.height}" for image in sample.images)
            raise UnusableError(
                f"the model's processor can't take its images ({sizes}): {_reason(error)}; scale them, or leave the "
                "row out by its source's skip"
            ) from error

    def run(self, compute: Callable[[], Result]) -> Result:
        """What `compute` gives, which runs the model; what has a gradient in it is to be in tuples or lists.

        Where the weights are divided, every process runs it as often as the others (`parallel.shares.rounds`).
        """
        if self.sharded is None:
            return compute()
        made: Result = self.sharded(compute)
        if not torch.is_grad_enabled():
            self.sharded.reshard()  # no backward pass will, and the weights may change
        return made

    def features(self, prompts: Sequence[Prompt]) -> list[Features | None]:
        """Each prompt's image features, None for one without an image; one that comes several times is encoded once.

        Where nothing that makes them learns they are kept on the prompt, for rollout, scoring and reference alike.
        """
        known = [each.features or (ahead.features if (ahead := self._ahead(each)) else None) for each in prompts]
        missing = {id(prompt): prompt for prompt, has in zip(prompts, known, strict=True) if prompt.vision and not has}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.features_frozen):
            made = dict(zip(missing, self.adapter.encode([*missing.values()]), strict=True))
        if self.features_frozen:
            for key, prompt in missing.items():
                prompt.features = made[key]
        return [has or made.get(id(prompt)) for prompt, has in zip(prompts, known, strict=True)]

    def prefixes(self, prompts: Sequence[Prompt]) -> list[Prefix]:
        """Run prompts through the language model, all in one row; the family must share prompts (`Adapter.shares`)."""
        if known := self.known_prefixes(prompts):
            return known
        row = PromptRow([len(prompt) for prompt in prompts])
        input_ids = torch.cat([prompt.input_ids for prompt in prompts])[None].to(self.device)
        positions = torch.cat([prompt.position_ids for prompt in prompts], dim=1)[:, None].to(self.device)
        return row.left(self.adapter.hidden_states(input_ids, positions, row, self.features(prompts)))

    def known_prefixes(self, prompts: Sequence[Prompt]) -> list[Prefix]:
        """Those that `run_ahead` has made; none where one is missing."""
        known = [ahead.prefix for prompt in prompts if (ahead := self._ahead(prompt)) and ahead.prefix]
        return known if len(known) == len(prompts) else []

    def run_ahead(self, prompts: Sequence[Prompt], prefixes: bool) -> list[Prompt]:
        """Encode these prompts' images with gradient and, where `prefixes` are wanted, run the prompts as well.

        Returns:
            The prompts with what was made (`Ahead`), which `features` and `prefixes` give until it is let go of.
        """
        with torch.enable_grad():
            features = self.features(prompts)
            ready = [replace(prompt, ahead=Ahead(self, own)) for prompt, own in zip(prompts, features, strict=True)]
            made = self.prefixes(ready) if prefixes else [None] * len(ready)
        return [
            replace(prompt, ahead=Ahead(self, own, prefix))
            for prompt, own, prefix in zip(ready, features, made, strict=True)
        ]

    def _ahead(self, prompt: Prompt) -> Ahead | None:
        """What this model, and no other, has made of a prompt ahead."""
        return prompt.ahead if prompt.ahead is not None and prompt.ahead.owner is self else None

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
        """A copy that never learns."""
        model = copy.deepcopy(self.model).requires_grad_(False).eval()
        adapter = type(self.adapter)(model, self.tokenizer)
        return replace(self, model=model, adapter=adapter, lora=None, sharded=None)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train mode, in which gradient checkpointing is active. Nothing else differs: dropout is switched off.

        Batch norms keep to the statistics that they have: the policy that is scored is the one that sampled.
        """
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        try:
            yield
        finally:
            self.model.eval()

    def weights(self) -> dict[str, Tensor]:
        """What a checkpoint has of the weights: all of them, with LoRA the low-rank ones; where they are divided, those
        that learn.
        """
        if self.sharded is not None:
            return {name: each.detach() for name, each in self.model.named_parameters() if each.requires_grad}
        weights: dict[str, Tensor] = (self.model if self.lora is None else self.lora).state_dict()
        return weights if self.lora is None else {name: each for name, each in weights.items() if "lora_" in name}

    def save(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write an ordinary Hugging Face folder; with LoRA, peft's folder of the low-rank weights alone.

        Either has the processor as it is here, and how the model is to be loaded again (see `saved`).

        Args:
            folder: which.
            weights: a copy of `weights()`; None for them as they are.
        """
        weights = self.weights() if weights is None else dict(weights)
        if self.lora is not None:
            # "auto" would ask the hub whether the base model's vocabulary has changed.
            self.lora.save_pretrained(folder, save_embedding_layers=False, state_dict=weights)
        else:
            self.model.save_pretrained(folder, state_dict=weights)
        self._save_processor(folder)

    def save_around(self, folder: Path) -> None:
        """Write what `save` does, but for the weights."""
        if self.lora is not None:
            self.lora.peft_config["default"].save_pretrained(folder)
        else:
            self.model.config.save_pretrained(folder)
        self._save_processor(folder)

    def _save_processor(self, folder: Path) -> None:
        self.processor.save_pretrained(folder)
        write_loading(folder, self.model, self.adapter.dtype)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def chat(sample: Sample, template: str) -> list[dict[str, Any]]:
    """A sample's own chat, or one user turn of its images and the template with its question put in."""
    if sample.messages:
        return [*sample.messages]
    words = template.replace("{question}", sample.question).split(IMAGE_PLACE)
    if len(words) != len(sample.images) + 1:  # images have no places in the question
        words = [""] * len(sample.images) + [IMAGE_PLACE.join(words)]
    content: list[dict[str, Any]] = []
    for place, text in enumerate(words):
        content += [{"type": "image"}] if place else []
        content += [{"type": "text", "text": text}] if text else []
    return [{"role": "user", "content": content}]
