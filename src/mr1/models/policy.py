"""From a loaded model to a policy: which weights learn, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

import torch
from torch import Tensor, nn

from mr1.config import Config
from mr1.errors import UserError
from mr1.models.adapter import Part
from mr1.models.lora import add_lora, lora_as, lora_off, merge_lora
from mr1.models.vlm import VLM
from mr1.parallel import parts


def make_policy(vlm: VLM, config: Config, resumed: bool = False) -> VLM:
    """Make a loaded model learn as the settings say, in place.

    Dropout is switched off: the policy that is scored must be the one that sampled. Low-rank weights that the model
    came with are merged into it, unless they are those of this run (`resumed`).

    Raises:
        UserError: the family lacks what is asked for.
    """
    if config.rollout.routing != "free" and not vlm.adapter.routes:
        raise UserError(
            f"rollout.routing: the family '{vlm.model.config.model_type}' has no experts, or "
            "several routers in a layer; leave it out"
        )
    rates = part_rates(config)
    learning = {part for part, rate in rates.items() if rate > 0}
    if not resumed:
        merge_lora(vlm)
    _without_dropout(vlm.model)
    if config.lora.rank is not None and vlm.lora is None:
        add_lora(vlm, config.lora, learning, config.model, config.seed)
    if config.lora.rank is None:
        for name, parameter in vlm.model.named_parameters():
            parameter.requires_grad_(vlm.adapter.part_of(name) in learning)
    vlm.features_frozen = learning <= {"language"}
    vlm.max_prompt_tokens = prompt_limit(vlm.model.config, config)
    if config.gradient_checkpointing:
        if not vlm.model.supports_gradient_checkpointing:
            raise UserError(f"gradient_checkpointing: the family '{vlm.model.config.model_type}' does not have it")
        vlm.model.activation_checkpointing_enable()
    return vlm


def prompt_limit(model_config: Any, config: Config | None) -> int | None:
    """The longest prompt in tokens: the run's, else what the model's positions leave beside a run's completion.

    None where the model's configuration states no number of positions.
    """
    if config is not None and config.max_prompt_tokens is not None:
        return config.max_prompt_tokens
    positions = getattr(model_config.get_text_config(), "max_position_embeddings", None)
    completion = config.rollout.max_new_tokens if config is not None else 0
    return None if positions is None else int(positions) - completion


class Reference:
    """The policy as it was before it learned, or as it was at the last reset.

    With low-rank weights it is the same model with these switched off or, after a reset, with those of then in their
    places; else it is a frozen copy.
    """

    def __init__(self, start: VLM) -> None:
        """Of the policy, whose low-rank weights may have learned, or of one that is as it was."""
        self._model = start if start.lora is not None else start.frozen_copy()
        self._learning = [name for name, parameter in start.model.named_parameters() if parameter.requires_grad]
        self._low_rank: dict[str, Tensor] = {}
        """Those that stand in for the policy's; none while they are switched off."""
        self.moved = False
        """Whether it has been reset."""

    @property
    def own(self) -> VLM | None:
        """Its model, where it is not the policy's."""
        return self._model if self._model.lora is None else None

    @contextmanager
    def __call__(self) -> Iterator[VLM]:
        """The model, which may be run inside the `with` statement."""
        if self._model.lora is None:
            yield self._model
        elif not self.moved:
            with lora_off(self._model) as model:
                yield model
        else:
            with lora_as(self._model, self._low_rank) as model:
                yield model

    def reset(self, policy: VLM) -> None:
        """Become the policy as it is."""
        parameters = dict(policy.model.named_parameters())
        self.load_state_dict({name: parameters[name].detach() for name in self._learning})

    def state_dict(self) -> dict[str, Tensor]:
        """The weights that a reset changes, by their names in the policy."""
        if self._low_rank:
            return dict(self._low_rank)
        parameters = self.parameters()
        return {name: parameters[name] for name in self._learning}

    def parameters(self) -> dict[str, Tensor]:
        """Those of its model, by name."""
        return {name: each.detach() for name, each in self._model.model.named_parameters()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a copy of what `state_dict` gave after a reset."""
        self.moved = True
        parameters = self.parameters()
        taken = {name: parts.part_like(weight, parameters[name]) for name, weight in state.items()}
        if self._model.lora is not None:
            self._low_rank = {name: part.to(self._model.device, copy=True) for name, part in taken.items()}
        else:
            for name, part in taken.items():
                parameters[name].copy_(part)


def describe_policy(vlm: VLM) -> str:
    """One line: the family, how its rows are made, and how much of it learns."""
    learning = sum(p.numel() for p in vlm.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in vlm.model.parameters())
    family = vlm.model.config.model_type
    rows = "packed rows" if vlm.adapter.packs else f"plain rows, because '{family}' {vlm.adapter.plain_because}"
    images = "; image features are made once" if vlm.features_frozen else ""
    return f"{family}: {learning / 1e6:.2f} of {total / 1e6:.2f} M parameters learn; {rows}{images}"


def part_rates(config: Config) -> dict[Part, float]:
    """The learning rate of each part at the schedule's top."""
    rates = {part: getattr(config.optimizer.parts, part) for part in get_args(Part)}
    return {part: config.optimizer.learning_rate if rate is None else rate for part, rate in rates.items()}


def _without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        for name in ("p",) if isinstance(module, nn.Dropout) else ("attention_dropout",):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
